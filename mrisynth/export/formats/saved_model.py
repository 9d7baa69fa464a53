"""A generator as a SavedModel that needs TensorFlow and nothing of ours."""

from __future__ import annotations

import inspect
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mrisynth.atomic_io import folder_aside
from mrisynth.data.labels import LabelSchema
from mrisynth.errors import UserError
from mrisynth.export.label_inputs import encode_labels, unknown_labels
from mrisynth.export.model_card import write_card
from mrisynth.export.warmup import write_warmup
from mrisynth.export_folder import ExportFolder, next_version
from mrisynth.layers.base import tensorflow_variable
from mrisynth.locking import only_writer
from mrisynth.networks import Discriminator, Generator
from mrisynth.networks.flops import largest_activation
from mrisynth.sampling.conditions import input_names
from mrisynth.sampling.latents import seeded_latents
from mrisynth.training.warm_start import write_discriminator

_MOST_VALUES = 2**28
"""Of the largest activation of one request's images: 1 GiB."""


class _Served(tf.Module):
    """What goes into the SavedModel: the generator's variables and its signatures' functions."""

    def __init__(self, generator: Generator) -> None:
        super().__init__(name="mrisynth_generator")
        self.generator_variables = [tensorflow_variable(variable) for variable in generator.weights]
        schema = generator.label_schema
        most = most_images(generator)
        latents_spec = [tf.TensorSpec([None, generator.latent_size], tf.float32, name="latents")]
        drawn = [
            tf.TensorSpec([], tf.int64, name="seed"),
            tf.TensorSpec([], tf.int32, name="count"),
            tf.TensorSpec([], tf.float32, name="truncation"),
        ]

        def make(latents: tf.Tensor, values: Mapping[str, tf.Tensor], **others: tf.Tensor) -> tf.Tensor:
            labels = encode_labels(schema, values, tf.shape(latents)[0]) if schema.width else None
            return tf.clip_by_value(generator(latents, labels=labels, **others), -1.0, 1.0)

        def serve(latents: tf.Tensor, **values: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"images": make(latents, values)}

        def generate(
            seed: tf.Tensor, count: tf.Tensor, truncation: tf.Tensor, **values: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            words = f"count is 1 to {most}; ask for more images in several requests"
            with tf.control_dependencies([tf.debugging.Assert((count > 0) & (count <= most), [words])]):
                latents = seeded_latents(seed, tf.identity(count), generator.latent_size)
            return {"images": make(latents, values, truncation=truncation)}

        def png(**inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            # Channels lie side by side: PNG would take three of them for colors.
            images = tf.concat(tf.split(generate(**inputs)["images"], generator.channels, axis=-1), axis=2)
            gray = tf.cast(tf.round(127.5 * images + 127.5), tf.uint8)
            # TensorFlow Serving's REST writes what is called ..._bytes as base64.
            return {"png_bytes": tf.map_fn(tf.io.encode_png, gray, fn_output_signature=tf.string)}

        self.functions = {
            "serving_default": _signature(serve, latents_spec, schema),
            "generate": _signature(generate, drawn, schema),
            "png": _signature(png, drawn, schema),
        }


def _signature(
    function: Callable[..., dict[str, tf.Tensor]], specs: Sequence[tf.TensorSpec], schema: LabelSchema
) -> tf.types.experimental.PolymorphicFunction:
    """A function of tensors that have these names, and of one more for every label, unknown if not given."""
    names, defaults = input_names(schema), unknown_labels(schema)
    label_specs = [
        tf.TensorSpec([None], defaults[names[label.name]].dtype, names[label.name]) for label in schema.labels
    ]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    signature = inspect.Signature(
        [
            inspect.Parameter(spec.name, kind, default=defaults.get(spec.name, inspect.Parameter.empty))
            for spec in (*specs, *label_specs)
        ]
    )

    def named(*args: tf.Tensor, **kwargs: tf.Tensor) -> dict[str, tf.Tensor]:
        return function(**signature.bind(*args, **kwargs).arguments)

    # What TensorFlow takes names and defaults of a signature's inputs from.
    named.__signature__ = signature
    return tf.function(named, input_signature=[*specs, *label_specs])


def export_generator(
    generator: Generator,
    directory: str | os.PathLike[str],
    card: Mapping[str, Any] | None = None,
    discriminator: Discriminator | None = None,
) -> pathlib.Path:
    """Writes a generator as the next version of a model, as TensorFlow Serving expects it.

    Signatures, all of float32 images [N, H, W, channels] in [-1, 1] but the last:

    - serving_default: latents [N, latent_size] float32 -> images;
    - generate: seed (int64), count (int32), truncation (float32) -> images of the seeds seed, seed + 1, ...;
      truncation 1 leaves them as they are, less makes them more alike; a count below 1 or above `most_images`
      fails;
    - png: the same -> png_bytes, 8-bit PNG files with the channels side by side, string [N].

    A generator with a label schema has one more input for every label in each of them, by the names that
    `mrisynth.sampling.conditions.input_names` gives: float32 [N] for a continuous one, NaN where unknown,
    string [N] for a categorical one, "" where unknown, or [1] for all images; unknown is the default that
    signatures carry. Another text than a category fails.

    The SavedModel computes in float32 whatever precision the generator was trained in. Beside it lie requests
    that warm the server up, and the model card. All of this is written aside and renamed, so that a server
    that watches the folder never sees half a model.

    Args:
        generator: Usually the one whose weights are the moving average.
        directory: The model's folder, NAME.
        card: See `mrisynth.export.model_card`; None, where nothing but the generator is known, leaves it out.
        discriminator: What is stored beside, for runs that start from the model; None for nothing.

    Returns:
        NAME/VERSION.

    Raises:
        UserError: If another process is exporting to the same folder, or it is a file.
        OSError: If the folder cannot be written.
    """
    folder = pathlib.Path(directory)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--output={folder} is not a folder; name one for the model's versions")
    settings = {**generator.get_config(), "dtype": "float32"}
    full_precision = Generator.from_config(settings)
    full_precision.set_weights(generator.get_weights())
    served = _Served(full_precision)
    with only_writer(folder, "--output"):
        target = next_version(folder).path
        with folder_aside(target) as aside:
            tf.saved_model.save(
                served,
                str(aside),
                signatures=served.functions,
                # Where the code lay on this machine is nobody's business.
                options=tf.saved_model.SaveOptions(save_debug_info=False),
            )
            write_warmup(ExportFolder(aside), folder.resolve().name, _warmup_requests(generator))
            if discriminator is not None:
                write_discriminator(discriminator, ExportFolder(aside))
            if card is not None:
                write_card(card, ExportFolder(aside))
    return target


def most_images(generator: Generator) -> int:
    """How many images one request may ask for, lest it takes the server's memory."""
    network = generator.network_config()
    return max(1, _MOST_VALUES // largest_activation(network, network.resolution))


def _warmup_requests(generator: Generator) -> dict[str, dict[str, tf.Tensor]]:
    """One request for one image to every signature."""
    labels = unknown_labels(generator.label_schema)
    drawn = {
        "seed": tf.constant(0, tf.int64),
        "count": tf.constant(1, tf.int32),
        "truncation": tf.constant(1, tf.float32),
        **labels,
    }
    latents = {"latents": seeded_latents(0, 1, generator.latent_size), **labels}
    return {"serving_default": latents, "generate": drawn, "png": drawn}
