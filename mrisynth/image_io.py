"""Images as gray values and as files: PNG, grids of many, arrays."""

from __future__ import annotations

import io
import math
import os
import pathlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mrisynth.atomic_io import file_aside, write_bytes_aside
from mrisynth.errors import naming_disk_errors

_GRID_PIXELS = 1024
_AVERAGED_AT_ONCE = 1024


def to_gray(images: NDArray, bits: int = 8) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Images in [-1, 1] as gray values: round(127.5 x + 127.5) in 8 bits, saturated.

    Args:
        images: Images of any shape; uint8 are gray values of 8 bits already.
        bits: 8, or up to 16.

    Returns:
        Uint8 or uint16, the same shape.
    """
    if np.asarray(images).dtype == np.uint8:
        return images
    half = (2**bits - 1) / 2
    values = np.rint(half * np.asarray(images, np.float32) + half)
    return np.clip(values, 0, 2 * half).astype(np.uint8 if bits == 8 else np.uint16)


def average_down(images: NDArray[np.uint8], largest: int) -> NDArray[np.uint8]:
    """Images [N, H, H, C] at `largest` pixels along an edge, by means of blocks, if they are larger."""
    count, size, _, channels = images.shape
    if size <= largest:
        return images
    small, factor = np.empty((count, largest, largest, channels), np.uint8), size // largest
    for first in range(0, count, _AVERAGED_AT_ONCE):
        part = images[first : first + _AVERAGED_AT_ONCE]
        blocks = part.reshape(len(part), largest, factor, largest, factor, channels)
        small[first : first + _AVERAGED_AT_ONCE] = np.rint(blocks.mean(axis=(2, 4), dtype=np.float32))
    return small


def side_by_side(images: NDArray) -> NDArray:
    """Lays the channels of images side by side: [..., H, W, channels] becomes [..., H, channels * W]."""
    return np.concatenate(np.moveaxis(images, -1, 0), axis=-1)


def enlarge(images: NDArray, factor: int) -> NDArray:
    """Repeats the pixels of images [..., H, W], so that one sees them; a factor less than 2 does nothing."""
    factor = max(1, factor)
    return images.repeat(factor, axis=-2).repeat(factor, axis=-1)


def square_columns(count: int, height: int, width: int) -> int:
    """Number of images in a row that makes rows of so many images of this size as good as a square."""
    return math.ceil(math.sqrt(count * height / width))


def make_grid(images: NDArray, columns: int | None = None) -> NDArray[np.uint8]:
    """Lays images out in rows, small ones enlarged by whole factors.

    Args:
        images: Uint8, or floats in [-1, 1], [N, H, W, channels].
        columns: Number of images in a row; if None as many as make a square.

    Returns:
        Uint8 [rows * H * factor, columns * channels * W * factor], black where the last row is not full.
    """
    gray = side_by_side(to_gray(images))
    count, height, width = gray.shape
    columns = columns or square_columns(count, height, width)
    rows = math.ceil(count / columns)
    cells = np.zeros((rows * columns, height, width), np.uint8)
    cells[:count] = gray
    grid = cells.reshape(rows, columns, height, width).swapaxes(1, 2).reshape(rows * height, columns * width)
    return enlarge(grid, _GRID_PIXELS // (columns * width))


def write_png(path: str | os.PathLike[str], gray: NDArray, description: str = "") -> None:
    """Writes what `encode_png` makes, whole or not at all."""
    write_bytes_aside(pathlib.Path(path), encode_png(gray, description=description))


def encode_png(gray: NDArray, compression: int = 9, description: str = "") -> bytes:
    """Makes a PNG file of gray values.

    Args:
        gray: Uint8 or uint16 [H, W].
        compression: 0 to 9; little is faster.
        description: What the file is to say of itself.

    Returns:
        The content of the file.
    """
    file, texts = io.BytesIO(), PngInfo()
    if description:
        texts.add_text("Description", description)
    Image.fromarray(gray).save(file, format="PNG", compress_level=compression, pnginfo=texts)
    return file.getvalue()


def save_images(
    images: NDArray[np.float32] | NDArray[np.uint8], first_seed: int, output: pathlib.Path
) -> None:
    """Saves images as the output's name asks for: NAME.npy, NAME.png (a grid), else a folder of PNG files.

    Args:
        images: Uint8, or float32 in [-1, 1], [N, H, W, channels].
        first_seed: Seed of the first image; a folder's files are called by their seeds.
        output: A file or a folder.

    Raises:
        UserError: If it cannot be written.
    """
    with naming_disk_errors(output, "--output"):
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".npy":
            with file_aside(output) as file:
                np.save(file, images)
        elif output.suffix == ".png":
            write_png(output, make_grid(images))
        else:
            output.mkdir(exist_ok=True)
            for seed, image in enumerate(side_by_side(to_gray(images)), first_seed):
                write_png(output / f"seed_{seed:06d}.png", image)
