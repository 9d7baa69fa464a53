"""What one scan is read from: one file, header and voxels in files of their own, or a series of DICOM."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import nibabel
from nibabel.imageclasses import all_image_classes

from mrisynth.errors import UnusableScanError
from mrisynth.phantoms.mark import is_marked


def files_of(path: Path) -> tuple[Path, ...]:
    """The files that are read for a scan, in an order that does not depend on which of them is named.

    These are .hdr, .img and .mat of Analyze and NIfTI pairs, .HEAD and .BRIK of AFNI, .PAR and .REC of
    Philips; else the file alone, also if it is no image.
    """
    kind = next((kind for kind in all_image_classes if kind.path_maybe_image(path)[0]), None)
    if kind is None:
        return (path,)
    holders = kind.filespec_to_file_map(path)
    files = [Path(holders[role].filename) for role in sorted(holders)]
    return tuple(file for file in files if file.is_file()) or (path,)


def checksum(files: Sequence[Path]) -> str:
    """SHA-256 of a scan's file, hexadecimal; of its files' checksums, in order, where it has several.

    Raises:
        UnusableScanError: A file cannot be read.
    """
    try:
        digests = [_sha256(file) for file in files]
    except OSError as error:
        raise UnusableScanError(f"cannot be read ({error.strerror})") from error
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()


def is_phantom(path: Path) -> bool:
    """Whether a scan says that it was drawn by `mrisynth.phantoms`."""
    try:
        return is_marked(nibabel.load(path))
    except Exception:  # A damaged header can raise nearly anything.
        return False


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()
