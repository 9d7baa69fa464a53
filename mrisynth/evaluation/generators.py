"""Images from whatever holds a generator: a run, finished or not, or a SavedModel."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from tqdm import tqdm

from mrisynth.errors import UserError
from mrisynth.images import to_grey
from mrisynth.networks import Generator
from mrisynth.networks.config import resolution_of
from mrisynth.serving.latents import draw_latents, interpolate
from mrisynth.serving.loading import UNREADABLE, version_folder
from mrisynth.training.averaged import load_average

_CHUNK_PIXELS = 2**20


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A generator as something that images are drawn from.

    Attributes:
        resolution: Pixels along an edge.
        latent_size: Length of a latent.
        facts: What is known about it, for the report; no paths.
        call: Latents [N, latent_size] to images [N, r, r, 1] in [-1, 1].
    """

    resolution: int
    latent_size: int
    facts: Mapping[str, str | int | float]
    call: Callable[[tf.Tensor], tf.Tensor]

    def images(self, latents: NDArray[np.float32], progress: bool = False) -> NDArray[np.uint8]:
        """Generates images.

        Args:
            latents: [N, latent_size].
            progress: Whether to show a progress bar.

        Returns:
            uint8 [N, r, r].

        Raises:
            UserError: If a pixel is not finite.
        """
        generated = np.empty((len(latents), self.resolution, self.resolution), np.uint8)
        step = max(1, _CHUNK_PIXELS // self.resolution**2)
        with tqdm(total=len(latents), desc="generating", disable=not progress, leave=False) as bar:
            for start in range(0, len(latents), step):
                values = np.asarray(self.call(tf.constant(latents[start : start + step])))[..., 0]
                if not np.isfinite(values).all():
                    raise UserError(
                        "the generator gives images with pixels that are not finite; take an earlier "
                        "checkpoint or train it again"
                    )
                generated[start : start + step] = to_grey(values)
                bar.update(len(values))
        return generated

    def draw(self, count: int, seed: int = 0, progress: bool = False) -> NDArray[np.uint8]:
        """Random images, uint8 [count, r, r]; raises as `images`."""
        return self.images(draw_latents(count, self.latent_size, seed), progress)

    def interpolations(self, rows: int, steps: int, seed: int = 0) -> NDArray[np.uint8]:
        """Images on the way between random latents, uint8 [rows, steps, r, r]; raises as `images`."""
        ends = draw_latents(2 * rows, self.latent_size, seed).reshape(rows, 2, -1)
        ways = np.concatenate([interpolate(*pair, steps) for pair in ends])
        return self.images(ways).reshape(rows, steps, self.resolution, self.resolution)


def sampler_of(
    generator: Generator, level: int, alpha: float = 1.0, facts: Mapping[str, str | int | float] | None = None
) -> Sampler:
    """A network as a sampler, at a level and, while that fades in, an alpha."""

    @tf.function(input_signature=[tf.TensorSpec([None, generator.latent_size], tf.float32)])
    def call(latents: tf.Tensor) -> tf.Tensor:
        return generator(latents, level=level, alpha=alpha)

    return Sampler(resolution_of(level), generator.latent_size, facts or {}, call)


def open_run(run_dir: pathlib.Path) -> tuple[Sampler, pathlib.Path]:
    """The averaged generator of a run, at the resolution that the run has reached, and its data set.

    Raises:
        UserError: If there is no run, or no checkpoint that can be read.
    """
    average = load_average(run_dir)
    config = average.config
    data_dir = pathlib.Path(config.get("runtime", {}).get("data_dir", run_dir / "phantoms" / "prepared"))
    sections = {name: config.get(name, {}) for name in ("run", "network", "optimization")}
    facts = {
        "iterations": average.iteration,
        "images shown": average.images,
        "precision": config.get("environment", {}).get("dtype_policy", "unknown"),
    }
    for section in sections.values():
        facts |= {name.replace("_", " "): _in_words(value) for name, value in section.items()}
    return sampler_of(average.generator, average.level, average.alpha, facts), data_dir


def _in_words(value: object) -> str | int | float:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, int | float) else str(value)


def open_saved_model(path: pathlib.Path) -> Sampler:
    """A generator that mrisynth has exported.

    Args:
        path: NAME or NAME/VERSION; of NAME the newest version.

    Returns:
        The generator.

    Raises:
        UserError: If it is no SavedModel, or not one of ours.
    """
    folder = version_folder(path)
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
        latent_size = serve.structured_input_signature[1]["latents"].shape[1]
        shape = serve.structured_outputs["images"].shape
    except UNREADABLE as error:
        raise UserError(
            f"--saved_model={path} is not a generator that mrisynth exported: it has no signature "
            "serving_default from latents to images"
        ) from error
    resolution = shape[1]
    if len(shape) != 4 or resolution is None or shape[2:] != (resolution, 1) or latent_size is None:
        raise UserError(
            f"--saved_model={path} gives images of shape {shape.as_list()}, not square grey ones; use a "
            "generator that mrisynth exported"
        )

    def call(latents: tf.Tensor) -> tf.Tensor:
        return serve(latents=latents)["images"]

    # The signature's function does not keep its variables alive.
    call.model = loaded
    return Sampler(resolution, latent_size, {"latent size": latent_size, "resolution": resolution}, call)
