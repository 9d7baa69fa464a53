"""Whether images show the labels that they were asked for, beside how well real images show theirs.

A network that is trained on real training slices reads the labels of generated images and of held-out slices;
another, trained on generated images and what these were asked for, reads the held-out slices. [CAS] is Ravuri
and Vinyals 2019, arXiv 1905.10887.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.data.finding.channels import mask_channels
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.data.reading.intensities import foreground_threshold
from mrisynth.evaluation.config import FEWEST_EVALUATED
from mrisynth.evaluation.label_reader import LabelReader
from mrisynth.evaluation.reference import ZERO
from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.bootstrap import Bootstrap, Weights
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.privacy.searches import ReferenceImages, Slices, without_masks
from mrisynth.privacy.statistics import auc

LEAST_RATIO, MOST_RATIO = 0.95, 1.03
"""How well labels of generated images are to be read, as a part of how well those of real ones are."""

MOST_MOVED = 0.1
"""By how much of their range readings of labels may change where another label is moved."""

MOST_IMAGES = 4096
"""Generated images whose labels are read, and that a network is trained on."""

MOVED_SEEDS = 64
"""Seeds whose images are drawn again with one label moved."""

AS_REAL = "as real images do"
LESS = "less than real images"
MORE = "more than real images"
UNCLEAR = "not clear, with so few held-out subjects"
UNREADABLE = "not found in real images"
"""What is found of a figure."""

ACCURACY, AREA = "accuracy", "area under the curve"
ERROR, CORRELATION = "mean absolute error", "correlation"
BY_MASK = " of the mask's area"
"""What figures are called; errors are in the unit of the label."""

RULE = (
    f"Images show a label if it is read off them {LEAST_RATIO} to {MOST_RATIO} times as well as off real, "
    "held-out slices. If the ratio is another, but its 95 % interval reaches there, held-out subjects are "
    "too few to tell. If real slices are read no better than by always naming the most frequent category or "
    "the median, by their interval, nothing can be said."
)
"""What findings are decided by, for readers."""

_MASKED_LABEL = "lesion_fraction"
_STEPS = 5

Score = Callable[..., float]
"""Takes labels and readings of N images, [N, width] as one label is encoded, and maybe a weight of each."""


@dataclasses.dataclass(frozen=True)
class Shown:
    """How well one label can be read, by one figure.

    Attributes:
        label: Name of the label.
        figure: `ACCURACY`, `AREA`, `ERROR` or `CORRELATION`, the latter two with `BY_MASK` where the part of
            the head that is mask is the reading.
        generated: Of generated images; the network was trained on real training slices.
        real: Of held-out slices, by the same network; the interval is over subjects.
        learned: Of held-out slices by a network that was trained on generated images [CAS]: the error, or the
            mean probability of the right category, which is none of luck; None of other figures and by masks.
        chance: Of held-out slices, if their images are not looked at.
        ratio: How many times as well the label is read off generated images as off real ones, with the
            interval that follows from that of the real ones; None where there is no such number.
        finding: `AS_REAL`, `LESS`, `MORE`, `UNCLEAR` or `UNREADABLE` (see `RULE`).
    """

    label: str
    figure: str
    generated: float
    real: Interval
    learned: float | None
    chance: float
    ratio: Interval | None
    finding: str

    @property
    def title(self) -> str:
        """Name in tables."""
        return f"{self.label}, {self.figure}"


@dataclasses.dataclass(frozen=True)
class Moved:
    """What happens to one label where another is moved and the latent stays.

    Attributes:
        label: The label that is moved.
        other: The label that is read.
        part: By how much its mean reading changes at most, as a part of its range on the training side.
    """

    label: str
    other: str
    part: float


@dataclasses.dataclass(frozen=True)
class Fidelity:
    """What was asked for, and what came.

    Attributes:
        images: Number of generated images that were looked at.
        shown: How well every label can be read, by every figure; none of a label that too few images have.
        moved: How labels move with one another, of those that can be read off real images.
    """

    images: int
    shown: tuple[Shown, ...]
    moved: tuple[Moved, ...]

    @property
    def summary(self) -> str:
        """What was found, in words."""
        found: dict[str, list[str]] = {finding: [] for finding in (AS_REAL, LESS, MORE, UNCLEAR, UNREADABLE)}
        for row in self.shown:
            found[row.finding].append(row.title)
        parts = [f"{len(found.pop(AS_REAL))} of {len(self.shown)} figures {AS_REAL}"]
        parts += [f"{finding}: {', '.join(titles)}" for finding, titles in found.items() if titles]
        if self.moved:
            most = max(self.moved, key=lambda moved: moved.part)
            judged = "too far" if most.part > MOST_MOVED else "little enough"
            part = f"{most.part:.0%} of its range at most, which is {judged}"
            parts.append(f"where {most.label} is moved, {most.other} goes with it by {part}")
        return f"Images show what was asked for: {'; '.join(parts)}."


@dataclasses.dataclass(frozen=True)
class Asked:
    """Generated images and what they were asked for.

    Attributes:
        images: Uint8 [N, H, H, C].
        labels: [N, width].
        draw_again: Draws the first `MOVED_SEEDS` of them with other labels, [M, width]; or as many as there
            are of them, M.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.float32]
    draw_again: Callable[[NDArray[np.float32]], NDArray[np.uint8]]


def measure_fidelity(
    schema: LabelSchema, real: ReferenceImages, asked: Asked, steps: int, bootstrap: Bootstrap
) -> Fidelity:
    """Measures whether images show what they were asked for.

    Args:
        schema: The labels.
        real: The data set, with labels.
        asked: Generated images.
        steps: For how many batches each of the two networks is trained.
        bootstrap: For the intervals; its seed decides everything random.

    Returns:
        What was found; the same arguments give the same.
    """
    masks = mask_channels(real.channels)
    visible = functools.partial(without_masks, channels=real.channels)
    asked = dataclasses.replace(asked, images=asked.images[:MOST_IMAGES], labels=asked.labels[:MOST_IMAGES])
    of_real, of_generated = (
        LabelReader(schema, visible(side.images), side.labels, steps, bootstrap.seed)
        for side in (real.training, asked)
    )
    generated = of_real.read(visible(asked.images))
    heldout, learned = (reader.read(visible(real.heldout.images)) for reader in (of_real, of_generated))
    shown: list[Shown] = []
    for label, columns in schema.columns():
        readings = [(generated[:, columns], heldout[:, columns], learned[:, columns])]
        if label.name == _MASKED_LABEL and masks:
            shares = (
                _mask_shares(side.images[..., masks[0]], visible(side.images)[..., 0])
                for side in (asked, real.heldout)
            )
            readings.append((*map(label.encode, shares), None))
        for each in readings:
            shown += _shown(label, columns, asked, real, each, bootstrap)
    moved = _moved(
        schema, real.training, asked, lambda images: of_real.read(visible(images)), _readable(shown)
    )
    return Fidelity(len(asked.images), tuple(shown), tuple(moved))


def _shown(
    label: Label,
    columns: slice,
    asked: Asked,
    real: ReferenceImages,
    readings: Sequence[NDArray[np.float32] | None],
    bootstrap: Bootstrap,
) -> Iterator[Shown]:
    """The figures of one label by one way to read it: of generated images, of real ones, learned."""
    truths = [side.labels[:, columns] for side in (asked, real.heldout, real.training)]
    known = [truth[:, -1] > 0 for truth in truths]
    if min(map(np.count_nonzero, known)) < FEWEST_EVALUATED:
        return
    ours, theirs, usual = (truth[of] for truth, of in zip(truths, known, strict=True))
    generated, heldout, learned = (
        None if part is None else part[of]
        for part, of in zip(readings, (known[0], known[1], known[1]), strict=True)
    )
    subjects = Groups.of(real.heldout.subjects[known[1]])
    for figure, score, score_learned in _scores(label):
        if figure == AREA and min(len(np.unique(side[:, 1])) for side in (ours, theirs)) < 2:
            continue
        interval = bootstrap.interval(functools.partial(score, theirs, heldout), subjects)
        chance = score(theirs, np.broadcast_to(_most_usual(label, usual), theirs.shape))
        ratio = _ratio(figure, score(ours, generated), interval)
        yield Shown(
            label.name,
            figure + BY_MASK if learned is None else figure,
            generated=score(ours, generated),
            real=interval,
            learned=None if learned is None or score_learned is None else score_learned(theirs, learned),
            chance=chance,
            ratio=ratio,
            finding=_finding(ratio, interval.high < chance if figure == ERROR else interval.low > chance),
        )


def _scores(label: Label) -> Iterator[tuple[str, Score, Score | None]]:
    """The figures of a label: how they are computed, and what is computed in their place of what is learned.

    A network that has learned nothing takes this or that by luck: what it prefers by however little, which
    its accuracy, area and correlation take for all, is right of all images or of none.
    """
    if label.kind is LabelKind.CONTINUOUS:

        def error(*sides: Any) -> float:
            return label.deviation * _error(*sides)

        yield ERROR, error, error
        yield CORRELATION, _correlation, None
        return
    yield ACCURACY, _accuracy, _probability
    if len(label.vocabulary) == 2:
        yield AREA, _area, None


def _probability(truth: NDArray, read: NDArray) -> float:
    return float(np.mean(np.sum(truth[:, :-1] * read[:, :-1], axis=1)))


def _accuracy(truth: NDArray, read: NDArray, weights: Weights | None = None) -> float:
    return float(np.average(truth[:, :-1].argmax(1) == read[:, :-1].argmax(1), weights=weights))


def _area(truth: NDArray, read: NDArray, weights: Weights | None = None) -> float:
    times = np.ones(len(truth), int) if weights is None else weights.astype(int)
    sides = [np.repeat(read[:, 1], np.where(truth[:, 1] == side, times, 0)) for side in (0, 1)]
    return auc(*sides) if all(map(len, sides)) else math.nan


def _error(truth: NDArray, read: NDArray, weights: Weights | None = None) -> float:
    return float(np.average(np.abs(truth[:, 0] - read[:, 0]), weights=weights))


def _correlation(truth: NDArray, read: NDArray, weights: Weights | None = None) -> float:
    times = None if weights is None else weights.astype(int)
    covariance = np.cov(truth[:, 0], read[:, 0], fweights=times, ddof=0)
    scale = math.sqrt(covariance[0, 0] * covariance[1, 1])
    return float(covariance[0, 1]) / scale if scale > 1e-9 else 0.0


def _most_usual(label: Label, labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The most frequent category or the median of known labels, encoded."""
    if label.kind is LabelKind.CATEGORICAL:
        usual = np.zeros(label.width, np.float32)
        usual[labels[:, :-1].sum(0).argmax()] = 1
        return usual
    return np.median(labels, axis=0)


def _ratio(figure: str, generated: float, real: Interval) -> Interval | None:
    """How many times as well generated images are read as real ones: of errors the other way round."""
    if figure == ERROR:
        return Interval(*(value / generated for value in vars(real).values())) if generated > 0 else None
    if real.low <= 0:
        return None
    return Interval(generated / real.value, *sorted((generated / real.high, generated / real.low)))


def _finding(ratio: Interval | None, is_read: bool) -> str:
    if ratio is None or not is_read:
        return UNREADABLE
    if ratio.high < LEAST_RATIO:
        return LESS
    if ratio.low > MOST_RATIO:
        return MORE
    return AS_REAL if LEAST_RATIO <= ratio.value <= MOST_RATIO else UNCLEAR


def _readable(shown: Sequence[Shown]) -> set[str]:
    """The labels that a network finds in real images, by any figure."""
    return {row.label for row in shown if BY_MASK not in row.figure and row.finding != UNREADABLE}


def _moved(
    schema: LabelSchema,
    training: Slices,
    asked: Asked,
    read: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    readable: Collection[str],
) -> Iterator[Moved]:
    """Moves each label at fixed latents, and says how far the readings of the others go with it."""
    for label, columns in schema.columns():
        others = [each for each in schema.columns() if each[0].name in readable and each[0] != label]
        if not others or not training.labels[:, columns][:, -1].any():
            continue
        means = []
        for value in _values(label, training.labels[:, columns]):
            labels = asked.labels[:MOVED_SEEDS].copy()
            labels[:, columns] = value
            means.append(read(asked.draw_again(labels)).mean(axis=0))
        changes = np.ptp(means, axis=0)
        for other, place in others:
            if other.kind is LabelKind.CATEGORICAL:
                part = changes[place][:-1].max()
            else:
                known = training.labels[:, place]
                part = changes[place][0] / np.ptp(known[known[:, -1] > 0, 0])
            yield Moved(label.name, other.name, float(part))


def _values(label: Label, labels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a label is moved to, encoded: its categories, or numbers between its 5th and 95th percentile."""
    if label.kind is LabelKind.CATEGORICAL:
        return label.encode(label.examples())
    ends = np.percentile(labels[labels[:, -1] > 0, 0], (5, 95))
    return np.stack([np.linspace(*ends, _STEPS), np.ones(_STEPS)], axis=1).astype(np.float32)


def _mask_shares(masks: NDArray[np.uint8], images: NDArray[np.uint8]) -> list[float]:
    """The part of the head that is mask, of N images and their masks, [N, H, H]."""
    masked = np.count_nonzero(masks > ZERO, axis=(1, 2))
    return [pixels / max(1, _head_pixels(image)) for pixels, image in zip(masked, images, strict=True)]


def _head_pixels(image: NDArray[np.uint8]) -> int:
    if image.min() == image.max():
        return 0
    return np.count_nonzero(ndimage.binary_fill_holes(image > foreground_threshold(image)))
