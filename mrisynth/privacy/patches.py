"""Patches of training slices that are found again, at their place, in otherwise new images."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.privacy import alignment
from mrisynth.privacy.distances import SUBJECTS, Neighbors
from mrisynth.privacy.nearest_neighbors import Groups, ReferenceIndex

_PATCH = 8
_STEP = 5
"""Pixels from one patch to the next, so that whatever is 12 pixels wide and high contains a whole one."""

_LEAST_CONTRAST = 8.0
"""Standard deviation, in gray values, of a channel's part of a patch that is looked up."""


_SMALLEST = np.float32(1e-6)


class PatchDistance:
    """Distance of that patch of an image which is most alone with one subject; 0 to 1.5.

    Images are compared at 64x64 at most, in patches of 8x8 every 5 pixels, each with the same place of all
    training slices. The distance is the root of the Euclidean distance of patches that have mean 0 and norm
    1, which knows no brightness or contrast. With a hundred patches an image has a hundred chances to be
    alone with somebody, so the rule for copies has to be harder on each: a quarter of a root is a sixteenth
    of a distance, and that near are only patches that are repeated all but exactly.
    """

    name = "patches"
    title = "By patches"
    axis = "root of the distance of patches"
    has_figures = False

    def describe(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Box means of 64x64 at most, channels first: uint8 [N, H, H, C] -> [N, C, T, T]."""
        return alignment.thumbnails(np.moveaxis(images, -1, 1), smoothed=False)

    def neighbors(
        self,
        queries: NDArray[np.uint8],
        references: NDArray[np.uint8],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
    ) -> Neighbors:
        """See `mrisynth.privacy.distances.Distance`; infinitely far where no patch shows anything."""
        count = min(SUBJECTS, groups.count)
        indices = np.zeros((len(queries), count), np.intp)
        distances = np.full((len(queries), count), np.inf, np.float32)
        alone = np.full(len(queries), np.inf, np.float32)
        excluded = np.full(len(queries), -1) if left_out is None else left_out
        starts = range(0, queries.shape[-1] - _PATCH + 1, _STEP) if count > 1 else ()
        grid = list(itertools.product(starts, repeat=2))
        for place in screen.counted(grid, "nearest slices by patches"):
            real = _units(references, *place)
            index = ReferenceIndex(real, groups)
            patches = _units(queries, *place)[:, np.newaxis]
            shown = np.flatnonzero(patches.any(axis=(1, 2)))
            for start in range(0, len(shown), index.block(1)):
                rows = shown[start : start + index.block(1)]
                ratios = _aloneness(index.of_groups(patches[rows], excluded[rows]))
                rows, ratios = rows[ratios < alone[rows]], ratios[ratios < alone[rows]]
                alone[rows] = ratios
                indices[rows] = index.largest_products(patches[rows], count, excluded[rows])
                distances[rows] = _distances(np.einsum("nvd,nkd->nk", patches[rows], real[indices[rows]]))
        return Neighbors.of(indices, distances).without(groups, left_out)


def _units(images: NDArray[np.uint8], row: int, column: int) -> NDArray[np.float32]:
    """Patches with mean 0 and norm 1, [..., C, T, T] -> [..., C * 64]; 0 where they show nothing."""
    patches = images[..., row : row + _PATCH, column : column + _PATCH].astype(np.float32)
    patches -= patches.mean(axis=(-2, -1), keepdims=True)
    norms = np.sqrt(np.sum(patches**2, axis=(-2, -1), keepdims=True))
    units = np.where(norms >= _LEAST_CONTRAST * _PATCH, patches / np.maximum(norms, 1), 0)
    shown = np.maximum(1, np.sum(norms >= _LEAST_CONTRAST * _PATCH, axis=-3, keepdims=True))
    return (units / np.sqrt(shown, dtype=np.float32)).reshape(*images.shape[:-3], -1)


def _distances(likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of the inner products of patches; what was left out has minus infinity and is infinitely far."""
    return np.maximum(0, 2 - 2 * likeness) ** np.float32(0.25)


def _aloneness(likeness: NDArray[np.float32]) -> NDArray[np.float32]:
    """The nearest subject's distance divided by the next one's, [N, G] -> [N]; infinite if there is none."""
    farther, nearer = _distances(np.partition(likeness, -2)[:, -2:]).T
    return np.where(np.isfinite(farther), nearer / np.maximum(farther, _SMALLEST), np.inf)
