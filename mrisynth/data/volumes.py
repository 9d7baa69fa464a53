"""One scan file, read and brought to a common form: RAS axes, cubic voxels, intensities in [-1, 1].

What was done to a scan (its own grid, the intensities that became -1 and 1) stays with the result, so that
an image can be taken back to the scan's units and place.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import nibabel
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.data.intensities import intensity_range, to_unit_range
from mrisynth.data.reading import read_scan
from mrisynth.data.resampling import INTERPOLATION_ORDERS, index_map, resample, straightened


@dataclasses.dataclass(frozen=True, eq=False)
class Volume:
    """A scan on a grid of cubic voxels whose axes run to the patient's right, front and top.

    Attributes:
        data: Float32 array [X, Y, Z] in [-1, 1]; X grows to the right, Y to the front, Z to the top.
        voxel_size: Edge of a voxel in mm.
        affine: Float64 [4, 4], from voxel indices of `data` to RAS coordinates in mm.
        intensity_range: The scan's own intensities that became -1 and 1; what lay outside was clipped.
        source_affine: Float64 [4, 4], from voxel indices of the file to RAS coordinates in mm.
        source_shape: Voxels along the file's three spatial axes.
        source_spacing: Voxel size in mm along the file's axes.
        source_orientation: Where the file's axes point, for instance "LPS".
        nonfinite_voxels: How many voxels were NaN or infinite; they count as air.
    """

    data: NDArray[np.float32]
    voxel_size: float
    affine: NDArray[np.float64]
    intensity_range: tuple[float, float]
    source_affine: NDArray[np.float64]
    source_shape: tuple[int, int, int]
    source_spacing: tuple[float, float, float]
    source_orientation: str
    nonfinite_voxels: int


def load_volume(
    path: str | Path,
    voxel_size: float = 1.0,
    interpolation: str = "linear",
    intensity_percentiles: tuple[float, float] = (1.0, 99.5),
    volume_index: int = 0,
) -> Volume:
    """Reads a scan, turns it to RAS, resamples it to cubic voxels and scales it to [-1, 1].

    The new grid follows the axes of the scanner, whatever the file's own axes, obliqueness or shear. (Only a
    single slice is taken as if it lay straight: there is no depth to resample it from.) Where the file's
    voxels are finer than `voxel_size` they are smoothed first, so that nothing aliases. A grid that fits
    already is copied voxel for voxel.

    Args:
        path: Anything nibabel reads as a volume of real numbers.
        voxel_size: Edge of the new voxels in mm.
        interpolation: "linear" or "cubic".
        intensity_percentiles: The lower one, of all voxels, becomes -1; the upper one, of the voxels
            brighter than `foreground_threshold`, becomes 1.
        volume_index: Which volume of a file with a time axis.

    Returns:
        The volume and how it came about.

    Raises:
        UnusableScanError: The file is no scan that can be used; the message is the reason.
    """
    voxels, affine = read_scan(path, volume_index)
    finite = np.isfinite(voxels)
    nonfinite = int(voxels.size - np.count_nonzero(finite))
    if 1 in voxels.shape:
        affine = straightened(affine, voxels.shape)
    values = voxels if nonfinite == 0 else voxels[finite]
    low, high = intensity_range(values, intensity_percentiles)
    if nonfinite:
        voxels = np.where(finite, voxels, np.float32(low))
    resampled, grid_affine = resample(
        voxels, affine, voxel_size, INTERPOLATION_ORDERS[interpolation], fill=low
    )
    return Volume(
        data=to_unit_range(resampled, (low, high)),
        voxel_size=voxel_size,
        affine=grid_affine,
        intensity_range=(low, high),
        source_affine=affine,
        source_shape=voxels.shape,
        source_spacing=tuple(float(size) for size in nibabel.affines.voxel_sizes(affine)),
        source_orientation="".join(nibabel.aff2axcodes(affine)),
        nonfinite_voxels=nonfinite,
    )


def load_mask(path: str | Path, volume: Volume) -> NDArray[np.bool_]:
    """Reads a mask and places it on the grid of `volume` by nearest neighbor.

    Args:
        path: A mask in any format and on any grid; voxels above zero are inside.
        volume: The volume that the mask belongs to.

    Returns:
        Boolean array of the shape of `volume.data`.

    Raises:
        UnusableScanError: The file cannot be read.
    """
    voxels, affine = read_scan(path)
    inside = np.nan_to_num(voxels) > 0
    matrix, offset = index_map(affine, volume.affine)
    return ndimage.affine_transform(
        inside.astype(np.uint8), matrix, offset, volume.data.shape, order=0, cval=0
    ).astype(bool)
