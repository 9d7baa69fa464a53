"""PNG files."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.errors import UserError
from mrisynth.image_io import to_gray, write_png
from mrisynth.release.formats.base import ReleaseFormat

BITS = (8, 16)

_COMPRESSION = 1


class PngFiles(ReleaseFormat):
    """The files images/synNNNNNN.png with JSON beside them."""

    name = "png"
    summary = "files"
    option_names = ("bits",)
    layout = "`images/synNNNNNN.png`"

    @classmethod
    def check(cls, options: Mapping[str, Any]) -> None:
        """See `ReleaseFormat`."""
        if options["bits"] not in (None, *BITS):
            raise UserError(f"--bits={options['bits']} is not one of {', '.join(map(str, BITS))}")

    @property
    def storage(self) -> str:
        """See `ReleaseFormat`."""
        largest = 2**self._bits - 1
        return f"PNG: gray values of {self._bits} bits; 0 and {largest} stand for the ends of IntensityRange"

    @property
    def settings(self) -> dict[str, Any]:
        """See `ReleaseFormat`."""
        return {"bits": self._bits}

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        seeds: list[int] = []
        while (path := self._path(len(seeds) + 1)).is_file():
            text = path.with_suffix(".json").read_text(encoding="utf-8")
            seeds.append(json.loads(text)["Seed"])
        return seeds

    def start(self, kept: int) -> None:
        """See `ReleaseFormat`."""
        (self.folder / "images").mkdir(exist_ok=True)

    def write(self, number: int, seed: int, image: NDArray[np.float32], sidecar: str) -> None:
        """See `ReleaseFormat`."""
        path = self._path(number)
        if path.exists():
            return
        write_bytes_aside(path.with_suffix(".json"), sidecar.encode())
        write_png(path, to_gray(image[..., 0], self._bits), _COMPRESSION, self.provenance.statement)

    @property
    def _bits(self) -> int:
        return self.options["bits"] or BITS[0]

    def _path(self, number: int) -> pathlib.Path:
        return self.folder / "images" / f"syn{number:06d}.png"
