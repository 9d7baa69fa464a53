"""One array of all images, for NumPy to map into memory."""

from __future__ import annotations

import math
import pathlib
import threading
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.data.volumes import from_unit_range
from mrisynth.release.dataset_metadata import to_json
from mrisynth.release.image_geometry import ImageGeometry

_IMAGES, _SEEDS = "images.npy", "seeds.npy"
_NO_SEED = -1


class NpyArray:
    """images.npy, float32 [N, r, r] of intensities; seeds.npy, int64 [N]; images.json.

    The arrays grow aside, at their final size from the start; an image is there once its seed is. A release
    that is extended stays whole until the larger one is.

    Args:
        folder: Of the release.
        count: Images.
        conventions: What gray values stand for.
        resolution: Pixels along an edge.
        description: What the JSON says.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        count: int,
        conventions: ImageGeometry,
        resolution: int,
        description: dict[str, Any],
    ) -> None:
        self._folder = folder
        self._count = count
        self._range = conventions.intensity_range
        self._resolution = resolution
        self._description = description

    def written(self) -> list[int]:
        """See `Format`."""
        source = self._source(_SEEDS)
        if not source.is_file():
            return []
        seeds = np.load(source)
        there = np.append(seeds, _NO_SEED)
        return seeds[: np.argmax(there == _NO_SEED)].tolist()

    def start(self, kept: int) -> None:
        """See `Format`."""
        shape = (self._count, self._resolution, self._resolution)
        self._images = _Rows(self._grown(_IMAGES, shape, np.float32, kept))
        self._seeds = _Rows(self._grown(_SEEDS, shape[:1], np.int64, kept))

    def write(self, number: int, seed: int, image: NDArray[np.float32]) -> None:
        """See `Format`."""
        self._images.write(number - 1, from_unit_range(image, self._range))
        self._seeds.write(number - 1, seed)

    def finish(self, seeds: list[int]) -> None:
        """See `Format`."""
        write_bytes_aside(self._folder / "images.json", to_json({**self._description, "Seeds": _SEEDS}))
        # Seeds first: those of a finished array are right for the one that is still aside, too.
        for name in (_SEEDS, _IMAGES):
            if self._aside(name).exists():
                self._aside(name).replace(self._folder / name)

    def _aside(self, name: str) -> pathlib.Path:
        return self._folder / f".{name}.partial"

    def _source(self, name: str) -> pathlib.Path:
        aside = self._aside(name)
        return aside if aside.exists() else self._folder / name

    def _grown(self, name: str, shape: tuple[int, ...], dtype: DTypeLike, kept: int) -> pathlib.Path:
        """An array aside that has its final shape and holds the first so many rows."""
        aside = self._aside(name)
        if aside.exists() and np.load(aside, mmap_mode="r").shape == shape:
            return aside
        made = self._folder / f".{name}.new"
        description = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False}
        with made.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {**description, "shape": shape})
            if kept:
                file.write(np.load(self._source(name), mmap_mode="r")[:kept].tobytes())
            if name == _SEEDS:
                file.write(np.full(shape[0] - kept, _NO_SEED, dtype).tobytes())
            else:  # Rows of zeros, which take no room yet.
                file.truncate(
                    file.tell() + (shape[0] - kept) * math.prod(shape[1:]) * np.dtype(dtype).itemsize
                )
        made.replace(aside)
        return aside


class _Rows:
    """Writes rows of an array file, not mapped into memory, where a full disk would end the process."""

    def __init__(self, path: pathlib.Path) -> None:
        array = np.load(path, mmap_mode="r")
        self._offset, self._dtype = array.offset, array.dtype
        self._row_bytes = array[0].nbytes
        self._file = path.open("r+b", buffering=0)
        self._lock = threading.Lock()

    def write(self, row: int, values: NDArray[np.floating] | int) -> None:
        content = np.asarray(values, self._dtype).tobytes()
        with self._lock:
            self._file.seek(self._offset + row * self._row_bytes)
            self._file.write(content)
