"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Iterator, Sequence
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from mrisynth import checksums
from mrisynth.atomic_io import write_bytes_aside
from mrisynth.evaluation import likeness
from mrisynth.evaluation.results import Evaluation
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import NOT_A_NUMBER, Interval, Measure, format_number
from mrisynth.metrics.registry import Direction, Metric
from mrisynth.privacy.copying import ClosePair, Privacy
from mrisynth.privacy.distances import DISTANCES
from mrisynth.privacy.statistics import Closeness
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, RULE, UNKNOWN
from mrisynth.report.pictures import Picture, difference, gray_picture, sheet
from mrisynth.report.plots import GENERATED_COLOR, REAL_COLOR, distance_plot, spectrum_plot

_TEMPLATE = "report.html.jinja"
_OVERVIEW_CELL = 128
_FULL_SIZE = 4
_FULL_SIZE_CELL = 512
_SHEET_WIDTH = 1024


_LOOKS = {NO_SIGN: "good", INCONCLUSIVE: "open", COPIES_FOUND: "bad", UNKNOWN: "open"}
"""Color and symbol of a verdict."""
_ADVICE = {
    NO_SIGN: (
        "No test below found that the model repeats the scans it was trained on. This is evidence, not "
        "proof; the decision to share images stays with the people responsible for the scans."
    ),
    INCONCLUSIVE: (
        "The tests below do not settle the question. Treat images and model as confidential until an "
        "evaluation with more images or more patients does."
    ),
    COPIES_FOUND: (
        "Generated images come too close to scans of patients the model was trained on. Treat images and "
        "model as confidential."
    ),
    UNKNOWN: "Treat images and model as confidential: copies were not looked for.",
}


@dataclasses.dataclass(frozen=True)
class _Row:
    """A row of the table of measures."""

    title: str
    measure: Measure
    ratio: str
    note: str


@dataclasses.dataclass(frozen=True)
class _Group:
    """The rows of one measure."""

    metric: Metric
    rows: tuple[_Row, ...]


@dataclasses.dataclass(frozen=True)
class _Cell:
    """An interval of the privacy table, and the axis that it is drawn on."""

    interval: Interval
    low: float
    high: float
    expected: float

    @property
    def can_be_drawn(self) -> bool:
        """Whether all of it are numbers."""
        return all(map(math.isfinite, (*vars(self.interval).values(), self.expected)))


def render(evaluation: Evaluation, show_real: bool = True) -> str:
    """The report as HTML.

    Args:
        evaluation: What was found out.
        show_real: Whether slices of real scans may be on the page. Without them it still shows generated
            images, which are as confidential as the scans if they are copies; the page says so.

    Returns:
        A page without scripts that loads nothing.
    """
    privacy, words = evaluation.privacy, evaluation.privacy.verdict.words
    examined = isinstance(privacy, Privacy)
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            evaluation=evaluation,
            show_real=show_real,
            belongs_to=_belongs_to(evaluation),
            look=_look(evaluation),
            advice=_ADVICE[words],
            unlike_rule=likeness.RULE,
            copies_possible=words != NO_SIGN,
            examined=examined,
            **(_about_copies(privacy, show_real) if examined else {}),
            overviews=list(_overviews(evaluation, show_real)),
            full_sizes=list(_full_sizes(evaluation, show_real)),
            interpolation=_interpolation(evaluation.interpolation),
            groups=_groups(evaluation),
            spectrum_plots={
                name: spectrum_plot(each)
                for name, each in evaluation.spectra.items()
                if np.isfinite(list(vars(each).values())).all()
            },
            colors={"generated": GENERATED_COLOR, "real": REAL_COLOR},
        )
    )


def write_report(evaluation: Evaluation, path: str | os.PathLike[str], show_real: bool = True) -> str:
    """Writes the report, first aside, then renamed.

    Args:
        evaluation: What was found out.
        path: Path of the HTML file.
        show_real: Whether slices of real scans may be on the page.

    Returns:
        SHA-256 of the file, hexadecimal.

    Raises:
        OSError: If it cannot be written.
    """
    content = render(evaluation, show_real).encode()
    write_bytes_aside(pathlib.Path(path), content)
    return hashlib.sha256(content).hexdigest()


def format_interval(interval: Interval, percent: bool) -> tuple[str, str]:
    """A value, and from where to where its confidence interval goes."""
    factor, unit, decimals = (100, " %", 1) if percent else (1, "", 2)
    numbers = (interval.value, interval.low, interval.high)
    value, low, high = (
        f"{factor * number:.{decimals}f}{unit}" if math.isfinite(number) else NOT_A_NUMBER
        for number in numbers
    )
    return value, f"{low.removesuffix(unit)} to {high}"


def format_shift(shift: tuple[int, int]) -> str:
    """A shift down and to the right in words."""
    down, right = shift
    parts = []
    if down:
        parts.append(f"{abs(down)}\N{NO-BREAK SPACE}px {'down' if down > 0 else 'up'}")
    if right:
        parts.append(f"{abs(right)}\N{NO-BREAK SPACE}px {'right' if right > 0 else 'left'}")
    return f"moved {', '.join(parts)}" if parts else "not moved"


def _with_minus(number: object) -> str:
    """A number as text, with the sign that typesetters use."""
    return str(number).replace("-", "\N{MINUS SIGN}")


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value: _with_minus(format_number(value)),
        "with_minus": _with_minus,
        "interval": format_interval,
        "shift": format_shift,
    }
    return environment


def _look(evaluation: Evaluation) -> str:
    """Color and symbol of the page, green only of images like the data and figures that are all numbers."""
    look = _LOOKS[evaluation.privacy.verdict.words]
    return "open" if look == "good" and (evaluation.unlike_the_data or evaluation.faults) else look


def _belongs_to(evaluation: Evaluation) -> dict[str, str]:
    """Which model and which data set this is about, as people compare it with a model card."""
    generator, data = evaluation.generator, evaluation.data
    if "name" in generator:
        model = f"{generator['name']}, version {generator.get('version', 'unknown')}"
        model += f", exported on {generator['exported']}" if "exported" in generator else ""
    else:
        model = "generator of a run"
        model += f", at iteration {generator['iterations']:,}" if "iterations" in generator else ""
    found = {
        "checksum of its graph and weights": generator.get("checksum"),
        "checksum of its averaged weights": generator.get("weights_checksum"),
        "fingerprint of the data set": data.get("fingerprint"),
    }
    short = {name: checksums.short(checksum) for name, checksum in found.items() if checksum}
    return {"model": model, **short, "evaluated on": evaluation.date}


def _about_copies(privacy: Privacy, show_real: bool) -> dict[str, Any]:
    """What the page says of copies beyond the verdict."""
    closeness = list(privacy.closeness.values())
    distances = [DISTANCES[name] for name in privacy.closeness]
    return {
        "rule": RULE,
        "thresholds": dataclasses.asdict(privacy.thresholds),
        "compared": len(closeness[0].generated),
        "heldout": len(closeness[0].heldout),
        "pairs": [(pair, _pair_picture(pair, show_real)) for pair in privacy.closest_pairs],
        "distances": distances,
        "distance_plots": [
            distance_plot(c, d.axis) if np.isfinite([*c.generated, *c.heldout, c.limit]).all() else None
            for c, d in zip(closeness, distances, strict=True)
        ],
        "closest": f"{format_number(100 * closeness[0].expected_share, 2)} %",
        "cells": _cells(closeness),
    }


def _overviews(evaluation: Evaluation, show_real: bool) -> Iterator[tuple[str, Picture]]:
    """Sheets of many images, generated and real ones alike."""
    for name, images in _shown(evaluation, show_real):
        columns = math.ceil(math.sqrt(len(images)))
        alt = f"{len(images)} {name} images in {columns} columns"
        yield name, gray_picture(sheet(images, columns, _OVERVIEW_CELL, _SHEET_WIDTH), alt)


def _full_sizes(evaluation: Evaluation, show_real: bool) -> Iterator[tuple[str, Picture]]:
    """The first few at full size."""
    for name, images in _shown(evaluation, show_real):
        few = images[:_FULL_SIZE]
        alt = f"The first {len(few)} of the {name} images at full size"
        yield name, gray_picture(sheet(few, _FULL_SIZE, _FULL_SIZE_CELL, _SHEET_WIDTH), alt)


def _shown(evaluation: Evaluation, show_real: bool) -> list[tuple[str, NDArray[np.uint8]]]:
    kinds = [("generated", evaluation.samples), ("real", evaluation.real)]
    return [(name, images) for name, images in kinds if len(images) and (show_real or name == "generated")]


def _pair_picture(pair: ClosePair, show_real: bool) -> Picture:
    """A generated image; beside it, if real ones may be shown, its neighbor and what differs."""
    images = [pair.generated]
    alt = f"A generated image; its correlation with the nearest training slice is {pair.correlation:.3f}"
    if show_real:
        images += [pair.training, difference(pair.generated, pair.training)]
        alt += ", which is beside it, followed by the difference of the two"
    return gray_picture(sheet(np.stack(images), len(images), _FULL_SIZE_CELL, 256 * len(images)), alt)


def _interpolation(images: NDArray[np.uint8]) -> Picture | None:
    """Every row goes from latent to latent; None if there are no rows."""
    rows, steps, *image = images.shape
    if rows == 0:
        return None
    alt = f"{rows} rows of {steps} generated images, each row changing gradually from one image to another"
    return gray_picture(sheet(images.reshape(-1, *image), steps, _OVERVIEW_CELL, _SHEET_WIDTH), alt)


def _groups(evaluation: Evaluation) -> list[_Group]:
    """The measures by what they measure, in their order."""
    resolution = evaluation.samples.shape[1]
    rows: dict[Metric, list[_Row]] = {}
    for key, measure in evaluation.measures.items():
        metric, title = registry.find(key)
        rows.setdefault(metric, []).append(
            _Row(title, measure, _ratio(measure, metric.direction), metric.note(resolution))
        )
    return [_Group(metric, tuple(found)) for metric, found in rows.items()]


def _ratio(measure: Measure, direction: Direction) -> str:
    """How many times as large the generated images' value is; empty where that says nothing."""
    ratio = measure.generated.mean / measure.real.mean if measure.real.mean > 0 else math.nan
    if direction is not Direction.LOWER or not math.isfinite(ratio):
        return ""
    return f"{format_number(ratio, 2)} \N{MULTIPLICATION SIGN}"


def _cells(closeness: Sequence[Closeness]) -> dict[str, list[_Cell]]:
    """The rows of the privacy table, by the name of what is in them."""
    largest_share = _largest(0.05, *(c.closer_share.high for c in closeness))
    return {
        "closer_share": [_Cell(c.closer_share, 0, largest_share, c.expected_share) for c in closeness],
        "authenticity": [_Cell(c.authenticity, 0, 1, c.authenticity_heldout.value) for c in closeness],
        "authenticity_heldout": [
            _Cell(c.authenticity_heldout, 0, 1, c.authenticity_heldout.value) for c in closeness
        ],
        "nearer_auc": [_Cell(c.nearer_auc, 0, 1, 0.5) for c in closeness],
        "membership_auc": [_Cell(c.membership_auc, 0, 1, 0.5) for c in closeness],
    }


def _largest(*numbers: float) -> float:
    """The largest of those that are finite."""
    return max(filter(math.isfinite, numbers))
