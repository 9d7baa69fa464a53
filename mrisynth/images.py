"""Images as pictures: grey values and grids."""

from __future__ import annotations

import math
import os
import pathlib

import numpy as np
from PIL import Image

_GRID_PIXELS = 1024


def to_grey(images: np.ndarray) -> np.ndarray:
    """Images in [-1, 1] as 8-bit grey values: round(127.5 x + 127.5), saturated.

    Args:
        images: Any shape; uint8 are grey values already.

    Returns:
        uint8, the same shape.
    """
    if np.asarray(images).dtype == np.uint8:
        return images
    return np.clip(np.rint(127.5 * np.asarray(images, np.float32) + 127.5), 0, 255).astype(np.uint8)


def make_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """Lays images out in rows, small ones enlarged by whole factors so that one sees them.

    Args:
        images: [N, H, W, 1] in [-1, 1], or uint8.
        columns: Images in a row; as square as possible if None.

    Returns:
        uint8 [rows * H * factor, columns * W * factor], black where the last row is not full.
    """
    grey = to_grey(images)[..., 0]
    count, height, width = grey.shape
    columns = columns or math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width), np.uint8)
    cells[:count] = grey
    grid = cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    factor = max(1, _GRID_PIXELS // (columns * width))
    return grid.repeat(factor, axis=0).repeat(factor, axis=1)


def write_png(path: str | os.PathLike[str], grey: np.ndarray) -> None:
    """Writes 8-bit grey values [H, W] as PNG, first aside, then renamed."""
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.partial")
    Image.fromarray(grey).save(aside, format="PNG", optimize=True)
    aside.replace(path)
