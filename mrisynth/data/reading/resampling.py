"""From a scan's own grid to the grid that its slices are cut from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.choices import Choice
from mrisynth.data.reading.interpolation import trilinear
from mrisynth.data.reading.planes import PLANES, Plane
from mrisynth.errors import UnusableScanError


class Interpolation(Choice):
    """How scans are resampled."""

    LINEAR = "linear"
    CUBIC = "cubic"


INTERPOLATION_ORDERS = {Interpolation.LINEAR: 1, Interpolation.CUBIC: 3}
"""Order of the spline of each interpolation."""

# Orders of magnitude between a head and a nonsensical header: a larger grid, or one of more than a cubic
# meter, would only exhaust the memory.
_LARGEST_EXTENT_MM = 2000.0

_THICK = 2.0
"""Slices further apart than so many sizes of their pixels are thick."""


class SliceMode(Choice):
    """How scans become slices."""

    AUTO = "auto"
    NATIVE = "native"
    ISOTROPIC = "isotropic"


@dataclasses.dataclass(frozen=True, eq=False)
class Grid:
    """Where the voxels of a resampled scan lie; the axes run to the right, the front and the top, or nearly.

    Attributes:
        affine: Float64 [4, 4], from voxel indices to RAS coordinates in mm.
        shape: Voxels along the three axes.
        to_source: Float64 [4, 4], from voxel indices to those of the scan's own grid.
        voxel_size: Edge of a voxel in mm; of native slices, of a pixel.
        slice_spacing: Distance in mm between neighboring slices.
        stack_axis: The axis along which slices are the scan's own, each kept as it was acquired; None if the
            grid is cubic and runs along RAS, whatever the scan's own axes.
    """

    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    to_source: NDArray[np.float64]
    voxel_size: float
    slice_spacing: float
    stack_axis: int | None = None

    @property
    def directions(self) -> tuple[tuple[float, ...], ...]:
        """The RAS directions of the axes, in columns, per mm across slices and in them."""
        sizes = np.full(3, self.voxel_size)
        if self.stack_axis is not None:
            sizes[self.stack_axis] = self.slice_spacing
        return tuple(map(tuple, (self.affine[:3, :3] / sizes).tolist()))

    def for_source(self, affine: NDArray[np.float64]) -> Grid:
        """The same voxels, to bring another scan to that has this affine."""
        return dataclasses.replace(self, to_source=np.linalg.inv(affine) @ self.affine)


def choose_grid(
    shape: tuple[int, int, int], affine: NDArray[np.float64], voxel_size: float, mode: SliceMode, plane: Plane
) -> Grid:
    """The grid that a scan is brought to.

    Args:
        shape: Voxels along the scan's own axes.
        affine: From their indices to mm.
        voxel_size: Edge of the new voxels in mm; of native slices, of their pixels.
        mode: How scans become slices. A scan whose voxels lie on the isotropic grid already has it whatever
            the mode, as nothing is interpolated.
        plane: How the scan will be sliced.

    Raises:
        UnusableScanError: The grid would be absurdly large: the file's voxel sizes are wrong.
    """
    isotropic = ras_grid(shape, affine, voxel_size)
    if mode == SliceMode.AUTO:
        # A single slice has no depth that it could be resampled from.
        mode = SliceMode.NATIVE if 1 in shape or thick_plane(affine) == plane else SliceMode.ISOTROPIC
    if mode == SliceMode.ISOTROPIC or is_aligned(isotropic, shape):
        return isotropic
    return native_grid(shape, affine, voxel_size, PLANES[plane].stack_axis)


def thick_plane(affine: NDArray[np.float64]) -> Plane | None:
    """The plane of a scan that was acquired in thick slices; None if its voxels are no such bricks.

    Slices are thick if they lie further apart than twice the size of their pixels.
    """
    sizes = nibabel.affines.voxel_sizes(affine)
    source = int(np.argmax(sizes))
    # The tolerance is for headers' single precision.
    if sizes[source] <= _THICK * np.delete(sizes, source).max() * (1 + 1e-3):
        return None
    axis = nibabel.io_orientation(affine)[source, 0]
    return next(plane for plane, axes in PLANES.items() if axes.stack_axis == axis)


def resample(
    voxels: NDArray[np.float32], affine: NDArray[np.float64], grid: Grid, order: int, fill: float
) -> NDArray[np.float32]:
    """Brings voxels to a grid. Native slices are resampled in their own plane, each by itself.

    Args:
        voxels: Float32 [I, J, K].
        affine: From indices of `voxels` to mm.
        grid: Made of the shape of `voxels` and of `affine`, or `for_source`.
        order: Of the spline, 1 linear, 3 cubic.
        fill: For what lies outside the old grid.

    Returns:
        Float32, of the shape of the grid.
    """
    if is_aligned(grid, voxels.shape):
        return _reordered(voxels, grid)
    smoothed = _smooth_for(voxels, affine, grid)
    matrix, offset = grid.to_source[:3, :3], grid.to_source[:3, 3]
    # Native slices end in a pixel at the very center of the last voxel, where rounding must not count.
    reach, mode = (0.0, "constant") if grid.stack_axis is None else (1.0, "grid-constant")
    if order == 1:
        return trilinear(smoothed, matrix, offset, grid.shape, fill, reach)
    return ndimage.affine_transform(
        smoothed, matrix, offset, grid.shape, output=np.float32, order=order, mode=mode, cval=fill
    )


def ras_grid(shape: tuple[int, ...], affine: NDArray[np.float64], voxel_size: float) -> Grid:
    """The smallest RAS grid of cubic voxels that spans the centers of all voxels of another grid.

    Raises:
        UnusableScanError: The grid would be absurdly large: the file's voxel sizes are wrong.
    """
    lowest, counts = _spanned(affine[:3], shape, voxel_size)
    grid_affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    grid_affine[:3, 3] = lowest
    return Grid(
        grid_affine, tuple(counts.tolist()), np.linalg.inv(affine) @ grid_affine, voxel_size, voxel_size
    )


def native_grid(
    shape: tuple[int, ...], affine: NDArray[np.float64], voxel_size: float, stack_axis: int
) -> Grid:
    """The grid of a scan's own slices, with square pixels along rows and columns nearest to RAS.

    Args:
        shape: Voxels along the scan's own axes.
        affine: From their indices to mm.
        voxel_size: Edge of the new pixels in mm.
        stack_axis: The RAS axis of the plane to slice in. The scan's own axis nearest to it runs from slice
            to slice.

    Raises:
        UnusableScanError: The grid would be absurdly large: the file's voxel sizes are wrong.
    """
    orientation = nibabel.io_orientation(affine)
    sources = np.argsort(orientation[:, 0])  # The scan's axis that is nearest to each RAS axis.
    source, direction = sources[stack_axis], orientation[sources[stack_axis], 1]
    in_plane = [axis for axis in range(3) if axis != stack_axis]
    steps = affine[:3, sources[in_plane]]
    # The nearest unit vectors at right angles: those of the scan but for a shear or rounding.
    left, _, right = np.linalg.svd(steps / np.linalg.norm(steps, axis=0) * orientation[sources[in_plane], 1])
    rows = left[:, :2] @ right
    to_mm = rows.T @ steps
    lowest, counts = _spanned(
        np.pad(to_mm, ((0, 0), (0, 1))), [shape[axis] for axis in sources[in_plane]], voxel_size
    )
    to_source = np.zeros((4, 4))
    to_source[np.ix_(sources[in_plane], in_plane)] = np.linalg.inv(to_mm) * voxel_size
    to_source[sources[in_plane], 3] = np.linalg.inv(to_mm) @ lowest
    to_source[source, [stack_axis, 3]] = direction, (shape[source] - 1 if direction < 0 else 0)
    to_source[3, 3] = 1.0
    counts = np.insert(counts, stack_axis, shape[source])
    spacing = abs(np.cross(*rows.T) @ affine[:3, source])
    return Grid(affine @ to_source, tuple(counts.tolist()), to_source, voxel_size, float(spacing), stack_axis)


def _spanned(
    steps: NDArray[np.float64], shape: Sequence[int], voxel_size: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The lowest coordinates of a grid's voxels, and how many new ones along each coordinate span them all.

    Steps, [D, A + 1], lead from indices along A axes, and 1, to D coordinates in mm.
    """
    lowest, highest = box(steps, shape)
    extent = highest - lowest
    if extent.max() > _LARGEST_EXTENT_MM or np.prod(extent / 1000) > 1:
        size = " x ".join(f"{length:.4g}" for length in extent)
        raise UnusableScanError(f"its header makes it {size} mm large; its voxel sizes must be wrong")
    # The tolerance keeps a last voxel that headers' single precision would otherwise lose.
    return lowest, np.floor(extent / voxel_size + 1e-3).astype(int) + 1


def box(steps: NDArray[np.float64], shape: Sequence[int]) -> NDArray[np.float64]:
    """The least and the greatest coordinates [2, D] in mm of voxels' centers; steps as of `_spanned`."""
    corners = np.array(np.meshgrid(*[(0, size - 1) for size in shape])).reshape(len(shape), -1)
    places = steps[:, :-1] @ corners + steps[:, -1:]
    return np.stack([places.min(axis=1), places.max(axis=1)])


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


def is_aligned(grid: Grid, shape: tuple[int, ...]) -> bool:
    """Whether the voxels of a grid are those of the scan's own one, in whatever order.

    They are if none moves by more than a twentieth of itself, which is less than what interpolation would
    blur.

    Args:
        grid: The grid.
        shape: Voxels along the scan's own axes.
    """
    matrix, offset = grid.to_source[:3, :3], grid.to_source[:3, 3]
    rounded = np.rint(matrix)
    is_permutation = np.array_equal(np.abs(rounded).sum(axis=0), [1, 1, 1]) and np.array_equal(
        np.abs(rounded).sum(axis=1), [1, 1, 1]
    )
    drift = np.abs(matrix - rounded) @ np.array(grid.shape) + np.abs(offset - np.rint(offset))
    if not is_permutation or drift.max() > 0.05:
        return False
    return tuple(shape[axis] for axis in np.argmax(np.abs(rounded), axis=0)) == grid.shape


def _reordered(voxels: NDArray[np.float32], grid: Grid) -> NDArray[np.float32]:
    """The voxels in the order of a grid that is aligned with theirs."""
    rounded = np.rint(grid.to_source[:3, :3])
    order = np.argmax(np.abs(rounded), axis=0)
    directions = rounded[order, range(3)].astype(int)
    return np.ascontiguousarray(
        voxels.transpose(order)[tuple(slice(None, None, step) for step in directions)]
    )


def _smooth_for(voxels: NDArray[np.float32], affine: NDArray[np.float64], grid: Grid) -> NDArray[np.float32]:
    """Smooths along axes that are about to be sampled more coarsely, so that fine detail does not alias."""
    for axis, size in enumerate(nibabel.affines.voxel_sizes(affine)):
        sigma = (grid.voxel_size / size - 1.0) / 2.0
        across = None if grid.stack_axis is None else np.argmax(np.abs(grid.to_source[:3, grid.stack_axis]))
        kept = axis == across
        # Below a quarter of a voxel the Gaussian's neighbors weigh under 0.04 %: nothing to compute.
        if sigma > 0.25 and voxels.shape[axis] > 1 and not kept:
            voxels = ndimage.gaussian_filter1d(voxels, sigma, axis=axis, mode="nearest")
    return voxels
