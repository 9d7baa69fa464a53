"""One scan file, read and brought to a common form: RAS axes, cubic voxels, intensities in [-1, 1].

What was done to a scan (its own grid, the intensities that became -1 and 1) stays with the result, so that
an image can be taken back to the scan's units and place.
"""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth.data.resampling import INTERPOLATION_ORDERS, index_map, resample, straightened
from mrisynth.errors import UnusableScanError

AIR = -1.0
"""What air becomes, and what stands where nothing was scanned."""


_MILLIMETERS = {"meter": 1000.0, "micron": 0.001}
_VECTOR_INTENTS = (1004, 1005, 1006, 1007, 1009, 1010, 2003, 2004, 2005)
_THINNEST = 8
"""A scan needs at least so many voxels along two of its axes; less is a surface, a vector or a table."""

# nibabel reports every oddity it repairs in a header; a folder of a thousand scans need not hear of it.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


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


def read_scan(path: str | Path, volume_index: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Reads one three-dimensional volume of real numbers, scaled by the file's slope and intercept.

    Args:
        path: The file.
        volume_index: Which volume of a file with a time axis.

    Returns:
        Float32 voxels [I, J, K] in the file's own axes, and the affine from their indices to mm.

    Raises:
        UnusableScanError: Not an image, damaged, or not a volume of real numbers.
    """
    try:
        image = nibabel.load(path)
    except ImageFileError as error:
        raise UnusableScanError("not an image that nibabel can read") from error
    except Exception as error:  # A damaged header can raise nearly anything.
        raise UnusableScanError(f"cannot be opened ({_first_line(error)})") from error
    _refuse_what_is_no_volume(image)
    affine = _affine_in_mm(image)
    volumes = image.shape[3] if len(image.shape) > 3 else 1
    if volume_index >= volumes:
        raise UnusableScanError(f"it has {volumes} volume(s), so there is none with index {volume_index}")
    try:
        voxels = _read_voxels(image, volume_index)
    except Exception as error:  # Truncated or damaged data raise nearly anything, too.
        raise UnusableScanError(
            f"its voxels cannot be read; is it cut off? ({_first_line(error)})"
        ) from error
    if voxels.dtype.kind not in "fiub":
        raise UnusableScanError(f"its voxels are of type {voxels.dtype}, not real numbers")
    with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite, and so air.
        return voxels.astype(np.float32), affine


def intensity_range(values: NDArray[np.float32], percentiles: tuple[float, float]) -> tuple[float, float]:
    """The intensities that become -1 and 1.

    Air outnumbers the head by a proportion that depends on how closely the head was framed, so the upper
    percentile is taken over the brighter voxels alone.

    Args:
        values: Finite intensities of the whole scan.
        percentiles: Lower percentile of all voxels, upper percentile of the foreground; 0 to 100.

    Returns:
        Two intensities, the first below the second.

    Raises:
        UnusableScanError: There are no values, or they are all the same.
    """
    if values.size == 0:
        raise UnusableScanError("none of its voxels is a number")
    if values.min() == values.max():
        raise UnusableScanError(f"all its voxels are {values.flat[0]:g}")
    values = values.ravel()
    low = float(np.percentile(values, percentiles[0]))
    foreground = values[values > foreground_threshold(values)]
    high = float(np.percentile(foreground, percentiles[1]))
    if not low < high:
        raise UnusableScanError(f"its intensities leave no range to scale ({low:g} to {high:g})")
    return low, high


def foreground_threshold(values: NDArray[np.float32], bins: int = 256) -> float:
    """Otsu's threshold: splits the values so that the variance between the two classes is largest.

    The brightest half percent is left out of the histogram, lest a few outliers take up all of its bins.

    Args:
        values: Finite numbers, not all the same.
        bins: Bins of the histogram.

    Returns:
        A threshold below the largest value.
    """
    lowest, top = float(values.min()), float(np.percentile(values, 99.5))
    if top <= lowest:
        return lowest
    counts, edges = np.histogram(values, bins=bins, range=(lowest, top))
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(np.float64)
    above = below[-1] - below
    sum_below = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = sum_below / below - (sum_below[-1] - sum_below) / above
        between = np.nan_to_num(below * above * difference**2)
    return float(edges[1:][np.argmax(between[:-1])])


def to_unit_range(values: NDArray[np.float32], intensities: tuple[float, float]) -> NDArray[np.float32]:
    """Maps the two intensities to -1 and 1, linearly, and clips what lies outside."""
    low, high = intensities
    scaled = (values - np.float32(low)) * np.float32(2.0 / (high - low))
    scaled -= 1.0
    return np.clip(scaled, -1.0, 1.0, out=scaled)


def from_unit_range(values: NDArray[np.floating], intensities: tuple[float, float]) -> NDArray[np.float64]:
    """Undoes `to_unit_range`, save for the clipping: -1 and 1 become the two intensities."""
    low, high = intensities
    return (np.asarray(values, np.float64) + 1.0) / 2.0 * (high - low) + low


def _refuse_what_is_no_volume(image: nibabel.filebasedimages.FileBasedImage) -> None:
    """Raises `UnusableScanError` for files that nibabel opens but that hold no volume of real numbers."""
    if isinstance(image, nibabel.Cifti2Image):
        raise UnusableScanError("a CIFTI file: surfaces and connectivity, not a volume")
    if not isinstance(image, nibabel.spatialimages.SpatialImage):
        raise UnusableScanError("not a volume (a surface or a tractogram)")
    dtype = np.dtype(image.get_data_dtype())
    if dtype.kind == "c":
        raise UnusableScanError("its voxels are complex numbers; give a magnitude image")
    if dtype.kind not in "fiub":
        raise UnusableScanError("its voxels are colors (RGB), not intensities")
    shape = image.shape
    intent = int(image.header["intent_code"]) if "intent_code" in getattr(image.header, "keys", list)() else 0
    if intent in _VECTOR_INTENTS and any(size > 1 for size in shape[3:]):
        raise UnusableScanError("its voxels are vectors or colors (RGB), not intensities")
    if any(size > 1 for size in shape[4:]):
        raise UnusableScanError(
            f"it has {len(shape)} dimensions ({_times(shape)}), three or four are understood"
        )
    if len(shape) < 2 or sorted(shape[:3])[-2] < _THINNEST:
        raise UnusableScanError(f"too thin for an image ({_times(shape)} voxels); perhaps a surface")


def _read_voxels(image: nibabel.spatialimages.SpatialImage, volume_index: int) -> NDArray:
    """Voxels [I, J, K] of one volume, scaled; of a long time series no more than needed is read."""
    dimensions = len(image.shape)
    if dimensions <= 3:
        voxels = np.asanyarray(image.dataobj)
        return voxels.reshape(voxels.shape + (1,) * (3 - dimensions))
    return np.asanyarray(image.dataobj[(..., volume_index, *(0,) * (dimensions - 4))])


def _affine_in_mm(image: nibabel.spatialimages.SpatialImage) -> NDArray[np.float64]:
    """The file's affine, in mm whatever unit the header speaks in."""
    affine = np.array(image.affine, np.float64)
    if hasattr(image.header, "get_xyzt_units"):
        affine[:3] *= _MILLIMETERS.get(image.header.get_xyzt_units()[0], 1.0)
    if not np.all(np.isfinite(affine)) or abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise UnusableScanError("its header gives no usable orientation and voxel size")
    return affine


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(str(int(size)) for size in shape)


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:120]
