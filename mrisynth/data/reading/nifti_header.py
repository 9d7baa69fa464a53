"""The header of a NIfTI or Analyze file: read as it stands, and what it says beside the voxels' place.

nibabel repairs many an odd header without a word, so the header is read twice: as it stands in the file, to
be judged, and as nibabel repairs it, to read the voxels by.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from nibabel.analyze import AnalyzeHeader
from nibabel.fileholders import FileHolder
from nibabel.nifti1 import intent_codes
from nibabel.openers import ImageOpener

LABELS = "labels"
"""What `intent` says of a label map."""

_IMAGES = (0, 2001)
_KINDS = {
    **dict.fromkeys(range(2, 25), "statistics"),
    **dict.fromkeys((1002, 1003), LABELS),
    **dict.fromkeys((*range(1004, 1011), 2003, 2004), "vectors or colors (RGB)"),
}
_DIMENSIONLESS = 1011


def read_header(
    files: Mapping[str, FileHolder], header_class: type[AnalyzeHeader]
) -> tuple[AnalyzeHeader, AnalyzeHeader]:
    """Reads the header of a file.

    Args:
        files: Where header and voxels are, by nibabel's names.
        header_class: Of the file's format.

    Returns:
        The header as it stands in the file, and repaired.

    Raises:
        HeaderDataError: It cannot be repaired.
    """
    holder = files["header"] if "header" in files else files["image"]
    with holder.get_prepare_fileobj("rb") as file:
        header = header_class.from_fileobj(file, check=False)
    repaired = header.copy()
    repaired.check_fix()
    if getattr(header, "is_single", False) and header["vox_offset"] == 0:
        # Voxels cannot begin before the header ends; nifti1_io and SPM read such files alike.
        repaired["vox_offset"] = header.single_vox_offset
    return header, repaired


def intent(header: AnalyzeHeader) -> tuple[str, list[str]]:
    """What a header says that its voxels are.

    Args:
        header: As it stands in the file.

    Returns:
        `LABELS` or what else the voxels are; empty if they are intensities. And warnings.
    """
    code = int(header["intent_code"]) if "intent_code" in header.keys() else 0  # noqa: SIM118
    if code in _IMAGES:
        return "", []
    if code not in intent_codes.value_set() or code == _DIMENSIONLESS:
        return "", [
            f"intent unknown: its header's intent code is {code}; its voxels were taken as intensities"
        ]
    label = intent_codes.label[code]
    kind = _KINDS.get(code, "something else")
    return (kind if kind == LABELS else f"{kind} ({label})"), []


def surplus_bytes(file: Path, repaired: AnalyzeHeader) -> int:
    """How many bytes a file of voxels holds beyond those that its header accounts for.

    A compressed file is read to its end, which is where its checksum stands.

    Args:
        file: The file, which may be compressed.
        repaired: The header by which its voxels are read.

    Returns:
        The number of bytes.

    Raises:
        EOFError, OSError, zlib.error: What is compressed is cut off or damaged.
    """
    expected = repaired.get_data_offset() + repaired.get_data_dtype().itemsize * int(
        np.prod(repaired.get_data_shape(), dtype=np.int64)
    )
    return max(0, length(file) - expected)


def length(file: Path) -> int:
    """Bytes of a file; of a compressed one, of what is in it (see `surplus_bytes`)."""
    if file.suffix.lower() not in (".gz", ".mgz", ".bz2"):
        return file.stat().st_size
    with ImageOpener(str(file)) as stream:
        return sum(map(len, iter(lambda: stream.read(2**20), b"")))
