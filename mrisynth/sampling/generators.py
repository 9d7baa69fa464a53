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
from mrisynth.image_io import to_gray
from mrisynth.networks import Generator
from mrisynth.networks.config import DEFAULT_ATTENTION, NetworkConfig, resolution_of
from mrisynth.networks.flops import largest_activation
from mrisynth.sampling.exports import UNREADABLE, version_folder
from mrisynth.sampling.latents import draw_latents, interpolate
from mrisynth.training.ema import AveragedGenerator, load_average

_ACTIVATION_VALUES = 2**26
"""So many images are drawn at once that the largest activation has no more values than this: 256 MiB."""


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A generator as something that images are drawn from.

    Attributes:
        resolution: Pixels along an edge.
        latent_size: Length of a latent.
        facts: What is known about it, for the report; no paths.
        call: Latents [N, latent_size] to images [N, r, r, 1] in [-1, 1].
        at_once: Images that are drawn at a time, which bounds the memory.
    """

    resolution: int
    latent_size: int
    facts: Mapping[str, str | int | float]
    call: Callable[[tf.Tensor], tf.Tensor]
    at_once: int = 16

    def images(self, latents: NDArray[np.float32], progress: bool = False) -> NDArray[np.uint8]:
        """Generates images.

        Args:
            latents: [N, latent_size].
            progress: Whether to show a progress bar.

        Returns:
            uint8 [N, r, r].

        Raises:
            UserError: If a pixel is not finite, or the device's memory is too small.
        """
        generated = np.empty((len(latents), self.resolution, self.resolution), np.uint8)
        with tqdm(total=len(latents), desc="generating", disable=not progress, leave=False) as bar:
            for start in range(0, len(latents), self.at_once):
                values = self._values(latents[start : start + self.at_once])
                if not np.isfinite(values).all():
                    raise UserError(
                        "the generator gives images with pixels that are not finite; take an earlier "
                        "checkpoint or train it again"
                    )
                generated[start : start + self.at_once] = to_gray(values)
                bar.update(len(values))
        return generated

    def _values(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """A few images, [N, r, r] in [-1, 1]."""
        try:
            return np.asarray(self.call(tf.constant(latents)))[..., 0]
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(
                f"{len(latents)} images of {self.resolution}x{self.resolution} at once do not fit the "
                "device's memory; end what else uses it, or evaluate with mrisynth-evaluate on the CPU "
                "(CUDA_VISIBLE_DEVICES=-1)"
            ) from error

    def draw(self, count: int, seed: int = 0, progress: bool = False) -> NDArray[np.uint8]:
        """Random images, uint8 [count, r, r]; raises as `images`."""
        return self.images(draw_latents(count, self.latent_size, seed), progress)

    def interpolations(self, rows: int, steps: int, seed: int = 0) -> NDArray[np.uint8]:
        """Images on the way between random latents, uint8 [rows, steps, r, r]; raises as `images`."""
        ends = draw_latents(2 * rows, self.latent_size, seed).reshape(rows, 2, -1)
        ways = np.concatenate([interpolate(*pair, steps) for pair in ends])
        return self.images(ways).reshape(rows, steps, self.resolution, self.resolution)


def sampler_of(
    generator: Generator,
    level: int,
    alpha: float = 1.0,
    facts: Mapping[str, str | int | float] | None = None,
    at_most: int | None = None,
) -> Sampler:
    """A network as a sampler.

    Args:
        generator: The network.
        level: That it is called at.
        alpha: Weight of the level's own image while it fades in.
        facts: What is known about it.
        at_most: Images at a time, where memory is scarcer than usual.
    """

    @tf.function(input_signature=[tf.TensorSpec([None, generator.latent_size], tf.float32)])
    def call(latents: tf.Tensor) -> tf.Tensor:
        return generator(latents, level=level, alpha=alpha)

    resolution = resolution_of(level)
    at_once = _images_at_once(generator.network_config(), resolution)
    at_once = min(at_once, at_most or at_once)
    return Sampler(resolution, generator.latent_size, facts or {}, call, at_once)


def _images_at_once(network: NetworkConfig, resolution: int) -> int:
    return max(1, _ACTIVATION_VALUES // largest_activation(network, resolution))


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a run was trained on.

    Attributes:
        folder: Where it was, or, of a run's own phantoms, is.
        fingerprint: Of its manifest; None if the run does not say.
    """

    folder: pathlib.Path
    fingerprint: str | None


def open_run(run_dir: pathlib.Path) -> tuple[Sampler, TrainingData]:
    """The averaged generator of a run, at the resolution that the run has reached, and its data set.

    Raises:
        UserError: If there is no run, or no checkpoint that can be read.
    """
    average = load_average(run_dir)
    sampler = sampler_of(average.generator, average.level, average.alpha, _facts(average))
    return sampler, TrainingData(average.config.training.data_dir, average.config.fingerprint)


def _facts(average: AveragedGenerator) -> dict[str, str | int | float]:
    """What a report says about a run: where it stands, then its settings."""
    config, resolution = average.config, resolution_of(average.level)
    identity = config.identity()
    settings: dict[str, object] = {}
    for name in ("run", "network", "optimization"):
        settings |= identity[name]
    facts = {name: _in_words(value) for name, value in settings.items()}
    full, done, last = average.generator.resolution, average.iteration, config.training.schedule.iterations
    return {
        "finished": "yes" if done == last else f"no, at iteration {done:,} of {last:,}",
        "iterations": done,
        "images_shown": average.images,
        "training_precision": str(config.environment.get("dtype_policy", "unknown")),
        **facts,
        "resolution": resolution if resolution == full else f"{resolution} of {full}",
        **({"alpha": average.alpha} if average.alpha < 1 else {}),
    }


def _in_words(value: object) -> str | int | float:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, int | float) else str(value)


def open_saved_model(path: pathlib.Path) -> Sampler:
    """A generator that mrisynth has exported.

    Args:
        path: NAME or NAME/VERSION; of NAME the newest version.

    Returns:
        The generator. Of its network nothing is known: as few images are drawn at a time as from that of
        model (d) at its default size.

    Raises:
        UserError: If it is no SavedModel, or not one of ours.
    """
    folder = version_folder(path)
    try:
        loaded = tf.saved_model.load(str(folder))
        serve = loaded.signatures["serving_default"]
        inputs, output = serve.structured_input_signature[1], serve.structured_outputs["images"]
        latent_size, resolution = _sizes(path, inputs["latents"].shape, output.shape)
        others = inputs.keys() - {"latents"}
    except UNREADABLE as error:
        raise _not_ours(path) from error
    if others or not output.dtype.is_floating or inputs["latents"].dtype != tf.float32:
        raise _not_ours(path)

    def call(latents: tf.Tensor) -> tf.Tensor:
        try:
            images = serve(latents=latents)["images"]
        except tf.errors.ResourceExhaustedError:
            raise
        except (tf.errors.OpError, ValueError, TypeError) as error:
            words = " ".join(str(error).split())[:200]
            raise UserError(f"--saved_model={path} cannot be called ({words}); export it again") from error
        if images.shape != (len(latents), resolution, resolution, 1):
            raise _no_square(path, images.shape)
        return images

    # The signature's function does not keep its variables alive.
    call.model = loaded
    facts = {
        "latent_size": latent_size,
        "resolution": resolution,
        "training_data": "said by --data_dir, not checked",
    }
    assumed = NetworkConfig(attention_generator=DEFAULT_ATTENTION)
    return Sampler(resolution, latent_size, facts, call, _images_at_once(assumed, resolution))


def _sizes(path: pathlib.Path, latents: tf.TensorShape, images: tf.TensorShape) -> tuple[int, int]:
    """Length of a latent and pixels along an edge, from what a signature says.

    Raises:
        UserError: If it does not say them, or the images are not square gray ones.
    """
    if latents.rank != 2 or latents[1] is None:
        raise UserError(
            f"--saved_model={path} takes latents of shape {latents}, not [None, latent_size]; use a "
            "generator that mrisynth exported"
        )
    if images.rank != 4 or not images[1] or images[2:] != (images[1], 1):
        raise _no_square(path, images)
    return latents[1], images[1]


def _not_ours(path: pathlib.Path) -> UserError:
    return UserError(
        f"--saved_model={path} is not a generator that mrisynth exported: it has no signature "
        "serving_default from latents to images"
    )


def _no_square(path: pathlib.Path, shape: tf.TensorShape) -> UserError:
    words = shape if shape.rank is None else shape.as_list()
    return UserError(
        f"--saved_model={path} gives images of shape {words}, not square gray ones; use a generator that "
        "mrisynth exported"
    )
