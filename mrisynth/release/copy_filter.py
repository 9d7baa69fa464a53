"""Which generated images are too close to training data to be given away."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy import statistics
from mrisynth.privacy.copying import describe_real
from mrisynth.privacy.searches import ReferenceImages


class CopyFilter:
    """Finds copies as the evaluation does, some images at a time.

    Args:
        real: Training slices, and the held-out ones that say how close new patients come.
        copy_ratio: A copy's distance to its nearest training subject is less than this part of that to any
            other (see `statistics.find_copies`).
        changed_copies: Whether to look for copies that were changed a good deal, too, as the evaluation does
            but for its short form.
    """

    def __init__(self, real: ReferenceImages, copy_ratio: float, changed_copies: bool) -> None:
        self._copy_ratio = copy_ratio
        self._sides = describe_real(real, ScatteringFeatures(), changed_copies)

    @property
    def measures(self) -> str:
        """What images are compared by, in words."""
        *names, last = (sides.distance.title.removeprefix("By ") for sides in self._sides)
        words = f"by {', '.join(names)} and {last}"
        return words if len(names) > 1 else f"{words} alone, as no embedding is kept beside the data set"

    def find(self, images: NDArray[np.uint8]) -> NDArray[np.bool_]:
        """Finds the copies among generated images, uint8 [N, H, H, C]: whether each is one, [N]."""
        copies = [
            statistics.is_alone(
                sides.nearest_training(sides.describe(images)), sides.neighbors, self._copy_ratio
            )
            for sides in self._sides
        ]
        return np.logical_or.reduce(copies)
