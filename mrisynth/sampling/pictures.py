"""Images in one file that says where they come from: a film that moves, or a grid that shows all at once."""

from __future__ import annotations

import io
import pathlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.errors import naming_disk_errors
from mrisynth.image_io import enlarge, make_grid, side_by_side, to_gray, write_png

_FILM_PIXELS = 256


def write_picture(
    path: pathlib.Path,
    flag: str,
    rows: NDArray[np.float32],
    frames: NDArray[np.float32],
    milliseconds: int,
    statement: str,
) -> None:
    """Writes a grid as a .png file, or a film as any other, which is a .gif.

    Args:
        path: Path of the file.
        flag: The flag that names it.
        rows: What the grid shows, [rows, columns, H, W, channels] in [-1, 1].
        frames: What the film shows one after another, [N, H, W', channels].
        milliseconds: How long it shows each of them.
        statement: What the file says of itself.

    Raises:
        UserError: If it cannot be written.
    """
    with naming_disk_errors(path, flag):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() == ".png":
            grid = make_grid(rows.reshape(-1, *rows.shape[2:]), columns=rows.shape[1])
            write_png(path, grid, description=statement)
        else:
            write_bytes_aside(path, _film(frames, milliseconds, statement))


def _film(images: NDArray[np.float32], milliseconds: int, comment: str) -> bytes:
    """A GIF file, its images enlarged by whole factors so that one sees them."""
    frames = enlarge(side_by_side(to_gray(images)), _FILM_PIXELS // images.shape[1])
    first, *others = map(Image.fromarray, frames)
    file = io.BytesIO()
    first.save(
        file,
        format="GIF",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        comment=comment.encode(),
    )
    return file.getvalue()
