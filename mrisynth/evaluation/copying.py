"""Whether generated images are copies: both measures of distance, the closest pairs, the verdict."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.reference import ReferenceImages
from mrisynth.evaluation.results import ClosePair, Privacy
from mrisynth.metrics.features import FeatureExtractor
from mrisynth.privacy import alignment, statistics, verdict
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.neighbors import Distance, FeatureDistance, PixelDistance
from mrisynth.privacy.search import Groups
from mrisynth.privacy.statistics import Copies, RealSearch, Search, Side

_PAIRS = 12


@dataclasses.dataclass(frozen=True)
class RealSides:
    """Both sides of a data set as one measure of distance describes them, and what is looked up of them."""

    distance: Distance
    training: Side
    heldout: Side
    found: RealSearch


def describe_real(
    real: ReferenceImages, extractor: FeatureExtractor, progress: bool = False
) -> tuple[RealSides, RealSides]:
    """Describes a data set by pixels and by features, once for any number of generators."""
    return tuple(
        _describe_real(real, distance, progress) for distance in (PixelDistance(), FeatureDistance(extractor))
    )


def _describe_real(real: ReferenceImages, distance: Distance, progress: bool) -> RealSides:
    training, heldout = (
        Side(distance.describe(side.images, progress), Groups.of(side.subjects))
        for side in (real.training, real.heldout)
    )
    return RealSides(
        distance, training, heldout, statistics.search_real(distance, training, heldout, progress)
    )


def generated_side(sides: RealSides, images: NDArray[np.uint8], progress: bool = False) -> Side:
    """Describes generated images; each is a subject of its own."""
    return Side(sides.distance.describe(images, progress), Groups.of(np.arange(len(images))))


def examine(
    images: NDArray[np.uint8],
    real: ReferenceImages,
    described: list[tuple[RealSides, Side]],
    settings: EvaluationSettings,
    progress: bool = False,
) -> Privacy:
    """Compares generated images with the slices they were trained on.

    Args:
        images: Generated, uint8 [N, H, H].
        real: The data set.
        described: The data set and the generated images by pixels, then by features.
        settings: How thoroughly.
        progress: Whether to show progress bars.

    Returns:
        The figures, the closest pairs and the verdict.
    """
    limits = settings.thresholds
    found, figures = [], []
    for sides, generated in described:
        looked_up = statistics.search(
            sides.distance, sides.training, sides.heldout, sides.found, generated, progress
        )
        found.append(looked_up)
        figures.append(
            statistics.closeness(
                sides.distance,
                looked_up,
                sides.training,
                sides.heldout,
                generated,
                limits.closest_part,
                Bootstrap(settings.draws, settings.seed, progress),
            )
        )
    copies = statistics.find_copies(found, limits.copy_ratio)
    subjects = (described[0][0].training.subjects.count, described[0][0].heldout.subjects.count)
    return Privacy(
        verdict=verdict.decide(copies, figures, *subjects, limits),
        closeness=tuple(figures),
        copies=copies.count,
        controls=copies.controls,
        control_count=copies.control_count,
        pairs=_closest_pairs(images, real.training.images, found, copies, described),
        thresholds=dataclasses.asdict(limits),
    )


def _closest_pairs(
    images: NDArray[np.uint8],
    training: NDArray[np.uint8],
    found: list[Search],
    copies: Copies,
    described: list[tuple[RealSides, Side]],
) -> tuple[ClosePair, ...]:
    """The closest pairs by either measure, copies first, each generated image once."""
    by_pixels, by_features = found
    # The two measures have no unit in common: an image's place in the order of each is compared.
    places = [np.argsort(np.argsort(each.generated.nearest)) for each in found]
    # What was found to be a copy is shown beside what it was found to be a copy of.
    places = [np.where(flagged, -1, place) for flagged, place in zip(copies.by_measure, places, strict=True)]
    order = np.argsort(np.minimum(*places), kind="stable")[:_PAIRS]
    (sides, generated) = described[1]
    pairs = []
    for index in order:
        nearest = by_pixels if places[0][index] <= places[1][index] else by_features
        neighbor = nearest.generated.indices[index, 0]
        aligned = alignment.align(images[index], training[neighbor])
        difference = generated.described[index] - sides.training.described[neighbor, :1]
        pairs.append(
            ClosePair(
                generated=images[index],
                training=alignment.lay_onto(images[index], training[neighbor], aligned),
                correlation=aligned.correlation,
                mirrored=aligned.mirrored,
                shift=(aligned.rows, aligned.columns),
                feature_distance=float(np.sum(difference**2, axis=-1).min()),
                copy=bool(copies.generated[index]),
            )
        )
    return tuple(pairs)
