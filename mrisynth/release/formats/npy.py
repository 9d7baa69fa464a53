"""One array of all images, for NumPy to map into memory."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mrisynth.atomic_io import file_aside, move_into_place, write_all, write_json_aside
from mrisynth.release.channels import Channel
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.label_table import SEED, LabelTable

_IMAGES, _SEEDS = "images.npy", "seeds.npy"
_NO_SEED = -1


@dataclasses.dataclass
class NpyArray(ReleaseFormat):
    """The files images.npy, float32 [N, r, r] of intensities; seeds.npy, int64 [N]; images.json.

    Images of several channels are [N, r, r, C].

    The arrays grow aside, at their final size from the start; an image is there once its seed is, which is
    written when the disk has the image. A release
    that is extended stays whole until the larger one is.
    """

    name = "npy"
    summary = "one array and its seeds"
    layout = '`images.npy`, for `numpy.load("images.npy", mmap_mode="r")`; `seeds.npy` in the same order'
    _rows: tuple[_Rows, ...] = dataclasses.field(default=(), init=False)

    @property
    def storage(self) -> str:
        """See `ReleaseFormat`."""
        last = ", channel" if len(self.channels) > 1 else ""
        return f"NumPy: float32 intensities, one array [image, row, column{last}]"

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        source = self._source(_SEEDS)
        if not source.is_file():
            return []
        seeds, images = _read(source), _read(self._source(_IMAGES))
        # Negative, too, is a seed of which only the first bytes were written.
        there = seeds[: np.argmax(np.append(seeds, _NO_SEED) < 0)].tolist()
        if len(images) < len(there):
            raise ValueError(f"{_IMAGES} has {len(images)} images of {len(there)} seeds")
        return there

    def start(self, kept: int) -> None:
        """See `ReleaseFormat`."""
        shape = (self.count, self.resolution, self.resolution, *self._channel_axis)
        images = _Rows(self._grown(_IMAGES, shape, np.float32, kept))
        self._rows = (images, _Rows(self._grown(_SEEDS, shape[:1], np.int64, kept)))

    def write(
        self,
        number: int,
        seed: int,
        image: NDArray[np.float32],
        channels: Sequence[Channel],
        sidecars: Sequence[str],
    ) -> None:
        """See `ReleaseFormat`; what is said of an image stands in images.json and labels.tsv."""
        images, seeds = self._rows
        values = [channel.values(image[..., index]) for index, channel in enumerate(channels)]
        images.write(number - 1, np.stack(values, axis=-1))
        seeds.write(number - 1, seed)

    def finish(self, seeds: list[int], labels: LabelTable, description: Mapping[str, Any]) -> None:
        """See `ReleaseFormat`."""
        write_json_aside(self.folder / "images.json", {**description, "Seeds": _SEEDS})
        if labels.values:
            labels.write(self.folder, "labels", {"seed": (SEED, seeds)})
        for rows in self._rows:
            rows.close()
        # Seeds first: those of a finished array are right for the one that is still aside, too.
        for name in (_SEEDS, _IMAGES):
            if self._aside(name).exists():
                move_into_place(self._aside(name), self.folder / name)

    @property
    def _channel_axis(self) -> tuple[int, ...]:
        return (len(self.channels),) if len(self.channels) > 1 else ()

    def _aside(self, name: str) -> pathlib.Path:
        return self.folder / f".{name}.partial"

    def _source(self, name: str) -> pathlib.Path:
        aside = self._aside(name)
        return aside if aside.exists() else self.folder / name

    def _grown(self, name: str, shape: tuple[int, ...], dtype: DTypeLike, kept: int) -> pathlib.Path:
        """An array aside that has its final shape and holds the first so many rows."""
        aside = self._aside(name)
        if aside.exists() and np.load(aside, mmap_mode="r").shape == shape:
            return aside
        description = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
        with file_aside(aside) as file:
            np.lib.format.write_array_header_1_0(file, {**description, "shape": shape})
            if kept:
                file.write(np.load(self._source(name), mmap_mode="r")[:kept])
            if name == _SEEDS:
                file.write(np.full(shape[0] - kept, _NO_SEED, dtype).tobytes())
            else:  # Rows of zeros, which take no room yet.
                file.truncate(
                    file.tell() + (shape[0] - kept) * math.prod(shape[1:]) * np.dtype(dtype).itemsize
                )
        return aside


def _read(path: pathlib.Path) -> NDArray:
    """Maps an array into memory; a ValueError names a file that holds none."""
    try:
        return np.load(path, mmap_mode="r")
    except (ValueError, EOFError) as error:
        raise ValueError(f"{path.name} is no array") from error


class _Rows:
    """Writes rows of an array file, not mapped into memory, where a full disk would end the process."""

    def __init__(self, path: pathlib.Path) -> None:
        array = np.load(path, mmap_mode="r")
        self._offset, self._dtype = array.offset, array.dtype
        self._row_bytes = array[0].nbytes
        self._file = path.open("r+b", buffering=0)
        self._lock = threading.Lock()

    def write(self, row: int, values: NDArray[np.floating] | int) -> None:
        """Writes one row, and waits until the disk has it; a full disk is an OSError."""
        content = np.asarray(values, self._dtype).tobytes()
        with self._lock:
            self._file.seek(self._offset + row * self._row_bytes)
            write_all(self._file, content)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file: Windows renames none that is open."""
        self._file.close()
