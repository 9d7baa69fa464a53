"""From a volume to the slices worth keeping, on a square field of view that is centered on the head."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import nibabel
import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mrisynth.data.reading.head_detection import Head, choose_slices, find_head, pool
from mrisynth.data.reading.intensities import AIR, from_unit_range
from mrisynth.data.reading.planes import PLANES, SlicingAxes
from mrisynth.data.reading.volumes import Volume
from mrisynth.errors import UnusableScanError

STRAIGHT = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
"""The directions of a grid that runs along RAS."""


@dataclasses.dataclass(frozen=True, eq=False)
class SliceStack:
    """The kept slices of one scan.

    Attributes:
        images: Float32 [N, resolution, resolution] in [-1, 1].
        indices: Int64 [N], index of each slice in the volume.
        positions_mm: Float64 [N], place of each slice along the slicing axis, from the head's center.
        lesion_fractions: Float64 [N], part of the slice's head that is lesion; NaN without a mask.
        dropped: How many slices were left out, by reason.
        center_mm: RAS coordinates of the center of the field of view, and of the head along the third axis.
        cropped_mm: By how much the head reaches beyond the field of view, at most, on any side.
        others: What other volumes show at the same places, each like `images`.
        covered: Part of the head that each of the masks in `covering` covers.
    """

    images: NDArray[np.float32]
    indices: NDArray[np.int64]
    positions_mm: NDArray[np.float64]
    lesion_fractions: NDArray[np.float64]
    dropped: dict[str, int]
    center_mm: tuple[float, float, float]
    cropped_mm: float
    others: tuple[NDArray[np.float32], ...] = ()
    covered: tuple[float, ...] = ()


def extract_slices(
    volume: Volume,
    plane: str,
    resolution: int,
    field_of_view: float,
    min_head_fraction: float,
    mask: NDArray[np.bool_] | None = None,
    others: Sequence[NDArray[np.float32]] = (),
    covering: Sequence[NDArray[np.bool_]] = (),
) -> SliceStack:
    """Cuts a volume into slices and keeps those that show enough of the head.

    Args:
        volume: The volume; one of native slices was read for this plane.
        plane: A key of `PLANES`.
        resolution: Pixels along an edge of the images.
        field_of_view: Edge of the images in mm, rounded to whole voxels. It is centered on the head; a head
            taller than it loses its lower end, any other too large head both ends.
        min_head_fraction: Least head area of a slice, as a part of the area in the largest slice.
        mask: Lesions, on the grid of the volume.
        others: Arrays on the grid of the volume, in [-1, 1], that are cut in the same way.
        covering: Boolean arrays on that grid; how much of the head they cover is told.

    Returns:
        The slices, in ascending order along the slicing axis.

    Raises:
        UnusableScanError: The scan is too thin in this plane, or no slice is worth keeping.
    """
    axes = PLANES[plane]
    stack = axes.to_images(volume.data)
    if min(stack.shape[1:]) * volume.voxel_size < field_of_view / 16:
        raise UnusableScanError(f"too thin to be sliced in the {plane} plane ({_extent_mm(stack, volume)})")
    head = find_head(stack, volume.voxel_size)
    kept, dropped = choose_slices(head, min_head_fraction, _outside(volume, axes, head))
    if kept.size == 0:
        raise UnusableScanError(f"none of its {len(stack)} slices shows a head ({_listed(dropped)})")
    pixels = field_of_view_pixels(field_of_view, volume.voxel_size)
    corner, cropped = _place_field_of_view(head.box, pixels, anchor_top=axes.row_axis == 2)
    images, *further = (
        np.clip(rescale(_cut_out(each, kept, corner, pixels), resolution), -1.0, 1.0)
        for each in (stack, *map(axes.to_images, others))
    )
    center = [sum(head.box[0]) / 2, corner[0] + (pixels - 1) / 2, corner[1] + (pixels - 1) / 2]
    return SliceStack(
        images=images,
        indices=kept,
        positions_mm=(kept - center[0]) * volume.grid.slice_spacing,
        lesion_fractions=_lesion_fractions(mask, axes, kept, head),
        dropped=dropped,
        center_mm=_to_ras(center, volume, axes),
        cropped_mm=cropped * volume.voxel_size,
        others=tuple(further),
        covered=tuple(_covered(axes.to_images(each), head) for each in covering),
    )


def field_of_view_pixels(field_of_view: float, voxel_size: float) -> int:
    """How many voxels make the field of view: the nearest whole number."""
    return round(field_of_view / voxel_size)


def rescale(images: NDArray[np.float32], resolution: int) -> NDArray[np.float32]:
    """Rescales square images [N, n, n]: by area means to fewer pixels, linearly to more.

    The images themselves are returned where nothing is to be done.
    """
    count, size = images.shape[:2]
    if size == resolution:
        return images
    weights = resampling_weights(size, resolution)
    # Sparse products are computed on one thread in one order: the same bytes on every run.
    rows = weights @ images.transpose(1, 0, 2).reshape(size, count * size)
    columns = rows.reshape(resolution, count, size).transpose(2, 1, 0).reshape(size, count * resolution)
    result = (weights @ columns).reshape(resolution, count, resolution)
    return np.ascontiguousarray(result.transpose(1, 2, 0))


def resampling_weights(size: int, resolution: int) -> sparse.csr_matrix:
    """The matrix [resolution, size] that rescales one axis, pixel edges aligned; its rows sum to one.

    To fewer pixels, each new pixel is the mean over the stretch that it covers; to more, it is interpolated
    linearly between the centers of the old ones.
    """
    scale = size / resolution
    old, new = np.arange(size), np.arange(resolution)
    if scale >= 1:
        starts, ends = new * scale, (new + 1) * scale
        overlap = np.minimum(ends[:, None], old + 1) - np.maximum(starts[:, None], old)
        weights = np.clip(overlap, 0.0, None)
        weights[weights < 1e-9] = 0.0
    else:
        centers = np.clip((new + 0.5) * scale - 0.5, 0, size - 1)
        weights = np.clip(1.0 - np.abs(centers[:, None] - old), 0.0, None)
    return sparse.csr_matrix((weights / weights.sum(axis=1, keepdims=True)).astype(np.float32))


def halve(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mean over blocks of two by two pixels: [N, 2r, 2r] to [N, r, r]."""
    return (images[:, ::2, ::2] + images[:, 1::2, ::2] + images[:, ::2, 1::2] + images[:, 1::2, 1::2]) * 0.25


def slice_to_nifti(
    image: NDArray[np.floating],
    plane: str,
    pixel_size: float,
    slice_thickness: float = 1.0,
    intensity_range: tuple[float, float] = (-1.0, 1.0),
    center_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    directions: ArrayLike = STRAIGHT,
) -> nibabel.Nifti1Image:
    """Makes one image a NIfTI volume of one slice, in a scan's units, place and orientation.

    Args:
        image: [r, r] in [-1, 1], oriented as slices of `plane` are.
        plane: A key of `PLANES`.
        pixel_size: Edge of a pixel in mm.
        slice_thickness: In mm, or the distance between slices, as NIfTI has it.
        intensity_range: The intensities that -1 and 1 stand for.
        center_mm: RAS coordinates of the image's center.
        directions: [3, 3], each column the RAS direction of one of the NIfTI image's axes; the axes of RAS
            themselves for slices of an isotropic grid.

    Returns:
        A float32 NIfTI image.
    """
    axes = PLANES[plane]
    voxels = axes.to_volume(from_unit_range(image, intensity_range).astype(np.float32)[None])
    spacing = np.full(3, pixel_size)
    spacing[axes.stack_axis] = slice_thickness
    affine = np.eye(4)
    affine[:3, :3] = directions * spacing
    affine[:3, 3] = center_mm - affine[:3, :3] @ (np.array(voxels.shape) - 1) / 2
    result = nibabel.Nifti1Image(voxels, affine)
    result.header.set_xyzt_units("mm")
    return result


def _place_field_of_view(
    box: tuple[tuple[int, int], ...], pixels: int, anchor_top: bool
) -> tuple[tuple[int, int], int]:
    """Row and column of the field's first pixel, and by how many pixels the head reaches beyond it."""
    rows, columns = box[1:]
    if anchor_top:  # A scan that reaches down to the shoulders keeps the top of its head.
        rows = (rows[0], min(rows[1], rows[0] + pixels - 1))
    corner = tuple((first + last + 1) // 2 - pixels // 2 for first, last in (rows, columns))
    beyond = [
        max(start - first, last - (start + pixels - 1))
        for start, (first, last) in zip(corner, box[1:], strict=True)
    ]
    return corner, max(0, *beyond)


def _cut_out(
    stack: NDArray[np.float32], kept: NDArray[np.int64], corner: tuple[int, int], pixels: int
) -> NDArray[np.float32]:
    """The field of view of the kept slices; beyond the volume there is air."""
    images = np.full((len(kept), pixels, pixels), AIR, np.float32)
    source, target = [], []
    for start, size in zip(corner, stack.shape[1:], strict=True):
        first, last = max(start, 0), min(start + pixels, size)
        source.append(slice(first, last))
        target.append(slice(first - start, last - start))
    images[:, target[0], target[1]] = stack[kept][:, source[0], source[1]]
    return images


def _outside(volume: Volume, axes: SlicingAxes, head: Head) -> NDArray[np.bool_]:
    """Where the pixels of `head.pooled` lie before the center of the first slice or behind that of the last.

    Beyond the sides of a scan's slices does not count: that is where many scans are cropped on purpose.
    """
    to_source = volume.grid.to_source
    axis = int(np.argmax(np.abs(to_source[:3, axes.stack_axis])))
    if volume.source_shape[axis] == 1:
        return np.zeros(head.mask.shape, bool)
    index = np.full(head.mask.shape, to_source[axis, 3])
    for dimension, volume_axis in enumerate((axes.stack_axis, axes.row_axis, axes.column_axis)):
        places = np.arange(head.mask.shape[dimension], dtype=np.float64)
        if dimension > 0:
            places = volume.data.shape[volume_axis] - 1 - ((places + 0.5) * head.pooling - 0.5)
        index += (to_source[axis, volume_axis] * places).reshape(np.roll([-1, 1, 1], dimension))
    return (index < 0) | (index > volume.source_shape[axis] - 1)


def _lesion_fractions(
    mask: NDArray[np.bool_] | None, axes: SlicingAxes, kept: NDArray[np.int64], head: Head
) -> NDArray[np.float64]:
    """Lesion voxels of each kept slice, as a part of its head's voxels."""
    if mask is None:
        return np.full(len(kept), np.nan)
    lesion = pool(axes.to_images(mask)[kept].astype(np.float32), head.pooling)
    inside = head.mask[kept]
    return np.sum(lesion * inside, axis=(1, 2), dtype=np.float64) / np.count_nonzero(inside, axis=(1, 2))


def _covered(inside: NDArray[np.bool_], head: Head) -> float:
    """The part of a head's voxels that are inside of something."""
    pooled = pool(inside.astype(np.float32), head.pooling)
    return float(np.sum(pooled * head.mask, dtype=np.float64) / np.count_nonzero(head.mask))


def _to_ras(center: list[float], volume: Volume, axes: SlicingAxes) -> tuple[float, float, float]:
    """RAS coordinates in mm of a place given in pixels of the stack."""
    index = np.zeros(3)
    index[axes.stack_axis] = center[0]
    for axis, position in ((axes.row_axis, center[1]), (axes.column_axis, center[2])):
        index[axis] = volume.data.shape[axis] - 1 - position
    place = volume.affine[:3, :3] @ index + volume.affine[:3, 3]
    return tuple(float(coordinate) for coordinate in place)


def _extent_mm(stack: NDArray[np.float32], volume: Volume) -> str:
    height, width = (size * volume.voxel_size for size in stack.shape[1:])
    return f"its slices would be {height:.0f} x {width:.0f} mm"


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{reason}: {count}" for reason, count in counts.items())
