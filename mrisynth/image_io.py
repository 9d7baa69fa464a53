"""Images as pictures: gray values and grids."""

from __future__ import annotations

import io
import math
import os
import pathlib

import numpy as np
from PIL import Image

from mrisynth.atomic_io import write_bytes_aside

_GRID_PIXELS = 1024


def to_gray(images: np.ndarray, bits: int = 8) -> np.ndarray:
    """Images in [-1, 1] as gray values: round(127.5 x + 127.5) in 8 bits, saturated.

    Args:
        images: Any shape; uint8 are gray values already, of 8 bits.
        bits: 8 or 16.

    Returns:
        uint8 or uint16, the same shape.
    """
    if np.asarray(images).dtype == np.uint8:
        return images
    half = (2**bits - 1) / 2
    values = np.rint(half * np.asarray(images, np.float32) + half)
    return np.clip(values, 0, 2 * half).astype(np.uint8 if bits == 8 else np.uint16)


def make_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lays images out in rows, small ones enlarged by whole factors so that one sees them.

    Args:
        images: [N, H, W, 1] in [-1, 1], or uint8.
        columns: Images in a row; as square as possible if None.

    Returns:
        uint8 [rows * H * factor, columns * W * factor], black where the last row is not full.
    """
    gray = to_gray(images)[..., 0]
    count, height, width = gray.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width), np.uint8)
    cells[:count] = gray
    grid = cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    factor = max(1, _GRID_PIXELS // (columns * width))
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)


def write_png(path: str | os.PathLike[str], gray: np.ndarray, compression: int = 9) -> None:
    """Writes gray values as PNG, first aside, then renamed.

    Args:
        path: Of the file.
        gray: uint8 or uint16 [H, W].
        compression: 0 to 9; little is faster.
    """
    file = io.BytesIO()
    Image.fromarray(gray).save(file, format="PNG", compress_level=compression)
    write_bytes_aside(pathlib.Path(path), file.getvalue())
