"""From a scan's own grid to the grid that its slices are cut from."""

from __future__ import annotations

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.choices import Choice
from mrisynth.errors import UnusableScanError


class Interpolation(Choice):
    """How scans are resampled."""

    LINEAR = "linear"
    CUBIC = "cubic"


INTERPOLATION_ORDERS = {Interpolation.LINEAR: 1, Interpolation.CUBIC: 3}
"""Order of the spline of each interpolation."""

# Orders of magnitude between a head and a nonsensical header: a larger grid would only exhaust the memory.
_LARGEST_EXTENT_MM = 2000.0


def resample(
    voxels: NDArray[np.float32],
    affine: NDArray[np.float64],
    voxel_size: float,
    order: int,
    fill: float,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Brings voxels to a grid of cubic voxels along the RAS axes that spans all voxel centers.

    Args:
        voxels: Float32 [I, J, K].
        affine: From indices of `voxels` to mm.
        voxel_size: Edge of the new voxels in mm.
        order: Of the spline, 1 linear, 3 cubic.
        fill: For what lies outside the old grid.

    Returns:
        The new voxels [X, Y, Z] and the affine from their indices to mm.
    """
    grid_affine, shape = ras_grid(voxels.shape, affine, voxel_size)
    matrix, offset = index_map(affine, grid_affine)
    copied = _reorder_if_aligned(voxels, matrix, offset, shape)
    if copied is not None:
        return copied, grid_affine
    smoothed = _smooth_for(voxels, nibabel.affines.voxel_sizes(affine), voxel_size)
    resampled = ndimage.affine_transform(
        smoothed, matrix, offset, shape, output=np.float32, order=order, mode="constant", cval=fill
    )
    return resampled, grid_affine


def ras_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64], voxel_size: float
) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """The smallest RAS grid of cubic voxels that spans the centers of all voxels of another grid.

    Returns:
        Its affine and its shape.

    Raises:
        UnusableScanError: The grid would be absurdly large: the file's voxel sizes are wrong.
    """
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape])).reshape(3, -1)
    places = affine[:3, :3] @ corners + affine[:3, 3:]
    lowest, highest = places.min(axis=1), places.max(axis=1)
    extent = highest - lowest
    if extent.max() > _LARGEST_EXTENT_MM:
        raise UnusableScanError(
            f"its header makes it {extent.max():.0f} mm long; its voxel sizes must be wrong"
        )
    # The tolerance keeps a last voxel that headers' single precision would otherwise lose.
    size = np.floor(extent / voxel_size + 1e-3).astype(int) + 1
    grid_affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    grid_affine[:3, 3] = lowest
    return grid_affine, (int(size[0]), int(size[1]), int(size[2]))


def straightened(affine: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The affine turned to the nearest axes, about the scan's center."""
    axes = nibabel.orientations.io_orientation(affine)
    straight = np.eye(4)
    straight[:3, :3] = 0.0
    for source_axis, (ras_axis, direction) in enumerate(axes):
        straight[int(ras_axis), source_axis] = direction * np.linalg.norm(affine[:3, source_axis])
    center = (np.array(shape) - 1) / 2
    straight[:3, 3] = affine[:3, :3] @ center + affine[:3, 3] - straight[:3, :3] @ center
    return straight


def index_map(
    source_affine: NDArray[np.float64], target_affine: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and offset from indices of the target grid to indices of the source grid."""
    mapping = np.linalg.inv(source_affine) @ target_affine
    return mapping[:3, :3], mapping[:3, 3]


def _reorder_if_aligned(
    voxels: NDArray[np.float32],
    matrix: NDArray[np.float64],
    offset: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> NDArray[np.float32] | None:
    """The voxels in a new axis order, if the two grids coincide; else None.

    Coincide means that no voxel moves by more than a twentieth of itself, which is less than what
    interpolation would blur.
    """
    rounded = np.rint(matrix)
    is_permutation = np.array_equal(np.abs(rounded).sum(axis=0), [1, 1, 1]) and np.array_equal(
        np.abs(rounded).sum(axis=1), [1, 1, 1]
    )
    drift = np.abs(matrix - rounded) @ np.array(shape) + np.abs(offset - np.rint(offset))
    if not is_permutation or drift.max() > 0.05:
        return None
    order = np.argmax(np.abs(rounded), axis=0)
    reordered = voxels.transpose(order)
    if reordered.shape != tuple(shape):
        return None
    directions = rounded[order, range(3)].astype(int)
    return np.ascontiguousarray(reordered[tuple(slice(None, None, step) for step in directions)])


def _smooth_for(
    voxels: NDArray[np.float32], spacing: NDArray[np.float64], voxel_size: float
) -> NDArray[np.float32]:
    """Smooths along axes that are about to be sampled more coarsely, so that fine detail does not alias."""
    for axis, size in enumerate(spacing):
        sigma = (voxel_size / size - 1.0) / 2.0
        # Below a quarter of a voxel the Gaussian's neighbors weigh under 0.04 %: nothing to compute.
        if sigma > 0.25 and voxels.shape[axis] > 1:
            voxels = ndimage.gaussian_filter1d(voxels, sigma, axis=axis, mode="nearest")
    return voxels
