"""Reads a file of any format that nibabel knows: its voxels, and where they lie."""

from __future__ import annotations

import dataclasses
import logging
import math
import os
import zlib
from collections.abc import Sequence
from gzip import BadGzipFile
from pathlib import Path

import nibabel
import numpy as np
from nibabel.analyze import AnalyzeImage
from nibabel.arrayproxy import ArrayProxy
from nibabel.filebasedimages import FileBasedImage, ImageFileError
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from mrisynth.data.reading.nifti_header import LABELS, intent, length, read_header, surplus_bytes
from mrisynth.data.reading.orientation import checked, nifti_affine, unknown_orientation
from mrisynth.errors import UnusableScanError

_THINNEST = 8
"""A scan needs at least so many voxels along two of its axes; less is a surface, a vector or a table."""

_MOST_VOXELS = 2**31
"""More than any scanner makes: such a header is damaged, and its memory had better not be asked for."""

_COMPRESSIONS = {b"\x1f\x8b": ".gz", b"BZh": ".bz2", b"\x28\xb5\x2f\xfd": ".zst"}
"""What compressed files begin with, and what their names should end in."""

# nibabel reports every oddity it repairs in a header; `orientation` says what a user should know of it.
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)


@dataclasses.dataclass(frozen=True, eq=False)
class StoredVolume:
    """One volume of a file, as it is stored there.

    Attributes:
        voxels: Float32 [I, J, K] in the file's own axes, scaled by the file's slope and intercept.
        affine: Float64 [4, 4], from indices of `voxels` to RAS coordinates in mm.
        wraps_at: Where the file's numbers may have run over: at 2**16 or, of single bytes, 2**8; 0 if they
            have a slope or no sign. Numbers of more bytes may have been converted after they ran over.
        are_labels: Whether the header says that the voxels are labels.
        warnings: What a user should know about the file, in sentences.
    """

    voxels: NDArray[np.float32]
    affine: NDArray[np.float64]
    wraps_at: int
    are_labels: bool
    warnings: tuple[str, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class _OpenFile:
    """A file whose header was read, and whose voxels can be: all formats alike.

    Attributes:
        voxels: The stored array, read when it is indexed.
        dtype: The type of the stored numbers.
        affine: As in `StoredVolume`.
        axes: The array's spatial axes in ascending order, then the others.
        wraps_at: As in `StoredVolume`.
        intent: What the header says that the voxels are, if that is no image; else empty.
        warnings: As in `StoredVolume`.
    """

    voxels: ArrayProxy
    dtype: np.dtype
    affine: NDArray[np.float64]
    axes: Sequence[int]
    wraps_at: int = 0
    intent: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels along every axis, the spatial ones first."""
        return tuple(int(self.voxels.shape[axis]) for axis in self.axes)

    def read(self, volume_index: int) -> NDArray:
        """Voxels [I, J, K] of one volume, scaled; of a long time series no more than needed is read."""
        others = self.axes[3:]
        if not others:
            voxels = np.asanyarray(self.voxels)
            return voxels.reshape(voxels.shape + (1,) * (3 - voxels.ndim))
        places: list[slice | int] = [slice(None)] * len(self.axes)
        for axis in others:
            places[axis] = volume_index if axis == others[0] else 0
        return np.asanyarray(self.voxels[tuple(places)])


def read_scan(path: str | Path, volume_index: int = 0) -> StoredVolume:
    """Reads one three-dimensional volume of real numbers, scaled by the file's slope and intercept.

    Args:
        path: The file.
        volume_index: Which volume of a file with a time axis.

    Returns:
        The volume.

    Raises:
        UnusableScanError: Not an image, damaged, or not a volume of real numbers.
    """
    path = Path(path)
    try:
        file = _open(path)
    except UnusableScanError:
        raise
    except ImageFileError as error:
        raise UnusableScanError(f"not an image that nibabel can read ({_reason(error, path)})") from error
    except (EOFError, BadGzipFile, zlib.error) as error:
        raise UnusableScanError(
            f"its voxels cannot be read; is it cut off or damaged? ({_reason(error, path)})"
        ) from error
    except Exception as error:  # A damaged header can raise nearly anything.
        raise UnusableScanError(f"cannot be opened ({_reason(error, path)})") from error
    _refuse_what_is_no_volume(file)
    volumes = file.shape[3] if len(file.shape) > 3 else 1
    if volume_index >= volumes:
        raise UnusableScanError(f"it has {volumes} volume(s), so there is none with index {volume_index}")
    try:
        voxels = file.read(volume_index)
    except Exception as error:  # Truncated or damaged data raise nearly anything, too.
        raise UnusableScanError(
            f"its voxels cannot be read; is it cut off? ({_reason(error, path)})"
        ) from error
    if voxels.dtype.kind not in "fiub":
        raise UnusableScanError(f"its voxels are of type {voxels.dtype}, not real numbers")
    warnings = file.warnings
    if volumes > 1:
        warnings += (f"time series: volume {volume_index} of {volumes} was taken (--volume_index)",)
    with np.errstate(over="ignore"):  # What float32 cannot hold becomes infinite, and so air.
        voxels = voxels.astype(np.float32)
    return StoredVolume(voxels, file.affine, file.wraps_at, file.intent == LABELS, warnings)


def _open(path: Path) -> _OpenFile:
    """Opens a file of any format."""
    image_class = _format_of(path)
    if image_class is nibabel.Cifti2Image:
        raise UnusableScanError("a CIFTI file: surfaces and connectivity, not a volume")
    if not issubclass(image_class, SpatialImage):
        raise UnusableScanError("not a volume (a surface or a tractogram)")
    if issubclass(image_class, AnalyzeImage):
        return _open_nifti(path, image_class)
    image = image_class.from_filename(str(path))
    axes, wraps_at, warnings = range(len(image.shape)), 0, ()
    dtype = np.dtype(image.get_data_dtype())
    if isinstance(image, nibabel.Minc1Image):
        axes = _minc_axes(image)
    if isinstance(image, nibabel.MGHImage):
        wraps_at, warnings = _wraps_at(dtype), _mgh_warnings(image)
        length(path)  # Whether what is compressed is whole.
    return _OpenFile(image.dataobj, dtype, checked(image.affine), axes, wraps_at, "", warnings)


def _format_of(path: Path) -> type[FileBasedImage]:
    """The class of nibabel's that reads a file."""
    with path.open("rb") as file:
        start = file.read(4)
    for signature, extension in _COMPRESSIONS.items():
        if start.startswith(signature) and path.suffix.lower() not in (extension, ".mgz"):
            raise UnusableScanError(
                f"compressed ({extension}), but its name does not say so; rename it to {path.name}{extension}"
            )
    sniff = None
    for image_class in nibabel.imageclasses.all_image_classes:
        fits, sniff = image_class.path_maybe_image(str(path), sniff)
        if fits:
            return image_class
    return type(nibabel.load(path))  # Raises, and says why.


def _open_nifti(path: Path, image_class: type[AnalyzeImage]) -> _OpenFile:
    """Opens NIfTI and its ancestor Analyze; nibabel's own way repairs the header without a word."""
    files = image_class.filespec_to_file_map(str(path))
    header, repaired = read_header(files, image_class.header_class)
    voxels = image_class.ImageArrayProxy(files["image"].filename, repaired)
    if "mat" in files and Path(files["mat"].filename).is_file():  # SPM's, which says what Analyze cannot.
        affine, warnings = checked(image_class.from_filename(str(path)).affine), []
    else:
        affine, warnings = nifti_affine(header, repaired)
    kind, doubts = intent(header)
    warnings += doubts
    if surplus := surplus_bytes(Path(files["image"].filename), repaired):
        warnings.append(
            f"file too long: it has {surplus} bytes more than its header accounts for; is its size right?"
        )
    scaled = (voxels.slope, voxels.inter) != (1, 0)
    return _OpenFile(
        voxels=voxels,
        dtype=repaired.get_data_dtype(),
        affine=affine,
        axes=range(len(voxels.shape)),
        wraps_at=0 if scaled else _wraps_at(repaired.get_data_dtype()),
        intent=kind,
        warnings=tuple(warnings),
    )


def _minc_axes(image: nibabel.Minc1Image) -> list[int]:
    """The spatial axes of a MINC file, by its dimensions' names, and then the others (time is first)."""
    names = image.dataobj.minc_file._dim_names
    for name, dimension in zip(names, image.dataobj.minc_file._dims, strict=True):
        if name.endswith("space") and not hasattr(dimension, "step"):  # nibabel takes 1 mm.
            raise UnusableScanError(f"its header gives no voxel size (no step along {name})")
    return sorted(range(len(names)), key=lambda axis: not names[axis].endswith("space"))


def _mgh_warnings(image: nibabel.MGHImage) -> tuple[str, ...]:
    """Whether an MGH file says where its voxels lie; if not, nibabel fills in FreeSurfer's defaults."""
    with image.file_map["image"].get_prepare_fileobj("rb") as file:
        is_known = any(file.read(30)[28:])
    if is_known:
        return ()
    reason = "its header's goodRASFlag is 0 (its voxel size of 1 mm is a guess, too)"
    return (unknown_orientation(reason, image.affine),)


def _wraps_at(dtype: np.dtype) -> int:
    return 0 if dtype.kind not in "if" else 2**8 if dtype.itemsize == 1 else 2**16


def _refuse_what_is_no_volume(file: _OpenFile) -> None:
    """Raises `UnusableScanError` for files that nibabel opens but that hold no volume of real numbers."""
    shape = file.shape
    if file.dtype.kind == "c":
        raise UnusableScanError("its voxels are complex numbers; give a magnitude image")
    if file.dtype.kind not in "fiub":
        raise UnusableScanError("its voxels are colors (RGB), not intensities")
    if file.intent and file.intent != LABELS:
        raise UnusableScanError(f"its header says that its voxels are {file.intent}, no image")
    if len(shape) < 2 or sorted(shape[:3])[-2] < _THINNEST or min(shape) < 1:
        raise UnusableScanError(f"too thin for an image ({_times(shape)} voxels); perhaps a surface")
    if math.prod(shape[:3]) > _MOST_VOXELS:
        raise UnusableScanError(f"its header claims {_times(shape)} voxels, which no scanner makes")
    if any(size > 1 for size in shape[4:]):
        raise UnusableScanError(
            f"it has {len(shape)} dimensions ({_times(shape)}), three or four are understood"
        )
    if len(shape) > 3 and shape[3] > 1 and min(shape[:3]) == 1:
        raise UnusableScanError(
            f"it holds {shape[3]} images of {_times(shape[:3])} voxels: slices in the fourth dimension, or "
            "time points of one slice; store slices along the third dimension, or one time point a file"
        )


def _times(shape: Sequence[int]) -> str:
    return " x ".join(str(size) for size in shape)


def _reason(error: Exception, path: Path) -> str:
    """The first line of what nibabel says, without the file's folder."""
    text = str(error).replace(f"{path.parent}{os.sep}", "").strip() or type(error).__name__
    return text.splitlines()[0][:120]
