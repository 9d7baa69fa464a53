"""Whether generated images are copies: every measure of distance, the closest pairs, the verdict."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.metrics.features import FeatureExtractor
from mrisynth.privacy import alignment, embedding, statistics, verdict
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.distances import Distance, FeatureDistance, GrayValueDistance
from mrisynth.privacy.embedding import EmbeddingDistance
from mrisynth.privacy.label_copies import CellCopies, copies_by_cell
from mrisynth.privacy.patches import PatchDistance
from mrisynth.privacy.searches import RealSides, ReferenceImages, Search, Side, without_masks
from mrisynth.privacy.statistics import Closeness, Copies
from mrisynth.privacy.verdict import Thresholds, Verdict

DISTANCES: dict[str, type[Distance]] = {
    distance.name: distance
    for distance in (GrayValueDistance, FeatureDistance, EmbeddingDistance, PatchDistance)
}
"""The measures of distance by name."""

_PAIRS = 12


@dataclasses.dataclass(frozen=True)
class ClosePair:
    """A generated image and its nearest training slice.

    Attributes:
        generated: uint8 [H, H, C].
        training: uint8 [H, H, C], mirrored and shifted onto the generated one, its brightness fitted.
        ratio: How far the generated image is from the nearest training subject, divided by how far it is from
            the next (see `statistics.aloneness`), by the measure of distance that makes it smallest.
        distance: Name of that measure of distance.
        correlation: Pearson's correlation of the two images as they are shown, masks left out.
        mirrored: Whether the training slice had to be mirrored.
        shift: Pixels that the training slice was moved down and to the right.
        feature_distance: Squared distance between the features of the two images.
        copy: Whether the generated image counts as a copy.
    """

    generated: NDArray[np.uint8]
    training: NDArray[np.uint8]
    ratio: float
    distance: str
    correlation: float
    mirrored: bool
    shift: tuple[int, int]
    feature_distance: float
    copy: bool


@dataclasses.dataclass(frozen=True)
class Privacy:
    """The whole answer to whether the images are non-confidential.

    Attributes:
        verdict: The answer.
        copies: How many generated images count as copies.
        copies_by: How many do by each measure of distance, by its name.
        controls: How many slices of new subjects count as copies.
        control_count: How many slices of new subjects were looked at for the controls.
        thresholds: What the verdict was decided by.
        closeness: The figures by the name of each measure of distance.
        closest_pairs: The most suspicious pairs, the smallest ratio first, and so copies first.
        cells: The same by what images were asked for; none of a generator without categorical labels.
    """

    verdict: Verdict
    copies: int
    copies_by: dict[str, int]
    controls: int
    control_count: int
    thresholds: Thresholds
    closeness: dict[str, Closeness]
    closest_pairs: tuple[ClosePair, ...]
    cells: tuple[CellCopies, ...] = ()


@dataclasses.dataclass(frozen=True)
class NotExamined:
    """What is said in the place of `Privacy` where it is not known what a generator was trained on."""

    verdict: Verdict = verdict.NOT_EXAMINED


def describe_real(
    real: ReferenceImages, extractor: FeatureExtractor, changed_copies: bool = False
) -> tuple[RealSides, ...]:
    """Describes a data set by every measure of distance, once for any number of generators.

    Args:
        real: The data set.
        extractor: What makes features of images.
        changed_copies: Whether to look for copies that were changed a good deal, too: by an embedding, which
            takes minutes to learn where it is not kept beside the data set, and by patches.

    Returns:
        The data set by gray values, by features and, if they are wanted, by the embedding and by patches.
    """
    distances: list[Distance] = [GrayValueDistance(), FeatureDistance(extractor)]
    if changed_copies:
        distances += [embedding.learn(real), PatchDistance()]
    return tuple(RealSides.of(distance, real) for distance in distances)


def examine(
    images: NDArray[np.uint8],
    real: ReferenceImages,
    described: Sequence[tuple[RealSides, Side]],
    limits: Thresholds,
    bootstrap: Bootstrap,
    schema: LabelSchema = UNCONDITIONAL,
    labels: NDArray[np.float32] | None = None,
) -> Privacy:
    """Compares generated images with the slices they were trained on.

    Args:
        images: Generated, uint8 [N, H, H, C].
        real: The data set.
        described: The data set and the generated images by gray values, then by features, then by others.
        limits: What the verdict is decided by.
        bootstrap: For the confidence intervals.
        schema: The labels of the generator.
        labels: What the images were asked for, [N, schema.width]; None where nothing was, or the data set has
            no labels.

    Returns:
        The figures, the closest pairs and the verdict.
    """
    judged = judge(described, limits, bootstrap)
    copies = judged.copies
    return Privacy(
        verdict=judged.verdict,
        copies=copies.count,
        copies_by={
            sides.distance.name: int(by.sum())
            for (sides, _), by in zip(described, copies.by_measure, strict=True)
        },
        controls=copies.controls,
        control_count=copies.control_count,
        thresholds=limits,
        closeness=judged.closeness,
        closest_pairs=_closest_pairs(images, real.training.images, judged.found, copies, described, limits),
        cells=()
        if labels is None
        else copies_by_cell(schema, labels, real.training, copies.generated, judged.closeness),
    )


@dataclasses.dataclass(frozen=True)
class Judged:
    """What is known of generated images before pictures are made of it.

    Attributes:
        found: What was looked up by each measure of distance.
        closeness: The figures by the name of each measure of distance that has any.
        copies: What counts as a copy.
        verdict: The answer.
    """

    found: list[Search]
    closeness: dict[str, Closeness]
    copies: Copies
    verdict: Verdict


def judge(described: Sequence[tuple[RealSides, Side]], limits: Thresholds, bootstrap: Bootstrap) -> Judged:
    """Measures how close generated images are, by any measures of distance, and decides.

    Args:
        described: The data set and the generated images by each measure of distance.
        limits: What the verdict is decided by.
        bootstrap: For the confidence intervals.
    """
    found, figures = [], {}
    for sides, generated in described:
        searched = sides.search(generated)
        found.append(searched)
        if sides.distance.has_figures:
            figures[sides.distance.name] = statistics.closeness(
                sides, searched, generated, limits.closest_part, bootstrap
            )
    copies = statistics.find_copies(found, limits.copy_ratio)
    sides, _ = described[0]
    subjects = (sides.training.subjects.count, sides.heldout.subjects.count)
    return Judged(found, figures, copies, verdict.decide(copies, figures, *subjects, limits))


def _closest_pairs(
    images: NDArray[np.uint8],
    training: NDArray[np.uint8],
    found: Sequence[Search],
    copies: Copies,
    described: Sequence[tuple[RealSides, Side]],
    limits: Thresholds,
) -> tuple[ClosePair, ...]:
    """The pairs that are most alone by any measure of distance, each generated image once."""
    ratios = np.stack([statistics.aloneness(each.generated, each.real, limits.copy_ratio) for each in found])
    measures = np.argmin(ratios, axis=0)
    order = np.argsort(ratios.min(axis=0), kind="stable")
    order = order[np.isfinite(ratios.min(axis=0)[order])][:_PAIRS]
    names = [sides.distance.name for sides, _ in described]
    sides, generated = described[1]
    pairs = []
    for index in order:
        nearest = found[measures[index]]
        neighbor = nearest.generated.indices[index, 0]
        pair = (without_masks(each, sides.channels) for each in (images[index], training[neighbor]))
        aligned = alignment.align(*pair)
        difference = generated.described[index] - sides.training.described[neighbor, :1]
        pairs.append(
            ClosePair(
                generated=images[index],
                training=alignment.lay_onto(images[index], training[neighbor], aligned),
                ratio=float(ratios[measures[index], index]),
                distance=names[measures[index]],
                correlation=aligned.correlation,
                mirrored=aligned.mirrored,
                shift=(aligned.rows, aligned.columns),
                feature_distance=float(np.sum(difference**2, axis=-1).min()),
                copy=bool(copies.generated[index]),
            )
        )
    return tuple(pairs)
