"""Images as pictures within the page: sheets of many, data URIs."""

from __future__ import annotations

import base64
import dataclasses
import io
import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mrisynth.image_io import enlarge, side_by_side

_GAP_PIXELS = 2
_GAP_GRAY = 40


@dataclasses.dataclass(frozen=True)
class Picture:
    """What an img element needs.

    Attributes:
        uri: The whole picture as data URI.
        width: In pixels.
        height: In pixels.
        alt: What it shows, in words.
    """

    uri: str
    width: int
    height: int
    alt: str


def gray_picture(gray: NDArray[np.uint8], alt: str) -> Picture:
    """8-bit gray values [H, W] as PNG."""
    file = io.BytesIO()
    Image.fromarray(gray).save(file, format="PNG", optimize=True)
    return Picture(data_uri("image/png", file.getvalue()), gray.shape[1], gray.shape[0], alt)


def data_uri(media_type: str, contents: bytes) -> str:
    """Contents as data URI."""
    return f"data:{media_type};base64,{base64.b64encode(contents).decode()}"


def sheet(images: NDArray[np.uint8], columns: int, largest: int, width: int) -> NDArray[np.uint8]:
    """Lays images out in rows, parted by thin lines; an image's channels stand side by side.

    Large ones are reduced by a whole factor to keep the page small. Small ones are enlarged by whole factors,
    too: browsers shrink evenly, but enlarge so that some pixels come out larger than others.

    Args:
        images: [N, H, H, C].
        columns: Images in a row.
        largest: Width of a channel in pixels from which on it is reduced.
        width: Width of the sheet in pixels that small images are enlarged to, if a whole factor does it.

    Returns:
        [rows * (h + gap) - gap, columns * (C * h + gap) - gap].
    """
    cells = _reduce(side_by_side(images), math.ceil(images.shape[1] / largest))
    cells = enlarge(cells, width // (columns * cells.shape[-1]))
    count, height, width = cells.shape
    down, right = height + _GAP_PIXELS, width + _GAP_PIXELS
    rows = math.ceil(count / columns)
    paper = np.full((rows * down - _GAP_PIXELS, columns * right - _GAP_PIXELS), _GAP_GRAY, np.uint8)
    for index, cell in enumerate(cells):
        top, left = down * (index // columns), right * (index % columns)
        paper[top : top + height, left : left + width] = cell
    return paper


def difference(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """First minus second: middle gray where they agree, brighter where the first is brighter."""
    return np.clip(128 + (first.astype(np.int16) - second) // 2, 0, 255).astype(np.uint8)


def _reduce(images: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Means over squares of factor x factor pixels; what is left over at the edges is cut off."""
    if factor == 1:
        return images
    height, width = (size // factor for size in images.shape[1:])
    whole = images[:, : height * factor, : width * factor]
    squares = whole.reshape(-1, height, factor, width, factor)
    return np.rint(squares.mean(axis=(2, 4))).astype(np.uint8)
