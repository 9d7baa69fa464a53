"""One scan file, read and brought to a common form: axes nearest to RAS, intensities in [-1, 1].

What was done to a scan (its own grid, the intensities that became -1 and 1) stays with the result, so that
an image can be taken back to the scan's units and place.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.checksums import of_arrays
from mrisynth.data.reading.formats import StoredVolume, read_scan
from mrisynth.data.reading.image_copies import block_means
from mrisynth.data.reading.intensities import find_range, to_unit_range
from mrisynth.data.reading.interpolation import nearest
from mrisynth.data.reading.mask_space import refuse_other_space
from mrisynth.data.reading.orientation import UNKNOWN_ORIENTATION
from mrisynth.data.reading.planes import PLANES, Plane
from mrisynth.data.reading.plausibility import (
    cut_sides,
    doubts,
    find_missing,
    refuse_what_is_no_image,
    size_doubts,
)
from mrisynth.data.reading.resampling import (
    INTERPOLATION_ORDERS,
    Grid,
    SliceMode,
    choose_grid,
    index_map,
    is_aligned,
    resample,
    straightened,
)
from mrisynth.data.reading.sidecars import slice_thickness
from mrisynth.errors import UnusableScanError

_MOST_OF_A_SCAN = 0.6
"""No lesions take up more of a scan."""


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A scan on a grid whose axes run to the patient's right, front and top, or nearly (see `Grid`).

    Attributes:
        data: Float32 array [X, Y, Z] in [-1, 1]; X grows to the right, Y to the front, Z to the top.
        grid: Where the voxels of `data` lie.
        acquired: Whether slices of `data` are those of the scan; if not, they are interpolated from them.
        slice_thickness: Thickness of the slices in mm.
        intensity_range: The scan's own intensities that became -1 and 1; what lay outside was clipped.
        source_affine: Float64 [4, 4], from voxel indices of the file to RAS coordinates in mm.
        source_shape: Voxels along the file's three spatial axes.
        source_spacing: Voxel size in mm along the file's axes.
        source_orientation: Where the file's axes point, for instance "LPS".
        nonfinite_voxels: How many voxels were NaN or infinite; they count as air.
        voxels_checksum: SHA-256 of the file's voxels turned to the nearest RAS axes, hexadecimal.
        block_means: What tells whether it is the same image as another (see `image_copies.block_means`).
        warnings: What a user should know about the file, in sentences.
    """

    data: NDArray[np.float32]
    grid: Grid
    acquired: bool
    slice_thickness: float
    intensity_range: tuple[float, float]
    source_affine: NDArray[np.float64]
    source_shape: tuple[int, int, int]
    source_spacing: tuple[float, float, float]
    source_orientation: str
    nonfinite_voxels: int
    voxels_checksum: str
    block_means: NDArray[np.float32]
    warnings: tuple[str, ...]

    @property
    def voxel_size(self) -> float:
        """Edge of a voxel in mm; of native slices, of a pixel."""
        return self.grid.voxel_size

    @property
    def affine(self) -> NDArray[np.float64]:
        """Float64 [4, 4], from voxel indices of `data` to RAS coordinates in mm."""
        return self.grid.affine


def load_volume(
    path: str | Path,
    voxel_size: float = 1.0,
    interpolation: str = "linear",
    intensity_percentiles: tuple[float, float] = (1.0, 99.5),
    volume_index: int = 0,
    slices: str = "isotropic",
    plane: str = "axial",
) -> Volume:
    """Reads a scan, turns it to RAS, resamples it and scales it to [-1, 1].

    The isotropic grid is of cubic voxels and follows the axes of the scanner, whatever the file's own axes,
    obliqueness or shear. (Only a single slice is taken as if it lay straight: there is no depth to resample
    it from.) Native slices stay where they were acquired, and each is resampled by itself to square pixels.
    Where the file's voxels are finer than `voxel_size` they are smoothed first, so that nothing aliases. A
    grid that fits already is copied voxel for voxel.

    Args:
        path: Anything nibabel reads as a volume of real numbers.
        voxel_size: Edge of the new voxels in mm; of native slices, of their pixels.
        interpolation: "linear" or "cubic".
        intensity_percentiles: The lower one, of all voxels, becomes -1; the upper one, of the voxels
            brighter than `foreground_threshold`, becomes 1.
        volume_index: Which volume of a file with a time axis.
        slices: "isotropic", "native" or "auto"; the last takes native slices where the scan was acquired in
            thick slices of this plane (see `thick_plane`), or in a single one.
        plane: How the volume will be sliced: "axial", "coronal" or "sagittal".

    Returns:
        The volume and how it came about.

    Raises:
        UnusableScanError: The file is no scan that can be used; the message is the reason.
    """
    stored, filled, (low, high), warnings, doubtful = _read_image(path, volume_index, intensity_percentiles)
    voxels, affine = stored.voxels, stored.affine
    voxels_checksum, means = _what_tells_copies(voxels, filled, affine)
    warnings += doubtful or cut_sides(filled, affine, (low, high), PLANES[Plane(plane)].stack_axis)
    warnings += size_doubts(affine, voxels.shape)
    if 1 in voxels.shape and slices == SliceMode.ISOTROPIC:
        affine = straightened(affine, voxels.shape)
    grid = choose_grid(voxels.shape, affine, voxel_size, SliceMode(slices), Plane(plane))
    acquired = grid.stack_axis is not None or is_aligned(grid, voxels.shape)
    resampled = resample(filled, affine, grid, INTERPOLATION_ORDERS[interpolation], fill=low)
    return Volume(
        data=to_unit_range(resampled, (low, high)),
        grid=grid,
        acquired=acquired,
        slice_thickness=_thickness(path, grid, affine, plane) if acquired else voxel_size,
        intensity_range=(low, high),
        source_affine=affine,
        source_shape=voxels.shape,
        source_spacing=tuple(float(size) for size in nibabel.affines.voxel_sizes(affine)),
        source_orientation="".join(nibabel.aff2axcodes(affine)),
        nonfinite_voxels=int(np.count_nonzero(~np.isfinite(voxels))),
        voxels_checksum=voxels_checksum,
        block_means=means,
        warnings=tuple(warnings),
    )


@dataclasses.dataclass(frozen=True, eq=False)
class Beside:
    """A scan on the grid of another one.

    Attributes:
        data: Float32 array of the other's shape in [-1, 1], by this scan's own range; air where there is
            nothing of it.
        covered: Boolean, where this scan has voxels.
        intensity_range: Its own intensities that became -1 and 1.
        voxels_checksum: As of `Volume`.
        block_means: As of `Volume`.
        warnings: What a user should know about the file, in sentences.
    """

    data: NDArray[np.float32]
    covered: NDArray[np.bool_]
    intensity_range: tuple[float, float]
    voxels_checksum: str
    block_means: NDArray[np.float32]
    warnings: tuple[str, ...]


def load_beside(
    path: str | Path,
    volume: Volume,
    interpolation: str,
    intensity_percentiles: tuple[float, float],
    volume_index: int,
) -> Beside:
    """Reads a scan and brings it to the grid of another one by their affines, scaled by its own intensities.

    Args:
        path: As of `load_volume`.
        volume: The volume that has the grid.
        interpolation: "linear" or "cubic".
        intensity_percentiles: As of `load_volume`.
        volume_index: As of `load_volume`.

    Raises:
        UnusableScanError: The file is no scan that can be used; the message is the reason.
    """
    stored, filled, (low, high), warnings, doubtful = _read_image(path, volume_index, intensity_percentiles)
    grid = volume.grid.for_source(stored.affine)
    data = resample(filled, stored.affine, grid, INTERPOLATION_ORDERS[interpolation], fill=low)
    covered = _nearest(np.ones(stored.voxels.shape, bool), stored.affine, volume)
    return Beside(
        to_unit_range(data, (low, high)),
        covered,
        (low, high),
        *_what_tells_copies(stored.voxels, filled, stored.affine),
        warnings=(*warnings, *doubtful),
    )


def load_mask(path: str | Path, volume: Volume) -> tuple[NDArray[np.bool_], list[str]]:
    """Reads a mask and places it on the grid of `volume` by nearest neighbor.

    Args:
        path: A mask in any format and on any grid; voxels above zero are inside.
        volume: The volume that the mask belongs to.

    Returns:
        Boolean array of the shape of `volume.data`, and warnings.

    Raises:
        UnusableScanError: The file cannot be read, or the mask lies in another space than the volume, or
            does not say in which.
    """
    stored = read_scan(path)
    is_guess = any(warning.startswith(UNKNOWN_ORIENTATION) for warning in stored.warnings)
    if is_guess and not np.allclose(stored.affine, volume.source_affine, atol=1e-3):
        raise UnusableScanError("its orientation is unknown, so it may be the wrong way round")
    inside = np.nan_to_num(stored.voxels) > 0
    refuse_other_space(inside, stored.affine, volume.source_shape, volume.source_affine)
    mask = _nearest(inside, stored.affine, volume)
    warnings = [f"mask: {warning}" for warning in stored.warnings]
    if not mask.any() and np.any(np.nan_to_num(stored.voxels) != 0):
        warnings.append("mask doubtful: it marks nothing, for none of its numbers there are above 0")
    if mask.mean() > _MOST_OF_A_SCAN:
        warnings.append(f"mask doubtful: it marks {mask.mean():.0%} of the scan; is it inverted, or no mask?")
    return mask, warnings


def _read_image(
    path: str | Path, volume_index: int, percentiles: tuple[float, float]
) -> tuple[StoredVolume, NDArray[np.float32], tuple[float, float], list[str], list[str]]:
    """A scan as stored, its voxels with air for what is missing, its range, warnings, what is doubtful."""
    stored = read_scan(path, volume_index)
    if stored.are_labels:
        raise UnusableScanError("its header says that its voxels are labels, no image")
    missing, warnings = find_missing(stored.voxels)
    filled, ends = find_range(stored.voxels, missing, percentiles)
    refuse_what_is_no_image(stored.voxels, missing)
    doubtful = doubts(stored.voxels, missing, ends, stored.wraps_at)
    return stored, filled, ends, [*stored.warnings, *warnings], doubtful


def _what_tells_copies(
    voxels: NDArray[np.float32], filled: NDArray[np.float32], affine: NDArray[np.float64]
) -> tuple[str, NDArray[np.float32]]:
    """The checksum of a scan's voxels and, without what is missing, the means of its blocks."""
    turns = nibabel.orientations.io_orientation(affine)
    stored, image = (nibabel.orientations.apply_orientation(each, turns) for each in (voxels, filled))
    return of_arrays([stored]), block_means(image)


def _nearest(inside: NDArray[np.bool_], affine: NDArray[np.float64], volume: Volume) -> NDArray[np.bool_]:
    """Places a mask on the grid of a volume by nearest neighbor."""
    matrix, offset = index_map(affine, volume.affine)
    return nearest(inside, matrix, offset, volume.data.shape)


def _thickness(path: str | Path, grid: Grid, affine: NDArray[np.float64], plane: str) -> float:
    """Thickness in mm of the slices of an aligned or native grid."""
    sizes = nibabel.affines.voxel_sizes(affine)
    source = np.argmax(np.abs(grid.to_source[:3, PLANES[plane].stack_axis]))
    # What is said of thickness is said of the acquired slices, not of slices across them.
    is_said = sizes[source] > 0.999 * sizes.max()
    return (slice_thickness(Path(path)) if is_said else None) or grid.slice_spacing
