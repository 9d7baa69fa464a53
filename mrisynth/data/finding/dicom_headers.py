"""What DICOM files say before their pixels: whose image it is, and which series it belongs to.

dcm2niix converts all that it finds in a folder. Which files make up a series, and which series is wanted, has
to be known before; for that a dozen elements of each file's head suffice.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

DEFLATED = "1.2.840.10008.1.2.1.99"
"""The transfer syntax of files that are compressed as a whole, which dcm2niix does not read."""

_BIG_ENDIAN = "1.2.840.10008.1.2.2"
_MARK = slice(128, 132)
_HEAD_BYTES = 16384
_LAST_GROUP = 0x0028
_TRANSFER_SYNTAX = 0x00020010
_NO_LENGTH = 0xFFFFFFFF
_ITEM_END, _SEQUENCE_END = 0xFFFEE00D, 0xFFFEE0DD
_LONG = (b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV")


class DamagedHeaderError(Exception):
    """A DICOM file whose head is cut off or is none."""


@dataclasses.dataclass(frozen=True)
class Header:
    """What one DICOM file says about itself; what it does not say is empty or 0.

    Attributes:
        transfer_syntax: UID of how it is encoded.
        image_type: What kind of image it is, for instance ("ORIGINAL", "PRIMARY", "M").
        instance: UID of this image.
        modality: For instance "MR".
        description: What the series is called; the protocol's name if the series has none.
        patient: The patient's ID.
        person: The patient's name, birth date, sex and accession number; confidential, as `patient` is.
        study: UID of the examination.
        series: UID of the series.
        number: Number of the image in its series, from 1.
        expected: How many images the acquisition has; 0 if that is not said.
        rows: Rows of the image; 0 if it is none.
    """

    transfer_syntax: str
    image_type: tuple[str, ...]
    instance: str
    modality: str
    description: str
    patient: str
    person: tuple[str, ...]
    study: str
    series: str
    number: int
    expected: int
    rows: int


def read_header(path: Path) -> Header | None:
    """Reads the head of a file.

    Args:
        path: Any file.

    Returns:
        What it says; None if the file does not carry the mark of DICOM, "DICM" at byte 128.

    Raises:
        DamagedHeaderError: It carries the mark, but cannot be understood.
        OSError: The file cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        data = file.read(_HEAD_BYTES)
        if data[_MARK] != b"DICM":
            return None
        try:
            values = _values(data)
        except (struct.error, zlib.error):  # The head is longer than was read.
            data += file.readall()
            try:
                values = _values(data)
            except (struct.error, zlib.error) as error:
                raise DamagedHeaderError("cut off within its header") from error
    return _header(values)


def _header(values: dict[int, bytes]) -> Header:
    def text(tag: int) -> str:
        value = values.get(tag, b"")
        try:
            return value.decode().strip(" \0")
        except UnicodeDecodeError:  # Whatever it is written in, texts that are the same stay the same.
            return value.decode("latin-1").strip(" \0")

    def number(tag: int) -> int:
        return int(text(tag)) if re.fullmatch("[0-9]{1,12}", text(tag)) else 0  # As long as DICOM allows.

    rows = values.get(0x00280010, b"\0\0")
    return Header(
        transfer_syntax=text(_TRANSFER_SYNTAX),
        image_type=tuple(part.strip().upper() for part in text(0x00080008).split("\\")),
        instance=text(0x00080018),
        modality=text(0x00080060),
        description=text(0x0008103E) or text(0x00181030),
        patient=text(0x00100020),
        person=tuple(text(tag) for tag in (0x00100010, 0x00100030, 0x00100040, 0x00080050)),
        study=text(0x0020000D),
        series=text(0x0020000E),
        number=number(0x00200013),
        expected=number(0x00201002),
        rows=max(rows, default=0),  # Not zero in either byte order, if there are any.
    )


def _values(data: bytes) -> dict[int, bytes]:
    """The elements up to the description of the pixels, by tag."""
    start, values = _MARK.stop, {}
    for tag, value, end in _elements(data, start, "<", True, last=0x0002):
        values[tag], start = value, end
    syntax = values.get(_TRANSFER_SYNTAX, b"").decode("latin-1").strip(" \0")
    if syntax == DEFLATED:
        data, start = zlib.decompress(data[start:], -zlib.MAX_WBITS), 0
    order = ">" if syntax == _BIG_ENDIAN else "<"
    type_ = data[start + 4 : start + 6]
    is_explicit = type_.isalpha() and type_.isupper()  # Some files do otherwise than they say.
    values.update((tag, value) for tag, value, _ in _elements(data, start, order, is_explicit, _LAST_GROUP))
    return values


def _elements(
    data: bytes, position: int, order: str, explicit: bool, last: int
) -> Iterator[tuple[int, bytes, int]]:
    """Tag, value and end of each element from a position up to a group, without what lies in sequences.

    Order is "<" for little-endian or ">" for big-endian; explicit, whether the elements name their types.
    """
    # Sequences and items that do not say their length end with a mark: of each, how its elements are written.
    within: list[bool] = []
    while position < len(data):
        group, element = struct.unpack_from(f"{order}HH", data, position)
        tag = group << 16 | element
        if group > last and not within:
            return
        start, length, type_ = _length(data, position, order, explicit and group != 0xFFFE)
        position = start
        if tag in (_ITEM_END, _SEQUENCE_END):
            if not within:
                raise struct.error("an end without a beginning")
            explicit = within.pop()
        elif length == _NO_LENGTH:
            within.append(explicit)
            explicit = explicit and type_ != b"UN"
        else:
            position = start + length
            if position > len(data):
                raise struct.error("the value is cut off")
            if not within:
                yield tag, data[start:position], position
    if within:
        raise struct.error("a sequence is cut off")


def _length(data: bytes, position: int, order: str, explicit: bool) -> tuple[int, int, bytes]:
    """Where the value of an element begins, how long it is, and its type if it is named."""
    if not explicit:
        return position + 8, struct.unpack_from(f"{order}I", data, position + 4)[0], b""
    type_ = data[position + 4 : position + 6]
    if type_ in _LONG:
        return position + 12, struct.unpack_from(f"{order}I", data, position + 8)[0], type_
    return position + 8, struct.unpack_from(f"{order}H", data, position + 6)[0], type_
