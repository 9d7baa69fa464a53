"""Which generated images are too close to training data to be given away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.features import FeatureExtractor, ScatteringFeatures
from mrisynth.privacy import statistics
from mrisynth.privacy.copying import describe_real
from mrisynth.privacy.searches import ReferenceImages


class CopyFilter:
    """Finds copies exactly as the evaluation does, by pixels and by features, a block of images at a time.

    Args:
        real: Training slices, and the held-out ones that say how close new patients come.
        copy_ratio: See `statistics.find_copies`.
        extractor: Of the features; ours if None.
        progress: Whether to show progress bars.
    """

    def __init__(
        self,
        real: ReferenceImages,
        copy_ratio: float,
        extractor: FeatureExtractor | None = None,
        progress: bool = False,
    ) -> None:
        self._copy_ratio = copy_ratio
        self._sides = describe_real(real, extractor or ScatteringFeatures(), progress)

    def find(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Which images are copies.

        Args:
            images: Generated, uint8 [N, H, H, C].

        Returns:
            [N].
        """
        copies = [
            statistics.is_alone(
                sides.nearest_training(sides.describe(images)), sides.neighbors, self._copy_ratio
            )
            for sides in self._sides
        ]
        return np.logical_or.reduce(copies)
