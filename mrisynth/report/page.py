"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jinja2
import numpy as np
from numpy.typing import NDArray

from mrisynth import checksums
from mrisynth.atomic_io import write_bytes_aside
from mrisynth.data.conditions.cells import FEWEST_SUBJECTS
from mrisynth.evaluation import fidelity, joined_halves, likeness
from mrisynth.evaluation.fidelity import Fidelity
from mrisynth.evaluation.results import Evaluation, PowerSpectrum
from mrisynth.image_io import square_columns
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import NOT_A_NUMBER, Measure, format_number
from mrisynth.metrics.registry import Direction, Metric
from mrisynth.privacy import verdict
from mrisynth.privacy.copying import DISTANCES, ClosePair, Privacy
from mrisynth.privacy.statistics import Closeness
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, UNKNOWN, Figure
from mrisynth.report.pictures import Picture, difference, gray_picture, sheet
from mrisynth.report.plots import GENERATED_COLOR, REAL_COLOR, distance_plots, spectrum_plots
from mrisynth.training.origin import PHANTOMS
from mrisynth.utility import tables
from mrisynth.utility.experiment import Utility

_TEMPLATE = "report.html.jinja"
_OVERVIEW_CELL = 128
_FULL_SIZE = 4
_FULL_SIZE_CELL = 512
_SHEET_WIDTH = 1024
_AXIS = (2, 118)
"""Where the axis of a small drawing of an interval begins and ends, in pixels."""

_LOOKS = {NO_SIGN: "good", INCONCLUSIVE: "open", COPIES_FOUND: "bad", UNKNOWN: "open"}
"""Color and symbol of a verdict."""
_FOUND = {
    NO_SIGN: "No figure below shows that the model repeats scans it was trained on.",
    INCONCLUSIVE: "The figures below do not settle the question.",
    COPIES_FOUND: "Generated images come too close to scans the model was trained on.",
    UNKNOWN: "Copies were not looked for.",
}
_ADVICE = {
    NO_SIGN: (
        "This is evidence, not proof; the decision to share images stays with the people responsible for the "
        "scans."
    ),
    INCONCLUSIVE: "Treat images and model as confidential until an evaluation does.",
    COPIES_FOUND: "Treat images and model as confidential.",
    UNKNOWN: "Treat images and model as confidential.",
}
_OF_PHANTOMS = "Phantoms are no patients: nothing here needs protection, whatever the verdict."

_EXPLANATIONS = {
    verdict.COPIES: (
        "Generated images that are far closer to one training subject than to any other, by any measure "
        "of distance."
    ),
    verdict.MEMBERSHIP: (
        "How often somebody who has the generated images guesses right which of two subjects was trained on: "
        "50 % is guessing, 100 % certainty."
    ),
    verdict.CLOSER: (
        "Generated images that come closer to a training slice than the closest few of new subjects' slices."
    ),
    verdict.NEARER: (
        "How often a generated image is nearer to the training slices than a new subject's slice of its kind."
    ),
    verdict.AUTHENTICITY: (
        "How many more generated images than new subjects' slices lie nearer to a training slice than all "
        "other subjects do."
    ),
}
"""What the figures of the verdict say, by name, for readers who never heard of them."""


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
    """A figure of the verdict by one measure of distance, and the end of the axis that it is drawn on.

    The axis begins at `low`.
    """

    figure: Figure
    low: float
    high: float

    @property
    def can_be_drawn(self) -> bool:
        """Whether all of it are numbers."""
        figure = self.figure
        return all(map(math.isfinite, (*vars(figure.interval).values(), figure.expected, figure.limit)))

    def place(self, value: float) -> float:
        """Where a value stands on the drawn axis, in pixels."""
        begin, end = _AXIS
        return round(begin + (end - begin) * (value - self.low) / (self.high - self.low), 2)


@dataclasses.dataclass(frozen=True)
class _Test:
    """A row of the table that the verdict rests on: one figure by every measure of distance."""

    name: str
    cells: tuple[_Cell, ...]

    @property
    def explanation(self) -> str:
        """What it says, in a sentence."""
        return _EXPLANATIONS[self.name]


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
    # Of a model that does not say what it was trained on, the data set says nothing.
    phantoms = examined and evaluation.data.get("kind") == PHANTOMS
    return (
        _environment()
        .get_template(_TEMPLATE)
        .render(
            evaluation=evaluation,
            show_real=show_real,
            phantoms=phantoms,
            belongs_to=_belongs_to(evaluation, phantoms),
            look=_look(evaluation),
            advice=f"{_FOUND[words]} {_OF_PHANTOMS if phantoms else _ADVICE[words]}",
            rule=verdict.RULE,
            unlike_rule=likeness.RULE,
            other_limits=verdict.limits_in_words(privacy.thresholds.changed) if examined else "",
            copies_possible=words != NO_SIGN,
            examined=examined,
            **(_about_copies(privacy, show_real) if examined else {}),
            overviews=list(_overviews(evaluation, show_real)),
            full_sizes=list(_full_sizes(evaluation, show_real)),
            interpolation=_interpolation(evaluation.interpolation),
            utility=_about_utility(evaluation.utility),
            groups=_groups(evaluation),
            joined=_joined(evaluation),
            moved=_moved(evaluation.fidelity) if evaluation.fidelity else {},
            fidelity_rule=fidelity.RULE,
            spectrum_plots={name: _drawn(spectrum_plots, each) for name, each in evaluation.spectra.items()},
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


def _percent(part: float) -> str:
    return _with_minus(f"{format_number(100 * part, 2)} %" if math.isfinite(part) else NOT_A_NUMBER)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda value, digits=3: _with_minus(format_number(value, digits)),
        "with_minus": _with_minus,
        "percent": _percent,
        "title_of": lambda distance: DISTANCES[distance].title.lower(),
        "shift": format_shift,
    }
    return environment


def _look(evaluation: Evaluation) -> str:
    """Color and symbol of the page.

    It is green only of images like the data, of figures that are all numbers, and by limits that let no more
    pass than mrisynth's own.
    """
    privacy = evaluation.privacy
    look = _LOOKS[privacy.verdict.words]
    looser = isinstance(privacy, Privacy) and privacy.thresholds.looser
    return "open" if look == "good" and (looser or evaluation.unlike_the_data or evaluation.faults) else look


def _belongs_to(evaluation: Evaluation, phantoms: bool) -> dict[str, str]:
    """Which model and which data set this is about, as people compare it with a model card."""
    generator, data = evaluation.generator, evaluation.data
    if "name" in generator:
        model = f"{generator['name']}, version {generator.get('version', 'unknown')}"
        model += f", exported on {generator['exported']}" if "exported" in generator else ""
    else:
        model = "generator of a run"
        model += f", at iteration {generator['iterations']:,}" if "iterations" in generator else ""
    sides = (
        f"{data[f'{side}_subjects']:,} {'phantoms' if phantoms else 'subjects'} {done} "
        f"({data[f'{side}_slices']:,} slices)"
        for side, done in (("training", "to train on"), ("heldout", "held out"))
    )
    found = {
        "model": model,
        "checksum of its graph and weights": checksums.short(generator.get("checksum", "")),
        "checksum of its averaged weights": checksums.short(generator.get("weights_checksum", "")),
        "data set": ", ".join(sides),
        "fingerprint of the data set": checksums.short(data.get("fingerprint", "")),
        "evaluated": f"on {evaluation.date}, {data['generated_images']:,} images, by mrisynth "
        f"{evaluation.environment.get('mrisynth', '')}",
    }
    return {name: value for name, value in found.items() if value}


def _about_copies(privacy: Privacy, show_real: bool) -> dict[str, Any]:
    """What the page says of copies beyond the verdict."""
    closeness = list(privacy.closeness.values())
    distances = [DISTANCES[name] for name in privacy.closeness]
    return {
        "thresholds": dataclasses.asdict(privacy.thresholds),
        "compared": len(closeness[0].generated),
        "heldout": len(closeness[0].heldout),
        "pairs": [(pair, _pair_picture(pair, show_real)) for pair in privacy.closest_pairs],
        "distances": distances,
        "distance_plots": [
            _drawn(distance_plots, c, d.axis) for c, d in zip(closeness, distances, strict=True)
        ],
        "tests": _tests(privacy.verdict.figures),
        "fewest_subjects": FEWEST_SUBJECTS,
    }


def _drawn(
    draw: Callable[..., tuple[Picture, ...]], of: Closeness | PowerSpectrum, *label: str
) -> tuple[Picture, ...]:
    """Plots of arrays that are all numbers; of others there are none."""
    arrays = [value for value in vars(of).values() if isinstance(value, np.ndarray)]
    return draw(of, *label) if all(np.isfinite(array).all() for array in arrays) else ()


def _overviews(evaluation: Evaluation, show_real: bool) -> Iterator[tuple[str, Picture]]:
    """Sheets of many images, generated and real ones alike; an image's channels stand side by side."""
    for name, images in _shown(evaluation, show_real):
        count, height, width, channels = images.shape
        columns = square_columns(count, height, channels * width)
        alt = f"{len(images)} {name} images in {columns} columns"
        yield name, gray_picture(sheet(images, columns, _OVERVIEW_CELL, _SHEET_WIDTH), alt)


def _full_sizes(evaluation: Evaluation, show_real: bool) -> Iterator[tuple[str, list[Picture]]]:
    """The first few at full size, each by itself."""
    for name, images in _shown(evaluation, show_real):
        few = images[:_FULL_SIZE, np.newaxis]
        yield (
            name,
            [
                gray_picture(
                    sheet(image, 1, _FULL_SIZE_CELL, _SHEET_WIDTH // _FULL_SIZE),
                    f"Number {number} of the {name} images at full size",
                )
                for number, image in enumerate(few, 1)
            ],
        )


def _shown(evaluation: Evaluation, show_real: bool) -> list[tuple[str, NDArray[np.uint8]]]:
    kinds = [("generated", evaluation.samples), ("real", evaluation.real)]
    return [(name, images) for name, images in kinds if len(images) and (show_real or name == "generated")]


def _pair_picture(pair: ClosePair, show_real: bool) -> Picture:
    """A generated image beside its neighbor and what differs, if real ones may be shown; a channel a row."""
    images = [pair.generated]
    alt = f"A generated image; its correlation with the nearest training slice is {pair.correlation:.3f}"
    if show_real:
        images += [pair.training, difference(pair.generated, pair.training)]
        alt += ", which is beside it, followed by the difference of the two"
    rows = np.moveaxis(np.stack(images), -1, 0).reshape(-1, *pair.generated.shape[:2], 1)
    return gray_picture(sheet(rows, len(images), _FULL_SIZE_CELL, 256 * len(images)), alt)


def _interpolation(images: NDArray[np.uint8]) -> Picture | None:
    """Every row goes from latent to latent; None if there are no rows."""
    rows, steps, *image = images.shape
    if rows == 0:
        return None
    alt = f"{rows} rows of {steps} generated images, each row changing gradually from one image to another"
    return gray_picture(sheet(images.reshape(-1, *image), steps, _OVERVIEW_CELL, _SHEET_WIDTH), alt)


def _about_utility(utility: Utility | None) -> dict[str, Any] | None:
    """What the page says of what networks reach; None if it was not tried out."""
    if utility is None:
        return None
    found = dataclasses.asdict(utility)
    rows = [tuple(map(_with_minus, row)) for row in tables.rows(found)]
    return {"method": tables.method(found), "head": tables.head(found), "rows": rows}


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
    if direction is not Direction.LOWER or not 0 <= ratio < math.inf:
        return ""
    return f"{format_number(ratio, 2)} \N{MULTIPLICATION SIGN}"


def _joined(evaluation: Evaluation) -> dict[str, list[_Row]]:
    """By measure, what it makes of training slices whose halves are of two subjects, beside real ones'."""
    rows: dict[str, list[_Row]] = {}
    for name, joined in evaluation.joined_halves.items():
        for key, spread in joined.items():
            if key not in evaluation.measures:
                continue
            measure = Measure(spread, evaluation.measures[key].real)
            ratio = _ratio(measure, registry.find(key)[0].direction)
            rows.setdefault(registry.full_title(key), []).append(
                _Row(joined_halves.TITLES[name], measure, ratio, "")
            )
    return rows


def _moved(found: Fidelity) -> dict[str, dict[str, float]]:
    """How far readings of labels, the inner keys, go with each label that is moved, the outer ones."""
    table: dict[str, dict[str, float]] = {}
    for moved in found.moved:
        table.setdefault(moved.label, {})[moved.other] = moved.part
    return table


def _tests(figures: Sequence[Figure]) -> list[_Test]:
    """The figures that the verdict rests on, those of one name in one row and on one axis."""
    rows: dict[str, list[Figure]] = {}
    for figure in figures:
        rows.setdefault(figure.name, []).append(figure)
    found = []
    for name, row in rows.items():
        numbers = [n for f in row for n in (f.interval.low, f.interval.high, f.expected, 1.4 * f.limit)]
        ends = (min(filter(math.isfinite, (0.0, *numbers))), max(filter(math.isfinite, (*numbers, 1e-3))))
        found.append(_Test(name, tuple(_Cell(figure, *ends) for figure in row)))
    return found
