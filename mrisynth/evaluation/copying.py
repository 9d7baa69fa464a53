"""Whether generated images are copies: both measures of distance, the closest pairs, the verdict."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.evaluation.configuration import EvaluationSettings
from mrisynth.evaluation.real import RealImages
from mrisynth.evaluation.results import ClosePair, Privacy
from mrisynth.metrics import alignment, privacy, verdict
from mrisynth.metrics.features import FeatureExtractor
from mrisynth.metrics.intervals import Bootstrap
from mrisynth.metrics.neighbors import Distance, FeatureDistance, PixelDistance
from mrisynth.metrics.privacy import Search, Side
from mrisynth.metrics.search import Groups

_PAIRS = 12


@dataclasses.dataclass(frozen=True)
class RealSides:
    """Both sides of a data set as one measure of distance describes them."""

    distance: Distance
    training: Side
    heldout: Side


def describe_real(
    real: RealImages, extractor: FeatureExtractor, progress: bool = False
) -> tuple[RealSides, RealSides]:
    """Describes a data set by pixels and by features, once for any number of generators."""
    return tuple(
        RealSides(
            distance,
            *(
                Side(distance.describe(side.images, progress), Groups.of(side.subjects))
                for side in (real.training, real.heldout)
            ),
        )
        for distance in (PixelDistance(), FeatureDistance(extractor))
    )


def generated_side(sides: RealSides, images: NDArray[np.uint8], progress: bool = False) -> Side:
    """Describes generated images; each is a subject of its own."""
    return Side(sides.distance.describe(images, progress), Groups.of(np.arange(len(images))))


def examine(
    images: NDArray[np.uint8],
    real: RealImages,
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
        looked_up = privacy.search(sides.distance, sides.training, sides.heldout, generated, progress)
        found.append(looked_up)
        figures.append(
            privacy.closeness(
                sides.distance,
                looked_up,
                sides.training,
                sides.heldout,
                generated,
                limits.closest_part,
                Bootstrap(settings.draws, settings.seed),
            )
        )
    copies = [
        privacy.find_copies(each.generated, each.heldout, limits.closest_part, limits.copy_ratio)
        for each in found
    ]
    is_copy = np.logical_or.reduce(copies)
    subjects = [sides.subjects.count for sides in (described[0][0].training, described[0][0].heldout)]
    return Privacy(
        verdict=verdict.decide(int(is_copy.sum()), figures, *subjects, limits),
        closeness=tuple(figures),
        copies=int(is_copy.sum()),
        pairs=_closest_pairs(images, real.training.images, found, is_copy, described),
        thresholds=dataclasses.asdict(limits),
    )


def _closest_pairs(
    images: NDArray[np.uint8],
    training: NDArray[np.uint8],
    found: list[Search],
    is_copy: NDArray[np.bool_],
    described: list[tuple[RealSides, Side]],
) -> tuple[ClosePair, ...]:
    """The closest pairs by either measure, copies first, each generated image once."""
    by_pixels, by_features = found
    # The two measures have no unit in common: an image's place in the order of each is compared.
    places = [np.argsort(np.argsort(each.generated.nearest)) for each in found]
    order = np.lexsort((np.minimum(*places), ~is_copy))[:_PAIRS]
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
                feature_distance=float(np.linalg.norm(difference, axis=-1).min()),
                copy=bool(is_copy[index]),
            )
        )
    return tuple(pairs)
