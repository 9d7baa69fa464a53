"""Samples as plain files, which NumPy and the csv module alone can read.

train-r0064.npy   the images of a split at one resolution: uint16 [N, 64, 64, channels]; the value u
                  stands for u / 65535 * 2 - 1; numpy.load(..., mmap_mode="r") reads what is indexed
labels.tsv        one row a sample, in the order of its split's images; "n/a" where unknown: split,
                  subject, session, suffix, source (index of the file in the manifest), slice_index (in
                  the resampled volume, or among the scan's own slices), position_mm (along the slicing
                  axis, from the head's center), lesion_fraction (part of the head), has/... (whether it has a
                  channel, with --allow_missing), participant/... (columns of participants.tsv)
"""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.labels import UNKNOWN
from mrisynth.data.storing.manifest import Manifest, Split
from mrisynth.errors import UserError

LABELS_FILE = "labels.tsv"
LARGEST_PIXEL = 65535

_COLUMNS = (
    "split", "subject", "session", "suffix", "source", "slice_index", "position_mm", "lesion_fraction",
)  # fmt: skip
_HEADER_BYTES = 128
# Names of files need not be UTF-8; this way they are written and read unharmed.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}


def quantize(images: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Maps [-1, 1] to 0 ... 65535, rounded; the error is at most 1 / 65535."""
    scaled = images + np.float32(1.0)
    scaled *= np.float32(LARGEST_PIXEL / 2)
    return np.clip(np.rint(scaled, out=scaled), 0, LARGEST_PIXEL, out=scaled).astype("<u2")


def dequantize(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Maps 0 ... 65535 to [-1, 1]."""
    return pixels.astype(np.float32) * np.float32(2.0 / LARGEST_PIXEL) - np.float32(1.0)


class SampleWriter(contextlib.ExitStack):
    """Appends samples to the files of a new data set, and closes them where its context ends.

    On which side of the split samples stand is known when all have been seen; until then the images lie in
    one file for each resolution. Of images nothing is held in memory.
    """

    def __init__(self, folder: Path, resolutions: Iterable[int]):
        """Opens the files.

        Args:
            folder: Where they go.
            resolutions: Those of every sample.

        Raises:
            OSError: A file cannot be written.
        """
        super().__init__()
        self._folder = folder
        self._images = {
            resolution: self.enter_context((folder / f"all-r{resolution:04d}").open("w+b"))
            for resolution in resolutions
        }
        self._rows: dict[int, Sequence[Mapping[str, object]]] = {}

    def append(
        self,
        source: int,
        images: Mapping[int, NDArray[np.uint16]],
        labels: Sequence[Mapping[str, object]],
    ) -> None:
        """Appends the N samples of a source.

        Args:
            source: Its index in the manifest; each is more than the one before.
            images: Uint16 [N, r, r, channels] for every resolution r.
            labels: The row of each sample in the label table, but for split and source; what a row lacks is
                unknown.

        Raises:
            OSError: A file cannot be written.
        """
        for resolution, pixels in images.items():
            self._images[resolution].write(np.ascontiguousarray(pixels, "<u2"))
        self._rows[source] = labels

    def finish(self, manifest: Manifest) -> None:
        """Divides what was appended into the splits, and writes the label table.

        Args:
            manifest: Says of every source on which side it stands, and the number of channels.

        Raises:
            OSError: A file cannot be written.
        """
        for resolution, images in self._images.items():
            with contextlib.ExitStack() as files:
                arrays = {
                    split: files.enter_context(_array_path(self._folder, split, resolution).open("wb"))
                    for split in Split
                }
                for split, file in arrays.items():
                    file.write(_header(manifest.array_shape(split, resolution)))
                images.seek(0)
                for source, rows in self._rows.items():
                    size = 2 * len(rows) * resolution**2 * len(manifest.channels)
                    arrays[manifest.sources[source].split].write(images.read(size))
            images.close()
            Path(images.name).unlink()
        self._write_table(manifest)

    def _write_table(self, manifest: Manifest) -> None:
        columns = sorted({column for source in manifest.sources for column in source.participant})
        has = [f"has/{name}" for name in manifest.channels[1:] if manifest.settings.get("allow_missing")]
        names = [*_COLUMNS, *has, *(f"participant/{column}" for column in columns)]
        with (self._folder / LABELS_FILE).open("w", **_TEXT) as file:
            table = csv.DictWriter(file, names, UNKNOWN, delimiter="\t", lineterminator="\n")
            table.writeheader()
            for source, rows in self._rows.items():
                split = manifest.sources[source].split
                table.writerows({**row, "split": split, "source": source} for row in rows)


def _header(shape: tuple[int, ...]) -> bytes:
    """The first bytes of a .npy file of uint16 images."""
    described = repr({"descr": "<u2", "fortran_order": False, "shape": shape}).encode("ascii")
    length = (_HEADER_BYTES - 10).to_bytes(2, "little")
    return np.lib.format.magic(1, 0) + length + described.ljust(_HEADER_BYTES - 11) + b"\n"


def open_images(folder: Path, manifest: Manifest, split: Split, resolution: int) -> NDArray[np.uint16]:
    """Maps the images of one split and stored resolution of a data set into memory.

    Returns:
        Uint16 [N, resolution, resolution, channels], read from the disk where it is indexed.

    Raises:
        UserError: The file is missing or not what the manifest says.
    """
    path = _array_path(folder, split, resolution)
    shape = manifest.array_shape(split, resolution)
    size = _HEADER_BYTES + 2 * math.prod(shape)
    with _damage_named(folder):
        if not path.is_file():
            raise ValueError(f"{path.name} is missing")
        if path.stat().st_size != size:
            raise ValueError(f"{path.name} has {path.stat().st_size} bytes instead of {size}")
        images = np.load(path, mmap_mode="r")
        if (images.dtype, images.shape) != (np.dtype("<u2"), shape):
            raise ValueError(f"{path.name} holds {images.dtype} {images.shape} instead of uint16 {shape}")
    return np.asarray(images)


def read_labels(folder: Path, manifest: Manifest, split: Split) -> dict[str, list[str]]:
    """Reads the rows of one split from the label table of a data set.

    Returns:
        The values of every other column than `split`, in the order of the split's images.

    Raises:
        UserError: The file is missing or not what the manifest says.
    """
    with _damage_named(folder), (folder / LABELS_FILE).open(**_TEXT) as file:
        table = csv.DictReader(file, delimiter="\t")
        rows = [row for row in table if row["split"] == split]
        if len(rows) != manifest.splits[split].slices:
            raise ValueError(
                f"{LABELS_FILE} has {len(rows)} rows of {split}, not {manifest.splits[split].slices}"
            )
    return {column: [row[column] for row in rows] for column in table.fieldnames if column != "split"}


@contextlib.contextmanager
def _damage_named(folder: Path) -> Iterator[None]:
    """Says what to do about files of a data set that are missing or damaged."""
    try:
        yield
    except (ValueError, KeyError, OSError) as error:
        raise UserError(f"--data_dir: {folder} is incomplete ({error}); prepare it again") from error


def _array_path(folder: Path, split: Split, resolution: int) -> Path:
    return folder / f"{split}-r{resolution:04d}.npy"
