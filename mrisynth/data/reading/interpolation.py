"""A volume on another grid, two to four times as fast as by SciPy: what a plane needs stays in the cache."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Places = list[NDArray[np.float64]]


def trilinear(
    voxels: NDArray[np.float32],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape: tuple[int, int, int],
    fill: float,
    reach: float,
) -> NDArray[np.float32]:
    """Interpolates linearly along all axes, as `scipy.ndimage.affine_transform` of order 1 does.

    Where all of a plane lies on whole indices of an axis, as native slices do across them, nothing is
    interpolated along it. Coordinates are float64, sums float32.

    Args:
        voxels: Finite float32 [I, J, K].
        matrix: [3, 3]; with `offset` from indices of the result to indices of `voxels`.
        offset: [3].
        shape: Of the result.
        fill: Finite; what lies around the voxels.
        reach: How far, in voxels, places may lie beyond the centers of the outermost voxels and still be
            interpolated, between them and what lies around: 0 or 1, SciPy's "constant" and "grid-constant".

    Returns:
        Float32, of `shape`.
    """
    surrounded = np.full([size + 2 for size in voxels.shape], fill, np.float32)
    surrounded[1:-1, 1:-1, 1:-1] = voxels
    result = np.full(shape, fill, np.float32)
    for plane, chosen, places in _planes(result, matrix, offset, voxels.shape, reach):
        plane[chosen] = _interpolated(surrounded, places)
    return result


def nearest(
    voxels: NDArray[np.bool_],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> NDArray[np.bool_]:
    """Takes the nearest voxels of a mask; false beyond the edges of the outermost ones.

    Args:
        voxels: Boolean [I, J, K].
        matrix: [3, 3]; with `offset` from indices of the result to indices of `voxels`.
        offset: [3].
        shape: Of the result.

    Returns:
        Boolean, of `shape`.
    """
    surrounded = np.pad(voxels, 1)
    result = np.zeros(shape, bool)
    for plane, chosen, places in _planes(result, matrix, offset, voxels.shape, reach=0.5):
        # Past the border and half a voxel; half-way beyond the last center the border itself is the nearest.
        plane[chosen] = surrounded[tuple(np.floor(place + 1.5).astype(np.intp) for place in places)]
    return result


def _planes(
    result: NDArray,
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    sizes: tuple[int, ...],
    reach: float,
) -> Iterator[tuple[NDArray, NDArray[np.intp], Places]]:
    """Every plane of the result as a view [J * K], which of its voxels lie inside, and at which indices."""
    rows, columns = np.ogrid[: result.shape[1], : result.shape[2]]
    in_plane = [step[1] * rows + step[2] * columns for step in matrix]
    for index, plane in enumerate(result):
        places = [
            start + (step[0] * index + shift)
            for start, step, shift in zip(in_plane, matrix, offset, strict=True)
        ]
        inside = np.logical_and.reduce(
            [
                (place >= -reach) & (place <= size - 1 + reach)
                for place, size in zip(places, sizes, strict=True)
            ]
        )
        chosen = np.flatnonzero(inside)
        if chosen.size:
            yield plane.reshape(-1), chosen, [place.ravel()[chosen] for place in places]


def _interpolated(surrounded: NDArray[np.float32], places: Places) -> NDArray[np.float32]:
    """Values at places, given as indices [N] along each axis, of voxels with a border of one."""
    values = surrounded.reshape(-1)
    strides = [stride // values.itemsize for stride in surrounded.strides]
    lowest = np.zeros(places[0].size, np.intp)
    fractions = []
    for place, stride in zip(places, strides, strict=True):
        corner = np.floor(place).astype(np.intp)
        fraction = (place - corner).astype(np.float32)
        fractions.append(fraction if fraction.any() else None)
        corner += 1
        corner *= stride
        lowest += corner

    def along(axis: int, start: int) -> NDArray[np.float32]:
        if axis == len(places):
            # The highest corner of a place on the border's own centers may not exist; it has no weight.
            return values[start:].take(lowest, mode="clip")
        low = along(axis + 1, start)
        if fractions[axis] is None:
            return low
        high = along(axis + 1, start + strides[axis])
        high -= low
        high *= fractions[axis]
        high += low
        return high

    return along(0, 0)
