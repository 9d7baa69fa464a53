"""The way from image to image through the generator's latents, as a film or a strip."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from mrisynth.sampling.conditions import SeededLabels, between_rows
from mrisynth.sampling.config import InterpolationConfig
from mrisynth.sampling.generators import Sampler, open_export
from mrisynth.sampling.latents import seeded_latents
from mrisynth.sampling.pictures import write_picture
from mrisynth.sampling.provenance import Provenance

_FRAME_MILLISECONDS = 80


def write_interpolation(config: InterpolationConfig) -> str:
    """Writes a film of all images on the way, or a strip with a row from each seed to the next.

    The file says of itself what a release says of every image.

    Args:
        config: Which way, and where to.

    Returns:
        How many images it shows, and the verdict on the model's copying.

    Raises:
        UserError: If the generator or the picture's place is no good.
    """
    sampler = open_export(config.saved_model).asking(config.conditions, config.force)
    provenance = Provenance.of(sampler, config.release_despite_copies, asked=bool(config.conditions))
    legs = legs_between_seeds(sampler, config.seed, config.count, config.steps)
    # Where one leg ends, the next one begins.
    film = np.concatenate([legs[0], *legs[1:, 1:]])
    write_picture(config.picture, "--interpolate", legs, film, _FRAME_MILLISECONDS, provenance.statement)
    shown = len(film) if config.picture.suffix.lower() == ".gif" else len(legs) * config.steps
    return f"{config.picture}: {shown} images\n{provenance.on_copying}"


def legs_between_seeds(sampler: Sampler, first_seed: int, count: int, steps: int) -> NDArray[np.float32]:
    """Generates the images from each seed to the next.

    Args:
        sampler: Where images are drawn from.
        first_seed: Seed of the first image on the way.
        count: Number of consecutive seeds that the way passes through, at least 2.
        steps: Number of images from one of them to the next, both included; at least 2.

    Returns:
        Float32 [count - 1, steps, r, r, channels] in [-1, 1].

    Raises:
        UserError: If no images can be drawn.
    """
    stops = seeded_latents(first_seed, count, sampler.latent_size).numpy()
    legs = [great_circle(*ends, steps) for ends in itertools.pairwise(stops)]
    labels = _labels_on_the_way(sampler.labels, first_seed, count, steps) if sampler.labels else None
    images = sampler.images(np.concatenate(legs), labels)
    return images.reshape(count - 1, steps, *images.shape[1:])


def _labels_on_the_way(labels: SeededLabels, first_seed: int, count: int, steps: int) -> NDArray[np.float32]:
    """The labels of the images on all legs, encoded: those of the seeds at their ends."""
    values = labels.values(first_seed, count)
    stops = [{name: column[index] for name, column in values.items()} for index in range(count)]
    rows = [
        between_rows(*ends, part) for ends in itertools.pairwise(stops) for part in np.linspace(0, 1, steps)
    ]
    table = {name: [row[name] for row in rows] for name in values}
    return labels.schema.encode(table, len(rows))


def great_circle(first: NDArray[np.float32], last: NDArray[np.float32], steps: int) -> NDArray[np.float32]:
    """Latents on the great circle from one to another (Shoemake 1985).

    On the straight line they would be shorter than any that is drawn; their length does not matter to this
    generator, but on the circle they turn at an even pace, too.

    Args:
        first: Where the way begins, [D].
        last: Where the way ends, [D].
        steps: Number of latents, both ends included; at least 2.

    Returns:
        Float32 [steps, D]; lengths go from the first's to the last's.
    """
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    angle = np.arccos(np.clip(first @ last / (lengths[0] * lengths[1]), -1, 1))
    parts = np.linspace(0, 1, steps)[:, np.newaxis]
    if np.sin(angle) < np.finfo(np.float32).eps:
        return (first + parts * (last - first)).astype(np.float32)
    directions = (
        np.sin((1 - parts) * angle) * first / lengths[0] + np.sin(parts * angle) * last / lengths[1]
    ) / np.sin(angle)
    return ((lengths[0] + parts * (lengths[1] - lengths[0])) * directions).astype(np.float32)
