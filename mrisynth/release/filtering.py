"""Which generated images are too close to training data to be given away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.evaluation.copying import RealSides, describe_real
from mrisynth.evaluation.real import RealImages
from mrisynth.metrics import privacy
from mrisynth.metrics.features import FeatureExtractor, ScatteringFeatures
from mrisynth.metrics.neighbors import Neighbors
from mrisynth.metrics.thresholds import Thresholds


class CopyFilter:
    """Finds copies exactly as the evaluation does, by pixels and by features, a block of images at a time.

    Args:
        real: Training slices, and the held-out ones that say how close new patients come.
        thresholds: Of which copy_ratio and closest_part are used.
        extractor: Of the features; ours if None.
        progress: Whether to show progress bars.
    """

    def __init__(
        self,
        real: RealImages,
        thresholds: Thresholds,
        extractor: FeatureExtractor | None = None,
        progress: bool = False,
    ) -> None:
        self._thresholds = thresholds
        self._sides = describe_real(real, extractor or ScatteringFeatures(), progress)
        self._heldout = [_nearest(sides, sides.heldout.described, progress) for sides in self._sides]

    def find(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which images are copies.

        Args:
            images: Generated, uint8 [N, H, H].

        Returns:
            [N].
        """
        limits = self._thresholds
        copies = [
            privacy.find_copies(
                _nearest(sides, sides.distance.describe(images)),
                heldout,
                limits.closest_part,
                limits.copy_ratio,
            )
            for sides, heldout in zip(self._sides, self._heldout, strict=True)
        ]
        return np.logical_or.reduce(copies)


def _nearest(sides: RealSides, described: NDArray, progress: bool = False) -> Neighbors:
    """Nearest training slices."""
    training = sides.training
    return sides.distance.neighbors(described, training.described, training.subjects, progress=progress)
