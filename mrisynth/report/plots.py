"""The plots of the report, as SVG."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullFormatter

from mrisynth.evaluation.results import PowerSpectrum
from mrisynth.privacy.statistics import Closeness
from mrisynth.report.pictures import Picture, data_uri

GENERATED_COLOR = "#b3470b"
REAL_COLOR = "#55606b"

_SIZE = (5.2, 3.7)
_STYLE = {
    "font.family": "sans-serif",
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#5a6470",
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    # Makes the identifiers within the SVG, and so the page, the same every time.
    "svg.hashsalt": "mrisynth",
}


def distance_plots(closeness: Closeness, label: str) -> tuple[Picture, Picture]:
    """How far generated images, and slices of new subjects, are from their nearest training slices.

    Two plots: where most of them are; and, with a logarithmic share, the closest. The label is on the axis.
    """
    smallest = (
        f"The smallest is {closeness.generated.min():.3g} for generated images, "
        f"{closeness.heldout.min():.3g} for held-out slices."
    )
    sets = f"{len(closeness.generated):,} generated images and {len(closeness.heldout):,} held-out slices"
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("All distances", label, "share of the images")
        _mark_closest(axes, closeness)
        _histogram(axes, closeness)
        axes.legend()
        everywhere = _picture(
            figure, f"Distances to the nearest training slice, {label}: a histogram of {sets}."
        )
        figure, axes = _axes("The closest ones", label, "share of the images that are closer")
        line = _mark_closest(axes, closeness)
        line.set_label("closest held-out slices")
        _cumulative(axes, closeness)
        axes.legend(loc="lower right")
        closest = _picture(
            figure, f"Distances to the nearest training slice, the share of {sets} below. {smallest}"
        )
    return everywhere, closest


def spectrum_plots(spectrum: PowerSpectrum) -> tuple[Picture, Picture]:
    """Power spectra in logarithmic axes; and their ratio to that of the training images."""
    curves = (
        ("training images", spectrum.training, {"color": REAL_COLOR}),
        ("held-out images", spectrum.heldout, {"color": REAL_COLOR, "linestyle": (0, (4, 2))}),
        ("generated images", spectrum.generated, {"color": GENERATED_COLOR}),
    )
    ratios = spectrum.generated / spectrum.training
    frequency = "cycles per pixel (coarse to fine)"
    with matplotlib.rc_context(_STYLE):
        figure, axes = _axes("Power of coarse and fine structure", frequency, "mean power")
        for name, power, look in curves:
            axes.loglog(spectrum.frequencies, power, label=name, **look)
        _label_frequencies(axes)
        axes.legend()
        powers = _picture(figure, "Power spectra of generated, training and held-out images.")
        figure, axes = _axes("The same, divided by that of the training images", frequency, "ratio")
        for _, power, look in curves:
            axes.semilogx(spectrum.frequencies, power / spectrum.training, **look)
        _label_frequencies(axes)
        alt = (
            f"Power of generated images divided by that of training images: {ratios[0]:.2g} at the coarsest, "
            f"{ratios[-1]:.2g} at the finest structure."
        )
        return powers, _picture(figure, alt)


def _axes(title: str, xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=_SIZE, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    return figure, axes


def _label_frequencies(axes: Axes) -> None:
    axes.xaxis.set(
        major_locator=LogLocator(subs=(1, 2, 5)),
        major_formatter=lambda frequency, _: f"{frequency:g}",
        minor_formatter=NullFormatter(),
    )


def _mark_closest(axes: Axes, closeness: Closeness) -> Line2D:
    return axes.axvline(closeness.limit, color=REAL_COLOR, linewidth=1, linestyle=(0, (2, 2)))


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
