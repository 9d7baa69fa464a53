"""Where a file says that its voxels lie, and what to make of a header that contradicts itself.

A NIfTI header says it up to three times: in its sform (a matrix), in its qform (a rotation, with the voxel
size of pixdim) and, with neither, in pixdim alone. Whatever disagrees is said in a warning; nothing is
guessed silently.
"""

from __future__ import annotations

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.data.reading.resampling import box
from mrisynth.errors import UnusableScanError

UNKNOWN_ORIENTATION = "orientation unknown"
"""What the warning of `unknown_orientation` begins with."""

_MILLIMETERS = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""A unit's length by NIfTI's code for it; 0 is an unknown unit, which everyone takes for mm."""

# Writers keep quaternions in single precision; what is further off is no rounding.
_QUATERNION_ROUNDING = 1e-3
_SIZE_TOLERANCE = 0.01
_LEAST_VOLUME = 1e-4
"""Three axes whose parallelepiped has less than this part of its edges' product lie in a plane."""


def nifti_affine(
    header: nibabel.Nifti1Header, repaired: nibabel.Nifti1Header
) -> tuple[NDArray[np.float64], list[str]]:
    """Finds where the voxels of a NIfTI file lie, or of an Analyze file, which knows voxel sizes only.

    The sform is taken, as by nibabel, if it is one and its voxel sizes are those of pixdim, or if there is
    no other; else the qform.

    Args:
        header: The header as it stands in the file.
        repaired: The same after nibabel's own repairs.

    Returns:
        Float64 [4, 4], from voxel indices to RAS coordinates in mm, and warnings.

    Raises:
        UnusableScanError: The header gives no usable orientation or voxel size.
    """
    pixdim = np.array(header["pixdim"][:4], np.float64)
    if "sform_code" not in header.keys():  # noqa: SIM118 - a header is no dictionary.
        return _from_sizes("the format cannot say", pixdim, repaired)
    affine, warnings = _best_form(header, repaired, pixdim)
    unit = int(header["xyzt_units"]) & 7
    if unit not in _MILLIMETERS:
        warnings.append(f"unit unknown: its header's code {unit} stands for no unit of length; mm were taken")
    affine = np.array(affine, np.float64)
    affine[:3] *= _MILLIMETERS.get(unit, 1.0)
    return affine, warnings


def checked(affine: NDArray[np.float64]) -> NDArray[np.float64]:
    """An affine as float64.

    Raises:
        UnusableScanError: It is not finite, or its axes lie in a plane.
    """
    affine = np.array(affine, np.float64)
    if fault := _matrix_fault(affine):
        raise UnusableScanError(f"its header gives no usable orientation and voxel size (its affine {fault})")
    return affine


def unknown_orientation(reason: str, affine: NDArray[np.float64]) -> str:
    """The warning that a file does not say its orientation, why, and what was taken for its affine."""
    return (
        f"{UNKNOWN_ORIENTATION}: {reason}; which side is left and which axis runs to the top are guesses "
        f"(the axes were taken as {''.join(nibabel.aff2axcodes(affine))})"
    )


def _best_form(
    header: nibabel.Nifti1Header, repaired: nibabel.Nifti1Header, pixdim: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str]]:
    """The best of what a NIfTI header says, in its own unit, and what is wrong with it."""
    sform, sform_fault = _judged(repaired.get_sform()) if header["sform_code"] > 0 else (None, "")
    qform, qform_fault = _qform(pixdim, repaired) if header["qform_code"] > 0 else (None, "")
    if sform is not None:
        affine, warnings = _sform_or_qform(sform, qform, pixdim, repaired.get_data_shape()[:3])
        if qform_fault and not warnings:
            warnings = [f"qform unusable: it {qform_fault}; the sform was taken"]
        return affine, warnings
    if qform is not None:
        warnings = [f"sform unusable: it {sform_fault}; the qform was taken"] if sform_fault else []
        return qform, warnings + _oddities_of_pixdim(pixdim)
    faults = {"sform": sform_fault, "qform": qform_fault}
    if any(faults.values()):
        reason = " and ".join(f"its {name} {fault}" for name, fault in faults.items() if fault)
        raise UnusableScanError(f"its header gives no usable orientation ({reason})")
    return _from_sizes("its header's qform_code and sform_code are 0", pixdim, repaired)


def _sform_or_qform(
    sform: NDArray[np.float64],
    qform: NDArray[np.float64] | None,
    pixdim: NDArray[np.float64],
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], list[str]]:
    """The better one of a good sform and a qform, which may be None, and what is wrong with them."""
    sizes = nibabel.affines.voxel_sizes(sform)
    if not np.allclose(sizes, np.abs(pixdim[1:]), rtol=_SIZE_TOLERANCE, atol=0):
        name = "sform was" if qform is None else "qform and pixdim were"
        return (sform if qform is None else qform), [
            f"voxel sizes disagree: {_sizes(sizes)} mm by its sform, {_sizes(pixdim[1:])} mm by its pixdim; "
            f"the {name} taken"
        ]
    if qform is None:
        return sform, []
    distance = np.abs(box((sform - qform)[:3, [*range(len(shape)), 3]], shape)).max()
    if distance <= sizes.max():
        return sform, []
    return sform, [f"sform and qform disagree: by up to {distance:.4g} mm; the sform was taken"]


def _qform(
    pixdim: NDArray[np.float64], repaired: nibabel.Nifti1Header
) -> tuple[NDArray[np.float64] | None, str]:
    """The qform, or None and what is wrong with it."""
    if not _are_sizes(pixdim[1:]):
        return None, f"has voxel sizes of {_sizes(pixdim[1:])} mm"
    names = ("quatern_b", "quatern_c", "quatern_d")
    quaternion = np.array([float(repaired[name]) for name in names])
    length = float(np.linalg.norm(quaternion))
    if not length <= 1 + _QUATERNION_ROUNDING:
        return None, f"has a quaternion that is no rotation ({', '.join(f'{part:g}' for part in quaternion)})"
    if length > 1:
        repaired = repaired.copy()
        for name, part in zip(names, quaternion / length, strict=True):
            # A little less than 1, as single precision may round up.
            repaired[name] = part * (1 - 1e-7)
    return _judged(repaired.get_qform())


def _judged(affine: NDArray[np.float64]) -> tuple[NDArray[np.float64] | None, str]:
    """An affine, or None and what is wrong with it."""
    fault = _matrix_fault(affine)
    return (None, fault) if fault else (affine, "")


def _from_sizes(
    reason: str, pixdim: NDArray[np.float64], repaired: nibabel.analyze.AnalyzeHeader
) -> tuple[NDArray[np.float64], list[str]]:
    """What nibabel makes of a header that says nothing but voxel sizes, for the given reason."""
    if not _are_sizes(pixdim[1:]):
        raise UnusableScanError(
            f"its header gives no voxel size and no orientation (pixdim is {_sizes(pixdim[1:])} mm)"
        )
    affine = checked(repaired.get_base_affine())
    return affine, [unknown_orientation(reason, affine), *_oddities_of_pixdim(pixdim)]


def _oddities_of_pixdim(pixdim: NDArray[np.float64]) -> list[str]:
    """What is wrong with the numbers that a qform, or no form at all, is made from."""
    warnings = []
    if np.any(pixdim[1:] < 0):
        warnings.append(f"voxel size negative: {_sizes(pixdim[1:])} mm by its pixdim; the signs were ignored")
    if pixdim[0] not in (-1, 0, 1):
        warnings.append(f"orientation doubtful: pixdim[0] is {pixdim[0]:g}, not 1 or -1; 1 was taken")
    return warnings


def _matrix_fault(affine: NDArray[np.float64]) -> str:
    """Why an affine places nothing; empty if it is fine."""
    if not np.all(np.isfinite(affine)):
        return "holds NaN or infinity"
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    if np.any(sizes == 0):
        return "has an axis of length 0"
    if abs(np.linalg.det(affine[:3, :3] / sizes)) < _LEAST_VOLUME:
        return "has axes that lie in a plane"
    return ""


def _are_sizes(sizes: NDArray[np.float64]) -> bool:
    """Whether numbers can be voxel sizes, save for their signs."""
    return bool(np.all(np.isfinite(sizes)) and np.all(sizes != 0))


def _sizes(sizes: NDArray[np.float64]) -> str:
    return " x ".join(f"{size:.4g}" for size in sizes)
