"""The way from image to image through the generator's latents, as a film or a strip."""

from __future__ import annotations

import io
import itertools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.errors import UserError
from mrisynth.export.saved_model import seeded_latents
from mrisynth.image_io import make_grid, to_gray, write_png
from mrisynth.release.config import InterpolationConfig
from mrisynth.sampling.exports import ServedGenerator, open_generator
from mrisynth.sampling.latents import interpolate

_FILM_PIXELS = 256
_FRAME_MILLISECONDS = 80


def write_interpolation(config: InterpolationConfig) -> int:
    """Writes a film of all images on the way, or a strip with a row from each seed to the next.

    Args:
        config: Which way, and where to.

    Returns:
        How many images it shows.

    Raises:
        UserError: If the generator or the picture's place is no good.
    """
    legs = legs_between_seeds(open_generator(config.saved_model), config)
    try:
        if config.picture.suffix.lower() == ".png":
            shown = legs.reshape(-1, *legs.shape[2:])
            write_png(config.picture, make_grid(shown[..., np.newaxis], columns=config.steps))
        else:
            # Where one leg ends, the next one begins.
            shown = np.concatenate([legs[0], *legs[1:, 1:]])
            write_bytes_aside(config.picture, _film(to_gray(shown)))
    except OSError as error:
        raise UserError(
            f"--interpolate={config.picture} cannot be written ({error.strerror}); its folder must be there"
        ) from error
    return len(shown)


def legs_between_seeds(generator: ServedGenerator, config: InterpolationConfig) -> NDArray[np.float32]:
    """The images from each seed to the next, both included, [count - 1, steps, r, r] in [-1, 1]."""
    seed = tf.constant(config.seed, tf.int64)
    stops = seeded_latents(seed, tf.constant(config.count), generator.latent_size).numpy()
    pairs = itertools.pairwise(stops)
    return np.stack([generator.images(interpolate(*ends, config.steps)) for ends in pairs])


def _film(gray: NDArray[np.uint8]) -> bytes:
    """A GIF file of gray images [N, H, W], enlarged by whole factors so that one sees them."""
    factor = max(1, _FILM_PIXELS // gray.shape[1])
    first, *others = (Image.fromarray(image.repeat(factor, 0).repeat(factor, 1)) for image in gray)
    file = io.BytesIO()
    first.save(file, format="GIF", save_all=True, append_images=others, duration=_FRAME_MILLISECONDS, loop=0)
    return file.getvalue()
