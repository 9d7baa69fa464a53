"""The same latents in every row, one label moved: what a label does to images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.image_io import side_by_side
from mrisynth.sampling.conditions import Values
from mrisynth.sampling.config import SweepConfig
from mrisynth.sampling.generators import Sampler, open_export
from mrisynth.sampling.latents import seeded_latents
from mrisynth.sampling.pictures import write_picture
from mrisynth.sampling.provenance import Provenance

_FRAME_MILLISECONDS = 400


def write_sweep(config: SweepConfig) -> str:
    """Writes a grid with a row for each seed and a column for each value, or a film from value to value.

    The file says of itself what a release says of every image.

    Args:
        config: Which label, for which images, and where to.

    Returns:
        What the picture shows, and the verdict on the model's copying.

    Raises:
        UserError: If the generator has no such label or value, or the picture's place is no good.
    """
    sampler = open_export(config.saved_model)
    labels = sampler.labels_to_ask(f"--sweep={config.sweep.name}").asking(config.conditions, config.force)
    name, values = labels.sweep(config.sweep, config.force)
    provenance = Provenance.of(sampler, config.release_despite_copies, asked=True)
    table = labels.values(config.seed, config.count)
    rows = sweep_images(sampler, config.seed, table, name, values)
    film = np.concatenate(list(side_by_side(rows)), axis=-1)[..., np.newaxis]
    write_picture(config.output, "--output", rows, film, _FRAME_MILLISECONDS, provenance.statement)
    words = ", ".join(value if isinstance(value, str) else f"{value:g}" for value in values)
    return f"{config.output}: {name} at {words} for {config.count} seeds\n{provenance.on_copying}"


def sweep_images(
    sampler: Sampler, first_seed: int, table: Values, name: str, values: Sequence[str | float]
) -> NDArray[np.float32]:
    """Generates the images of consecutive seeds while one label takes some values in turn.

    Args:
        sampler: Where images are drawn from.
        first_seed: Seed of the first row.
        table: The labels of the seeds.
        name: The label that is moved.
        values: What it becomes.

    Returns:
        Float32 [seeds, values, r, r, channels] in [-1, 1].
    """
    count, steps = len(table[name]), len(values)
    latents = seeded_latents(first_seed, count, sampler.latent_size).numpy().repeat(steps, axis=0)
    moved = {label: [value for value in column for _ in range(steps)] for label, column in table.items()}
    moved[name] = list(values) * count
    images = sampler.images(latents, sampler.label_schema.encode(moved, len(latents)))
    return images.reshape(count, steps, *images.shape[1:])
