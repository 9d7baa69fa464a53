"""What the formats of a release have in common."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Format(Protocol):
    """Where images go. Images are numbered from 1; several threads may write at a time."""

    def written(self) -> list[int]:
        """The seeds of images 1, 2, ..., up to the first that is not there as a whole."""

    def start(self, kept: int) -> None:
        """Prepares for more images after the first so many."""

    def write(self, number: int, seed: int, image: NDArray[np.float32]) -> None:
        """Writes one image, [r, r] in [-1, 1]; leaves it if it is there."""

    def finish(self, seeds: list[int]) -> None:
        """Writes what belongs to the whole of it, once all images are there."""
