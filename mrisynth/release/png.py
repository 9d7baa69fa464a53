"""PNG files."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.image_io import to_gray, write_png
from mrisynth.release.dataset_metadata import sidecars

_COMPRESSION = 1


class PngFiles:
    """images/synNNNNNN.png, its JSON beside it.

    Args:
        folder: Of the release.
        bits: 8 or 16.
        description: What the JSON says, but for the seed.
    """

    def __init__(self, folder: pathlib.Path, bits: int, description: dict[str, Any]) -> None:
        self._folder = folder / "images"
        self._bits = bits
        self._sidecar = sidecars(description)

    def written(self) -> list[int]:
        """See `Format`."""
        seeds: list[int] = []
        while (path := self._path(len(seeds) + 1)).is_file():
            text = path.with_suffix(".json").read_text(encoding="utf-8")
            seeds.append(json.loads(text)["Seed"])
        return seeds

    def start(self, kept: int) -> None:
        """See `Format`."""
        self._folder.mkdir(exist_ok=True)

    def write(self, number: int, seed: int, image: NDArray[np.float32]) -> None:
        """See `Format`."""
        path = self._path(number)
        if path.exists():
            return
        write_bytes_aside(path.with_suffix(".json"), self._sidecar(seed))
        write_png(path, to_gray(image, self._bits), _COMPRESSION)

    def finish(self, seeds: list[int]) -> None:
        """See `Format`."""

    def _path(self, number: int) -> pathlib.Path:
        return self._folder / f"syn{number:06d}.png"
