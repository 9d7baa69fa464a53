"""Reads a file of any format that nibabel knows: its voxels, and where they lie."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from mrisynth.errors import UnusableScanError

_MILLIMETERS = {"meter": 1000.0, "micron": 0.001}
_VECTOR_INTENTS = (1004, 1005, 1006, 1007, 1009, 1010, 2003, 2004, 2005)
_THINNEST = 8
"""A scan needs at least so many voxels along two of its axes; less is a surface, a vector or a table."""

# nibabel reports every oddity it repairs in a header; a folder of a thousand scans need not hear of it.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


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
