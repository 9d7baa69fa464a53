"""PNG files."""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.errors import UserError
from mrisynth.image_io import to_gray, write_png
from mrisynth.release.channels import Channel
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.label_table import SEED, LabelTable

BITS = (8, 16)

_COMPRESSION = 1


class PngFiles(ReleaseFormat):
    """The files images/synNNNNNN.png with JSON beside them; of several channels images/CHANNEL/..."""

    name = "png"
    summary = "files"
    option_names = ("bits",)

    @property
    def layout(self) -> str:
        """See `ReleaseFormat`."""
        return ", ".join(f"`{path.relative_to(self.folder).as_posix()}`" for path in self._paths("NNNNNN"))

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

    @property
    def mask_storage(self) -> str:
        """See `ReleaseFormat`."""
        return f"PNG: gray values of {self._bits} bits; {2**self._bits - 1} inside, 0 outside"

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        seeds: list[int] = []
        while (path := self._paths(f"{len(seeds) + 1:06d}")[0]).is_file():
            text = path.with_suffix(".json").read_text(encoding="utf-8")
            seeds.append(json.loads(text)["Seed"])
        return seeds

    def start(self, kept: int) -> None:
        """See `ReleaseFormat`."""
        for path in self._paths(""):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(
        self,
        number: int,
        seed: int,
        image: NDArray[np.float32],
        channels: Sequence[Channel],
        sidecars: Sequence[str],
    ) -> None:
        """See `ReleaseFormat`."""
        paths = self._paths(f"{number:06d}")
        if paths[0].exists():
            return
        # The first channel last: where it is, the image is there as a whole.
        for index in reversed(range(len(paths))):
            if not channels[index].there:
                continue
            shown = image[..., index]
            if channels[index].mask is not None:
                shown = np.where(shown > 0, 1, -1)
            gray = to_gray(shown, self._bits)
            write_bytes_aside(paths[index].with_suffix(".json"), sidecars[index].encode())
            write_png(paths[index], gray, _COMPRESSION, self.provenance.statement)

    def finish(self, seeds: list[int], labels: LabelTable, description: Mapping[str, Any]) -> None:
        """Writes labels.tsv and what its columns are, if the model knows labels."""
        if labels.values:
            names = [f"syn{number:06d}" for number in range(1, len(seeds) + 1)]
            columns = {"image": ("Name of the image's files.", names), "seed": (SEED, seeds)}
            labels.write(self.folder, "labels", columns)

    @property
    def _bits(self) -> int:
        return self.options["bits"] or BITS[0]

    def _paths(self, number: str) -> list[pathlib.Path]:
        """The file of each channel."""
        folder, name = self.folder / "images", f"syn{number}.png"
        if len(self.channels) == 1:
            return [folder / name]
        return [folder / re.sub(r"[^A-Za-z0-9.-]+", "_", channel) / name for channel in self.channels]
