"""PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UserError
from mrisynth.image_io import encode_png, to_gray
from mrisynth.release.channels import Channel
from mrisynth.release.formats.base import ImageFiles

BITS = (8, 16)

_COMPRESSION = 1


class PngFiles(ImageFiles):
    """PNG files with JSON beside them."""

    name = "png"
    summary = "files"
    ending = ".png"
    option_names = ("bits",)

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

    def encode(
        self, seed: int, image: NDArray[np.float32], channel: Channel, sidecars: Sequence[str]
    ) -> bytes:
        """See `ImageFiles`."""
        shown = image if channel.mask is None else np.where(image > 0, 1, -1)
        return encode_png(to_gray(shown, self._bits), _COMPRESSION, self.provenance.statement)

    @property
    def _bits(self) -> int:
        return self.options["bits"] or BITS[0]
