"""Where the head is in a stack of slices, and which slices show enough of it to be worth keeping."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.data.reading.intensities import AIR, foreground_threshold

_POOLED_MM = 3.0
"""Heads are found on a grid about this coarse: fast, and noise averages out."""

_NOISE_CORRELATION = 0.5
"""Neighboring places 3 mm apart correlate by 0.9 and more in anatomy, hardly at all in noise."""

_CUT_OUTLINE = 0.05
"""A head that borders on the unscanned along more than this part of its outline has lost a piece."""

_PADDED_OUTLINE = 0.1
"""A head that borders on seeming padding along more than this part of its outline has lost a piece."""

_CLEAN_AIR = 0.2
"""Where more than this part of the air is exactly -1, padding cannot be told from air."""

_AROUND = np.ones((1, 3, 3), bool)
"""A block and the eight around it in its slice."""


@dataclasses.dataclass(frozen=True, eq=False)
class Head:
    """Where the head is in a stack of images [S, H, W].

    Attributes:
        pooled: Float32 [S, h, w], the stack on a grid coarser in the plane.
        mask: Boolean [S, h, w], the head with its cavities filled.
        pooling: Pixels of the stack along one pixel of the mask.
        box: First and last index (inclusive) along each axis of the stack, in its own pixels.
    """

    pooled: NDArray[np.float32]
    mask: NDArray[np.bool_]
    pooling: int
    box: tuple[tuple[int, int], tuple[int, int], tuple[int, int]]

    @property
    def areas(self) -> NDArray[np.int64]:
        """Head area of each slice in pixels of the stack, int64 [S]."""
        return np.count_nonzero(self.mask, axis=(1, 2)) * self.pooling**2


def pooling_for(voxel_size: float) -> int:
    """Pixels along the edge of a block that is pooled to find heads, for pixels of so many mm."""
    return max(1, round(_POOLED_MM / voxel_size))


def find_head(stack: NDArray[np.float32], voxel_size: float) -> Head:
    """Finds the head: the largest connected bright region, its cavities filled slice by slice.

    Args:
        stack: Images [S, H, W] in [-1, 1].
        voxel_size: Edge of a pixel in mm.

    Returns:
        The head. Where there is none, its mask is empty and its box the whole stack.
    """
    pooling = pooling_for(voxel_size)
    pooled = pool(stack, pooling)
    mask = _largest_bright_region(pooled)
    if not mask.any():
        return Head(pooled, mask, pooling, tuple((0, size - 1) for size in stack.shape))
    bounds = ndimage.find_objects(mask.astype(np.uint8))[0]
    scales = (1, pooling, pooling)
    box = tuple((b.start * scale, b.stop * scale - 1) for b, scale in zip(bounds, scales, strict=True))
    return Head(pooled, mask, pooling, box)


def choose_slices(
    head: Head, min_head_fraction: float, outside: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], dict[str, int]]:
    """Chooses the slices that show enough of the head.

    Args:
        head: The head in the stack.
        min_head_fraction: Least head area of a slice, as a part of the area in the largest slice.
        outside: Boolean [S, h, w], where the scanner has measured nothing.

    Returns:
        Indices of the slices to keep, int64 in ascending order, and how many of the others were left out
        for which reason: "constant", "noise", "little head" or "cut" (a part of the head was not scanned).
    """
    areas = head.areas
    least = max(1.0, min_head_fraction * areas.max())
    cut = _bordering_part(head.mask, outside) > _CUT_OUTLINE
    cut |= _bordering_part(head.mask, _padding(head, areas, outside)) > _PADDED_OUTLINE
    kept = []
    dropped: Counter[str] = Counter()
    for index, image in enumerate(head.pooled):
        if image.max() - image.min() < 1e-6:
            dropped["constant"] += 1
        elif neighbor_correlation(image) < _NOISE_CORRELATION:
            dropped["noise"] += 1
        elif areas[index] < least:
            dropped["little head"] += 1
        elif cut[index]:
            dropped["cut"] += 1
        else:
            kept.append(index)
    return np.array(kept, np.int64), dict(sorted(dropped.items()))


def neighbor_correlation(image: NDArray[np.float32]) -> float:
    """Correlation of every pixel with the next one along the rows and the columns, in [-1, 1]."""
    deviation = image - image.mean()
    products = [deviation[1:] * deviation[:-1], deviation[:, 1:] * deviation[:, :-1]]
    covariance = sum(float(product.sum()) for product in products) / sum(product.size for product in products)
    return covariance / max(float((deviation**2).mean()), 1e-12)


def pool(stack: NDArray[np.float32], pooling: int) -> NDArray[np.float32]:
    """Means over blocks of `pooling` by `pooling` pixels; an incomplete last block is left out."""
    if pooling == 1:
        return np.ascontiguousarray(stack)
    height, width = (size // pooling for size in stack.shape[1:])
    complete = stack[:, : height * pooling, : width * pooling]
    total = np.zeros((len(stack), height, width), np.float32)
    for row in range(pooling):
        for column in range(pooling):
            total += complete[:, row::pooling, column::pooling]
    return total / np.float32(pooling**2)


def _largest_bright_region(pooled: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The largest connected region above Otsu's threshold, cavities filled; empty if there is none."""
    if pooled.min() == pooled.max():
        return np.zeros(pooled.shape, bool)
    in_plane = np.zeros((3, 3, 3), bool)
    in_plane[1] = ndimage.generate_binary_structure(2, 1)
    filled = ndimage.binary_fill_holes(pooled > foreground_threshold(pooled), structure=in_plane)
    regions, count = ndimage.label(filled)
    if count == 0:
        return np.zeros(pooled.shape, bool)
    return regions == 1 + int(np.argmax(np.bincount(regions.ravel())[1:]))


def _padding(head: Head, areas: NDArray[np.int64], outside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Blocks that are exactly -1 in a scan whose air is not: something else has filled them in."""
    exact = head.pooled == AIR
    middle = areas >= areas.max() / 2
    air = ~head.mask[middle]
    if np.count_nonzero(exact[middle] & air) > _CLEAN_AIR * max(1, np.count_nonzero(air)):
        return np.zeros(exact.shape, bool)
    # A pixel of noise may be exactly -1, too, where blocks are single pixels; nine together are not.
    size = -(-3 // head.pooling)
    if size > 1:
        exact = ndimage.binary_opening(exact, np.ones((1, size, size), bool))
    # Padding lies at the edge of what was scanned. Around a head cubic interpolation falls below the air.
    edge = outside.copy()
    edge[:, [0, -1], :] = edge[:, :, [0, -1]] = True
    near = ndimage.binary_dilation(edge, _AROUND, iterations=2)
    return ndimage.binary_propagation(exact & near, _AROUND, mask=exact)


def _bordering_part(mask: NDArray[np.bool_], unscanned: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For each slice the part of the mask's outline that borders on the unscanned, in [0, 1]."""
    # The edge of the image is no edge of the head: a scan may be cropped on all its slices.
    outline = mask & ~ndimage.binary_erosion(mask, _AROUND, border_value=1)
    # Two blocks, as one block between the head and the unscanned is partly both.
    near = ndimage.binary_dilation(unscanned, _AROUND, iterations=2)
    length = np.count_nonzero(outline, axis=(1, 2))
    return np.count_nonzero(outline & near, axis=(1, 2)) / np.maximum(length, 1)
