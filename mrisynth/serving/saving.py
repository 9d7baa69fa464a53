"""Images into files: an array, one picture of all, or a folder of pictures."""

from __future__ import annotations

import pathlib

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UserError
from mrisynth.image_io import make_grid, to_gray, write_png


def save_images(
    images: NDArray[np.float32] | NDArray[np.uint8], first_seed: int, output: pathlib.Path
) -> None:
    """Saves images as the output's name asks for: NAME.npy, NAME.png (a grid), else a folder of PNG files.

    Args:
        images: [N, H, W, 1]; float32 in [-1, 1], or uint8.
        first_seed: Of the first image; a folder's files are called by their seeds.
        output: A file or a folder.

    Raises:
        UserError: If it cannot be written.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.suffix == ".npy":
            aside = output.with_name(f".{output.name}.partial.npy")
            np.save(aside, images)
            aside.replace(output)
        elif output.suffix == ".png":
            write_png(output, make_grid(images))
        else:
            output.mkdir(exist_ok=True)
            for number, image in enumerate(to_gray(images)[..., 0]):
                write_png(output / f"seed_{first_seed + number:06d}.png", image)
    except OSError as error:
        raise UserError(f"--output={output} cannot be written ({error.strerror or error})") from error
