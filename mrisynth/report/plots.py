"""The plots of the report, as SVG."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from mrisynth.evaluation.results import PowerSpectrum
from mrisynth.privacy.statistics import Closeness
from mrisynth.report.pictures import Picture, data_uri

GENERATED_COLOR = "#b3470b"
REAL_COLOR = "#22577a"

_SIZE = (10.4, 3.5)
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5a6470",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    # Makes the identifiers within the SVG, and so the page, the same every time.
    "svg.hashsalt": "mrisynth",
}


def distance_plot(closeness: Closeness, label: str) -> Picture:
    """How far generated images, and slices of new subjects, are from their nearest training slices.

    The left axes show where most of them are, the right ones, with a logarithmic share, the closest.

    Args:
        closeness: The distances.
        label: What is on the axis of distances.
    """
    with matplotlib.rc_context(_STYLE):
        figure, (left, right) = _two_axes()
        threshold = closeness.limit
        for axes in (left, right):
            axes.axvline(threshold, color="#5a6470", linewidth=1, linestyle=(0, (2, 2)))
        _histogram(left, closeness)
        _cumulative(right, closeness)
        left.set(title="All distances", xlabel=label, ylabel="share of the images")
        right.set(title="The closest ones", xlabel=label, ylabel="share of the images that are closer")
        room_on_the_left = threshold > 0.5 * sum(right.get_xlim())
        right.annotate(
            "closest held-out slices",
            (threshold, 0.98),
            xycoords=("data", "axes fraction"),
            xytext=(-4 if room_on_the_left else 4, 0),
            textcoords="offset points",
            horizontalalignment="right" if room_on_the_left else "left",
            verticalalignment="top",
            fontsize=8.5,
            color="#5a6470",
        )
        left.legend()
        alt = (
            f"Distances to the nearest training slice, {label}: a histogram of {len(closeness.generated):,} "
            f"generated images and {len(closeness.heldout):,} held-out slices, the share below every one. "
            f"The smallest is {closeness.generated.min():.3g} for generated images, "
            f"{closeness.heldout.min():.3g} for held-out slices."
        )
        return _picture(figure, alt)


def spectrum_plot(spectrum: PowerSpectrum) -> Picture:
    """Power spectra in logarithmic axes, and their ratio to that of the training images."""
    curves = (
        ("training images", spectrum.training, {"color": REAL_COLOR}),
        ("held-out images", spectrum.heldout, {"color": REAL_COLOR, "linestyle": (0, (4, 2))}),
        ("generated images", spectrum.generated, {"color": GENERATED_COLOR}),
    )
    with matplotlib.rc_context(_STYLE):
        figure, (left, right) = _two_axes()
        for name, power, look in curves:
            left.loglog(spectrum.frequencies, power, label=name, **look)
            right.semilogx(spectrum.frequencies, power / spectrum.training, **look)
        for axes in (left, right):
            axes.xaxis.set(
                major_locator=LogLocator(subs=(1, 2, 5)),
                major_formatter=lambda frequency, _: f"{frequency:g}",
                minor_formatter=NullFormatter(),
            )
        frequency = "cycles per pixel (coarse to fine)"
        left.set(title="Power of coarse and fine structure", xlabel=frequency, ylabel="mean power")
        right.set(title="The same, divided by that of the training images", xlabel=frequency, ylabel="ratio")
        left.legend()
        ratios = spectrum.generated / spectrum.training
        alt = (
            "Power spectra of generated, training and held-out images. Generated divided by training: "
            f"{ratios[0]:.2g} at the coarsest, {ratios[-1]:.2g} at the finest structure."
        )
        return _picture(figure, alt)


def _two_axes() -> tuple[Figure, NDArray]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    figure.get_layout_engine().set(wspace=0.06)
    return figure, figure.subplots(1, 2)


def _histogram(axes: Axes, closeness: Closeness) -> None:
    distances = np.concatenate([closeness.generated, closeness.heldout])
    edges = np.linspace(min(0.0, distances.min()), distances.max(), 61)
    for name, values, color in (
        ("held-out slices", closeness.heldout, REAL_COLOR),
        ("generated images", closeness.generated, GENERATED_COLOR),
    ):
        shares = np.histogram(values, edges)[0] / len(values)
        axes.stairs(shares, edges, fill=True, color=color, alpha=0.18)
        axes.stairs(shares, edges, color=color, linewidth=1.5, label=f"{name} ({len(values):,})")
    axes.set(xlim=(edges[0], edges[-1]), ylim=(0, None))
    axes.yaxis.set_major_formatter(_percent)


def _cumulative(axes: Axes, closeness: Closeness) -> None:
    smallest = min(1 / len(closeness.generated), 1 / len(closeness.heldout))
    for values, color in ((closeness.heldout, REAL_COLOR), (closeness.generated, GENERATED_COLOR)):
        axes.step(np.sort(values), np.arange(1, len(values) + 1) / len(values), where="post", color=color)
    nearest = min(0.0, closeness.generated.min(), closeness.heldout.min())
    axes.set(yscale="log", ylim=(0.7 * smallest, 1.4), xlim=(nearest, np.median(closeness.heldout)))
    axes.yaxis.set_major_formatter(_percent)


def _percent(share: float, _: int) -> str:
    return f"{100 * share:g} %"


def _picture(figure: Figure, alt: str) -> Picture:
    file = io.BytesIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    width, height = (round(100 * side) for side in _SIZE)
    return Picture(data_uri("image/svg+xml", file.getvalue()), width, height, alt)
