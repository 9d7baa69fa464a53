"""A generator as a SavedModel that needs TensorFlow and nothing of ours."""

from __future__ import annotations

import os
import pathlib
import shutil

import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Generator


class _Served(tf.Module):
    """What goes into the SavedModel: the generator's variables and its signatures' functions."""

    def __init__(self, generator: Generator) -> None:
        super().__init__(name="mrisynth_generator")
        self.generator_variables = [tensorflow_variable(variable) for variable in generator.weights]
        signature = tf.TensorSpec([None, generator.latent_size], tf.float32, name="latents")

        @tf.function(input_signature=[signature])
        def serve(latents: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"images": tf.clip_by_value(generator(latents), -1.0, 1.0)}

        self.serve = serve


def next_version(directory: str | os.PathLike[str]) -> int:
    """The next free version number in a model's folder, from 1."""
    folder = pathlib.Path(directory)
    numbers = [int(path.name) for path in folder.glob("*") if path.name.isdigit()] if folder.is_dir() else []
    return max(numbers, default=0) + 1


def export_generator(generator: Generator, directory: str | os.PathLike[str]) -> pathlib.Path:
    """Writes a generator as the next version of a model, as TensorFlow Serving expects it.

    The signature serving_default takes latents [N, latent_size] float32 and gives images [N, H, W, channels]
    float32 in [-1, 1]. It computes in float32 whatever precision the generator was trained in. The version
    is written aside and renamed, so that a server that watches the folder never sees half a model.

    Args:
        generator: Usually the one whose weights are the moving average.
        directory: The model's folder, NAME.

    Returns:
        NAME/VERSION.
    """
    settings = {**generator.get_config(), "dtype": "float32"}
    full_precision = Generator.from_config(settings)
    full_precision.set_weights(generator.get_weights())
    served = _Served(full_precision)
    folder = pathlib.Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / str(next_version(folder))
    aside = folder / f".{target.name}.partial"
    shutil.rmtree(aside, ignore_errors=True)
    tf.saved_model.save(served, str(aside), signatures={"serving_default": served.serve})
    aside.rename(target)
    return target
