"""Nearest images by two measures of distance, neither of which a mirrored or shifted copy escapes.

By pixels: 1 - Pearson's correlation, which knows no brightness or contrast, at the best of all small shifts,
mirrored or not. By features: Euclidean distance of features, of the image or its mirror image.

Both find the nearest image of each of the nearest subjects: a copy is much closer to one subject than to any
other, while a new image is about as close to several.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from mrisynth.metrics import alignment
from mrisynth.metrics.features import FeatureExtractor
from mrisynth.metrics.search import Groups, largest_products

SUBJECTS = 8
"""How many subjects' nearest images are looked at closely."""

_COARSE = 16
_BESIDE = (-2, -1, 1, 2)
_BLOCK_PIXELS = 2**22


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """The nearest references of every query, one of each of the nearest subjects, the nearest first.

    Attributes:
        indices: Of the references, [N, K].
        distances: [N, K], ascending.
    """

    indices: NDArray[np.intp]
    distances: NDArray[np.float32]

    @classmethod
    def of(cls, indices: NDArray[np.intp], distances: NDArray[np.float32]) -> Neighbors:
        """Sorts candidates by distance."""
        order = np.argsort(distances, axis=1, kind="stable")
        return cls(np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1))

    def without(self, left_out: NDArray[np.bool_]) -> Neighbors:
        """Puts some, [N, K], infinitely far."""
        return Neighbors.of(self.indices, np.where(left_out, np.float32(np.inf), self.distances))

    @property
    def nearest(self) -> NDArray[np.float32]:
        """Distance to the nearest of all, [N]."""
        return self.distances[:, 0]


class Distance(Protocol):
    """A measure of distance between images.

    Attributes:
        name: "pixels" or "features".
    """

    name: str

    def describe(self, images: NDArray[np.uint8], progress: bool = False) -> NDArray:
        """What images are compared by; uint8 [N, H, H] -> [N, ...]."""

    def coordinates(self, described: NDArray) -> NDArray[np.float32]:
        """Points in which images close to each other are close, [N, D]; for dividing them into cells."""

    def neighbors(
        self,
        queries: NDArray,
        references: NDArray,
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
        progress: bool = False,
    ) -> Neighbors:
        """Finds the nearest references of described queries.

        Args:
            queries: Described images, [N, ...].
            references: Described images, [M, ...].
            groups: Of the references: their subjects.
            left_out: A group for every query that is not looked at, such as its own subject; [N].
            progress: Whether to show a progress bar.
        """


# ------------------------------------------------------------------------------------------------ pixels


class PixelDistance:
    """1 - correlation at the best small shift, mirrored or not; 0 to 2.

    Images are compared at 64x64 at most. The nearest slice of each of the nearest subjects is found among
    18 variants at 16x16 (mirrored or not, nine shifts); these few are then compared at all shifts of up to
    1/16 of the width.
    """

    name = "pixels"

    def describe(self, images: NDArray[np.uint8], progress: bool = False) -> NDArray[np.uint8]:
        """Thumbnails, uint8 [N, T, T] with T = min(H, 64), of box means."""
        return alignment.thumbnails(images)

    def coordinates(self, described: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images of 16x16 with mean 0 and norm 1, [N, 256]."""
        return alignment.unit(_pool(described.astype(np.float32)).reshape(len(described), -1))

    def neighbors(
        self,
        queries: NDArray[np.uint8],
        references: NDArray[np.uint8],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
        progress: bool = False,
    ) -> Neighbors:
        """See `Distance`."""
        coarse = self.coordinates(references)
        step = max(1, _BLOCK_PIXELS // (SUBJECTS * 2 * queries[0].size))
        found = []
        with tqdm(total=len(queries), desc="nearest by pixels", disable=not progress, leave=False) as bar:
            for start in range(0, len(queries), step):
                rows = slice(start, start + step)
                block = queries[rows]
                excluded = None if left_out is None else left_out[rows]
                candidates = largest_products(_variants(block), coarse, groups, SUBJECTS, left_out=excluded)
                coarsely = Neighbors.of(candidates, _distances(block, references[candidates]))
                if excluded is not None:
                    coarsely = coarsely.without(groups.numbers[coarsely.indices] == excluded[:, None])
                found.append(self._look_beside(block, references, groups, coarsely))
                bar.update(len(block))
        return Neighbors(
            np.concatenate([part.indices for part in found]),
            np.concatenate([part.distances for part in found]),
        )

    @staticmethod
    def _look_beside(
        queries: NDArray[np.uint8], references: NDArray[np.uint8], groups: Groups, neighbors: Neighbors
    ) -> Neighbors:
        """Takes a slice next to the nearest where that is closer: at 16x16 the two may look the same."""
        beside = groups.beside(neighbors.indices[:, 0], _BESIDE)
        distances = _distances(queries, references[beside])
        best = np.argmin(distances, axis=1)[:, np.newaxis]
        closer = np.take_along_axis(distances, best, 1) < neighbors.distances[:, :1]
        indices, kept = neighbors.indices.copy(), neighbors.distances.copy()
        indices[:, :1] = np.where(closer, np.take_along_axis(beside, best, 1), indices[:, :1])
        kept[:, :1] = np.where(closer, np.take_along_axis(distances, best, 1), kept[:, :1])
        return Neighbors(indices, kept)


def _pool(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box means of 16x16, [..., T, T] -> [..., 16, 16]."""
    factor = images.shape[-1] // _COARSE
    shape = (*images.shape[:-2], _COARSE, factor, _COARSE, factor)
    return images.reshape(shape).mean(axis=(-3, -1))


def _variants(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Every image mirrored or not, at nine shifts, at 16x16: [N, T, T] -> [N, 18, 256], mean 0 and norm 1."""
    size = images.shape[1]
    # Three quarters of the way: then no shift is far from one of these.
    step = (3 * alignment.largest_shift(size) + 2) // 4
    frames = alignment.frames(images, step)
    both = np.stack([frames, frames[:, :, ::-1]], axis=1)
    starts = (0, step, 2 * step)
    shifted = [both[:, :, row : row + size, column : column + size] for row in starts for column in starts]
    pooled = np.stack([_pool(variant) for variant in shifted], axis=1)
    return alignment.unit(pooled.reshape(len(images), 18, _COARSE**2))


def _distances(targets: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 - the largest correlation; [N, T, T] and [N, K, T, T] -> [N, K]."""
    return np.maximum(0, 1 - alignment.correlations(targets, images).max(axis=(2, 3, 4)))


# ---------------------------------------------------------------------------------------------- features


class FeatureDistance:
    """Euclidean distance of features, of an image or its mirror image.

    Args:
        extractor: Of the features.
    """

    name = "features"

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor

    def describe(self, images: NDArray[np.uint8], progress: bool = False) -> NDArray[np.float32]:
        """Features of the images and of their mirror images, [N, 2, D]."""
        features = self._extractor(images, progress)
        return np.stack([features, self._extractor.mirrored(images, features, progress)], axis=1)

    def coordinates(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of the images, [N, D]."""
        return described[:, 0]

    def neighbors(
        self,
        queries: NDArray[np.float32],
        references: NDArray[np.float32],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
        progress: bool = False,
    ) -> Neighbors:
        """See `Distance`."""
        points = references[:, 0]
        centre = points.mean(axis=0)
        rows, columns = _inner_products_of_distances(queries - centre, points - centre)
        with tqdm(total=len(queries), desc="nearest by features", disable=not progress, leave=False) as bar:
            found = largest_products(rows, columns, groups, SUBJECTS, left_out=left_out, bar=bar)
        step = max(1, _BLOCK_PIXELS // (2 * found.shape[1] * points.shape[1]))
        distances = np.empty(found.shape, np.float32)
        for start in range(0, len(queries), step):
            block = slice(start, start + step)
            differences = queries[block, np.newaxis] - points[found[block], np.newaxis]
            distances[block] = np.linalg.norm(differences, axis=-1).min(axis=-1)
        found_neighbors = Neighbors.of(found, distances)
        if left_out is None:
            return found_neighbors
        return found_neighbors.without(groups.numbers[found_neighbors.indices] == left_out[:, None])


def _inner_products_of_distances(
    queries: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rows whose inner products are minus the squared distances, [N, V, D + 2] and [M, D + 2]."""
    squares = np.einsum("nvd,nvd->nv", queries, queries)[..., np.newaxis]
    rows = np.concatenate([2 * queries, -np.ones_like(squares), -squares], axis=-1)
    squares = np.einsum("md,md->m", references, references)[:, np.newaxis]
    return rows, np.concatenate([references, squares, np.ones_like(squares)], axis=-1)
