"""Which files below a folder may be scans, and what is wrong with them as far as their names say.

Nothing here needs an image library.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from mrisynth.data.finding.bids import entities, subject_of
from mrisynth.data.finding.dicom_series import DicomFile, look_at
from mrisynth.data.finding.scan_names import EXTENSIONS, NOT_SUPPORTED, stem

_NOT_SCANS = ("derivatives", "sourcedata", "code", "stimuli", "__MACOSX")
_PARTS = {"phase": "phase", "ph": "phase", "real": "real", "imag": "imaginary", "imaginary": "imaginary"}
"""What the BIDS entity part- is called; dcm2niix lets names end in it."""


def walk(folder: Path, dicom_files: list[DicomFile]) -> Iterator[tuple[Path, str]]:
    """Files below a folder that may be scans, and folders that cannot be read, each with its fault.

    DICOM files are added to those found.
    """
    unreadable: list[OSError] = []
    seen: set[tuple[str, str]] = set()
    for place, folders, files in os.walk(folder, followlinks=True, onerror=unreadable.append):
        known = location(Path(place, "_"))
        folders[:] = (
            [] if known in seen else sorted(f for f in folders if f not in _NOT_SCANS and f[0] != ".")
        )
        if known in seen:  # A link that leads back up, or to what was read already.
            continue
        seen.add(known)
        for path in (Path(place, name) for name in sorted(files) if name[0] != "."):
            dicom_file = look_at(path, folder)
            if dicom_file is not None:
                dicom_files.append(dicom_file)
            elif path.name.lower().endswith((*EXTENSIONS, *NOT_SUPPORTED)) and not _is_second_half(path):
                yield path, ""
    for error in unreadable:
        yield Path(error.filename), f"the folder cannot be read ({error.strerror})"


def location(path: Path) -> tuple[str, str]:
    """Where a file lies, whatever links its folders are, and whose folder it is by a BIDS label.

    A file that is itself a link lies where the link does. A folder that is linked to under the name of
    another subject counts once for each: both have its scans.
    """
    real = Path(os.path.realpath(path.parent), path.name)
    return str(real), subject_of(path.absolute().as_posix()) or subject_of(real.as_posix())


def _is_second_half(path: Path) -> bool:
    """Whether a file is the .img of a .hdr/.img pair; the header stands for both."""
    name = path.name
    position = name.lower().rfind(".img")
    if position < 0:
        return False
    rest = name[position + 4 :]
    headers = (path.with_name(name[:position] + header + rest) for header in (".hdr", ".HDR"))
    return any(map(_is_there, headers))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # In a folder that cannot be entered.
        return False


def fault_of_file(path: Path) -> str:
    """Why a file cannot be used, as far as one sees without an image library; empty if nothing is wrong."""
    if path.is_symlink() and not _is_there(path):
        return "a broken link; is its content still to be fetched?"
    if _is_there(path) and not path.is_file():
        return "not a regular file"
    kind = next((kind for end, kind in NOT_SUPPORTED.items() if path.name.lower().endswith(end)), "")
    if kind:
        return f"{kind}, which cannot be read; convert it to NIfTI (.nii or .nii.gz) first"
    return ""


def fault_of_part(name: str) -> str:
    """Why an image that is but a part of complex numbers cannot be used; empty if it is none."""
    entity = entities(name).get("part", "").lower()
    last = re.split("[-_]", stem(name).lower())[-1]
    part = _PARTS.get(entity) or (_PARTS.get(last) if last != "real" else "")
    return f"its name says that it is a {part} image; only magnitudes are of use" if part else ""
