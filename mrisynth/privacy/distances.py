"""Nearest images by two measures of distance that mirroring and small shifts do not mislead.

By gray values: 1 - Pearson's correlation, which knows no brightness or contrast, at the best of all small
shifts, mirrored or not. By features: squared Euclidean distance of features, of the image or its mirror
image. (1 - correlation is half the squared distance of images of mean 0 and norm 1.)

Both find the nearest image of each of the nearest subjects: a copy is much closer to one subject than to any
other, while a new image is about as close to several.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.metrics.features import FeatureExtractor
from mrisynth.privacy import alignment
from mrisynth.privacy.nearest_neighbors import Groups, ReferenceIndex

SUBJECTS = 8
"""How many subjects' nearest images are looked at closely."""

_COARSE = 16
_BESIDE = (-2, -1, 1, 2)
_VARIANTS = 18
_BLOCK_PIXELS = 2**22
_DESCRIBED_AT_A_TIME = 1024


@dataclasses.dataclass(frozen=True)
class Neighbors:
    """The nearest references of every query, one of each of the nearest subjects, the nearest first.

    Attributes:
        indices: Indices of the references, [N, K].
        distances: [N, K], ascending.
    """

    indices: NDArray[np.intp]
    distances: NDArray[np.float32]

    @classmethod
    def of(cls, indices: NDArray[np.intp], distances: NDArray[np.float32]) -> Neighbors:
        """Sorts candidates by distance."""
        order = np.argsort(distances, axis=1, kind="stable")
        return cls(np.take_along_axis(indices, order, 1), np.take_along_axis(distances, order, 1))

    def without(self, groups: Groups, left_out: NDArray[np.intp] | None) -> Neighbors:
        """Puts the references of a group infinitely far from a query.

        Args:
            groups: The references by group.
            left_out: The group for every query, or -1 for none, [N]; nothing changes if None.
        """
        if left_out is None:
            return self
        excluded = groups.numbers[self.indices] == left_out[:, np.newaxis]
        return Neighbors.of(self.indices, np.where(excluded, np.float32(np.inf), self.distances))

    @classmethod
    def concatenate(cls, parts: Sequence[Neighbors]) -> Neighbors:
        """Neighbors of several queries, one set after another."""
        indices, distances = zip(*((part.indices, part.distances) for part in parts), strict=True)
        return cls(np.concatenate(indices), np.concatenate(distances))

    @property
    def nearest(self) -> NDArray[np.float32]:
        """Distance to the nearest of all, [N]."""
        return self.distances[:, 0]


class Distance(Protocol):
    """A measure of distance between images.

    Attributes:
        name: "gray_values", "features", "embedding" or "patches".
        title: Heading in a report.
        axis: What a number means, for the axis of a plot.
        has_figures: Whether the verdict rests on figures of its own, beside the copies that it finds.
    """

    name: str
    title: str
    axis: str
    has_figures: bool

    def describe(self, images: NDArray[np.uint8]) -> NDArray:
        """What images are compared by; uint8 [N, H, H, C] -> [N, ...]."""

    def coordinates(self, described: NDArray) -> NDArray[np.float32]:
        """Points in which images close to each other are close, [N, D]; for dividing them into cells.

        Only of measures that have figures.
        """

    def neighbors(
        self,
        queries: NDArray,
        references: NDArray,
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
    ) -> Neighbors:
        """Finds the nearest references of described queries.

        Args:
            queries: Described images, [N, ...].
            references: Described images, [M, ...].
            groups: The references by subject.
            left_out: A group for every query that is not looked at, such as its own subject; [N].
        """


def _blocks(count: int, step: int, title: str) -> Iterator[slice]:
    """Yields some queries after the others, counted by a bar."""
    with screen.Bar(title, count, unit="images") as bar:
        for start in range(0, count, step):
            yield slice(start, start + step)
            bar.update(min(step, count - start))


# ----------------------------------------------------------------------------------------- gray values


class GrayValueDistance:
    """1 - correlation at the best small shift, mirrored or not; 0 to 2.

    Images are compared at 64x64 at most. The nearest slice of each of the nearest subjects is found among
    18 variants at 16x16 (mirrored or not, nine shifts); these few are then compared at all shifts of up to
    1/16 of the width.
    """

    name = "gray_values"
    title = "By gray values"
    axis = "1 \N{MINUS SIGN} correlation after alignment"
    has_figures = True

    def describe(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Thumbnails of box means, channels first: uint8 [N, C, T, T] with T = min(H, 64)."""
        return alignment.thumbnails(np.moveaxis(images, -1, 1))

    def coordinates(self, described: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Images of 16x16, each channel with mean 0 and norm 1, [N, C * 256]."""
        return _units(_pool(described.astype(np.float32)))

    def neighbors(
        self,
        queries: NDArray[np.uint8],
        references: NDArray[np.uint8],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
    ) -> Neighbors:
        """See `Distance`."""
        index = ReferenceIndex(self.coordinates(references), groups)
        step = min(index.block(_VARIANTS), max(1, _BLOCK_PIXELS // (SUBJECTS * 2 * queries[0].size)))
        found = []
        for rows in _blocks(len(queries), step, "nearest slices by gray values"):
            block, excluded = queries[rows], None if left_out is None else left_out[rows]
            candidates = index.largest_products(_variants(block), SUBJECTS, excluded)
            neighbors = Neighbors.of(candidates, _distances(block, references[candidates]))
            neighbors = neighbors.without(groups, excluded)
            found.append(self._look_beside(block, references, groups, neighbors))
        return Neighbors.concatenate(found)

    @staticmethod
    def _look_beside(
        queries: NDArray[np.uint8], references: NDArray[np.uint8], groups: Groups, neighbors: Neighbors
    ) -> Neighbors:
        """Takes slices next to the nearest two where these are closer: at 16x16 they may look the same."""
        if groups.count == len(groups.numbers):
            return neighbors
        indices, distances = neighbors.indices.copy(), neighbors.distances.copy()
        for column in range(min(2, indices.shape[1])):
            beside = groups.beside(indices[:, column], _BESIDE)
            others = _distances(queries, references[beside])
            best = np.argmin(others, axis=1)[:, np.newaxis]
            # What is infinitely far was left out.
            smallest = np.take_along_axis(others, best, 1)[:, 0]
            closer = np.isfinite(distances[:, column]) & (smallest < distances[:, column])
            indices[closer, column] = np.take_along_axis(beside, best, 1)[closer, 0]
            distances[closer, column] = smallest[closer]
        return Neighbors.of(indices, distances)


def _pool(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Box means of 16x16, [..., T, T] -> [..., 16, 16]."""
    *leading, size, _ = images.shape
    factor = size // _COARSE
    rows = images.reshape(*leading, _COARSE, factor, size).sum(axis=-2)
    # A product takes a fraction of the time of means over a few neighbors each.
    return rows @ np.repeat(np.eye(_COARSE, dtype=np.float32) / factor**2, factor, axis=0)


def _shifts(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """The images, and moved to eight sides, each [..., T, T]; what is moved in is an image's darkest gray."""
    size = images.shape[-1]
    # Three quarters of the way: then no shift is far from one of these.
    step = (3 * alignment.largest_shift(size) + 2) // 4
    framed = alignment.frames(images, step) + images.min(axis=(-2, -1), keepdims=True)
    framed = framed.astype(np.uint8)
    starts = sorted(itertools.product((0, step, 2 * step), repeat=2), key=lambda start: start != (step, step))
    return [framed[..., row : row + size, column : column + size] for row, column in starts]


def _variants(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Every image mirrored or not, at nine shifts, as `_units`: [N, C, T, T] -> [N, 18, C * 256]."""
    moved = np.stack([_pool(side.astype(np.float32)) for side in _shifts(images)], axis=1)
    return _units(np.concatenate([moved, moved[..., ::-1]], axis=1))


def _units(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every channel with mean 0 and norm 1, the channels in a row: [..., C, 16, 16] -> [..., C * 256]."""
    channels = alignment.unit(images.reshape(*images.shape[:-2], _COARSE**2))
    return channels.reshape(*images.shape[:-3], -1)


def _distances(targets: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """1 - the largest correlation; [N, C, T, T] and [N, K, C, T, T] -> [N, K]."""
    return np.maximum(0, 1 - alignment.correlations(targets, images).max(axis=(2, 3, 4)))


# ---------------------------------------------------------------------------------------------- features


class FeatureDistance:
    """Squared Euclidean distance of features, of an image or its mirror image.

    Networks bear small shifts, noise and other brightness as they have learned to. Fixed filters do not, so
    for these an image is brought to 64x64, smoothed and to one contrast first, and compared at nine shifts of
    up to 1/16 of its width.

    Args:
        extractor: What makes features of images.
    """

    name = "features"
    title = "By features"
    axis = "squared distance between features"
    has_figures = True

    def __init__(self, extractor: FeatureExtractor) -> None:
        self._extractor = extractor

    def describe(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of images [N, H, H, C], of their mirror images and of all shifted ones, [N, V, D]."""
        blocks = _blocks(len(images), _DESCRIBED_AT_A_TIME, "features at all shifts")
        return np.concatenate(
            [
                np.concatenate([self._describe(channel) for channel in np.moveaxis(images[rows], -1, 0)], -1)
                for rows in blocks
            ]
        )

    def _describe(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Describes one channel, [N, H, H] -> [N, V, D]."""
        sides = [images]
        if self._extractor.has_fixed_filters:
            sides = _shifts(alignment.standardize(alignment.thumbnails(images)))
        described = []
        for side in sides:
            features = self._extractor(side)
            described += [features, self._extractor.mirrored(side, features)]
        return np.stack(described, axis=1)

    def coordinates(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of the images as they are, [N, D]."""
        return described[:, 0]

    def neighbors(
        self,
        queries: NDArray[np.float32],
        references: NDArray[np.float32],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
    ) -> Neighbors:
        """See `Distance`."""
        points = references[:, 0]
        # Long rows lose more to rounding than their distances bear.
        center = points.mean(axis=0)
        index = ReferenceIndex(_as_reference(points - center), groups)
        variants, width = queries.shape[1:]
        step = min(index.block(variants), max(1, _BLOCK_PIXELS // (SUBJECTS * variants * width)))
        found = []
        for rows in _blocks(len(queries), step, "nearest slices by features"):
            block, excluded = queries[rows], None if left_out is None else left_out[rows]
            candidates = index.largest_products(_as_query(block - center), SUBJECTS, excluded)
            differences = block[:, np.newaxis] - points[candidates][:, :, np.newaxis]
            squares = np.einsum("nkvd,nkvd->nkv", differences, differences)
            found.append(Neighbors.of(candidates, squares.min(axis=-1)).without(groups, excluded))
        return Neighbors.concatenate(found)


def _as_query(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows whose inner products with `_as_reference` are minus the squared distances, [N, V, D + 2]."""
    squares = np.einsum("nvd,nvd->nv", rows, rows)[..., np.newaxis]
    return np.concatenate([2 * rows, -np.ones_like(squares), -squares], axis=-1)


def _as_reference(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    squares = np.einsum("md,md->m", rows, rows)[:, np.newaxis]
    return np.concatenate([rows, squares, np.ones_like(squares)], axis=-1)
