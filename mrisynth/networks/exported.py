"""The generator of an export, as a network again: its weights are all in the SavedModel."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import checksums
from mrisynth.data.conditions.cells import LabelDistribution
from mrisynth.data.labels import UNCONDITIONAL
from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.networks.config import SMALLEST_RESOLUTION, level_of, resolution_of
from mrisynth.networks.generator import Generator
from mrisynth.tensorflow_paths import literal_folder

_KEY = "generator_variables/{}/.ATTRIBUTES/VARIABLE_VALUE"
"""Where TensorFlow keeps the variables that `mrisynth.export.formats.saved_model` writes."""

UNREADABLE = (OSError, ValueError, TypeError, RuntimeError, LookupError, AttributeError, tf.errors.OpError)
"""What a SavedModel that is not ours, or a damaged one, can raise when it is read."""


def read_generator(
    path: pathlib.Path, flag: str = "--saved_model"
) -> tuple[Generator, dict[str, Any], ExportFolder]:
    """Makes a network of an export.

    Args:
        path: Either NAME/VERSION or NAME, whose newest version is taken.
        flag: The flag that names it, for errors.

    Returns:
        The generator in float32, its model card, and the folder of the version.

    Raises:
        UserError: If it is no export of mrisynth, has no model card, the card is that of other weights, or it
            has labels and is of a time when labels entered networks at another pace.
    """
    folder = ExportFolder.newest(path)
    card = folder.read_card()
    optimization = card.get("training", {}).get("optimization")
    if card.get("labels") and optimization is not None and "diversity" not in optimization:
        raise UserError(
            f"{flag}={path} has labels and was exported by an earlier mrisynth, whose networks took them "
            "otherwise; it still draws and serves, but to go on with it, train it anew"
        )
    try:
        generator = _generator(card, _weights(folder))
    except UNREADABLE as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(
            f"{flag}={path} is no generator that mrisynth exported, or is damaged ({reason}); name "
            "another or export it again"
        ) from error
    expected = card["model"].get("weights_checksum")
    if expected and expected != checksums.of_arrays(generator.get_weights()):
        raise UserError(
            f"{flag}={path} has the model card of another model (its checksum is not that of the "
            "weights); export it again with mrisynth-export"
        )
    return generator, card, folder


def _weights(folder: ExportFolder) -> list[NDArray]:
    with literal_folder(folder.path) as literal:
        reader = tf.train.load_checkpoint(str(literal / "variables" / "variables"))
        keys = itertools.takewhile(reader.has_tensor, map(_KEY.format, itertools.count()))
        return [reader.get_tensor(key) for key in keys]


def _generator(card: Mapping[str, Any], weights: Sequence[NDArray]) -> Generator:
    model, labels = card["model"], card.get("labels")
    filters = _filters(model, weights)
    generator = Generator(
        resolution=model["resolution"],
        channels=len(model["channels"]),
        latent_size=model["latent_size"],
        # The least that gives as many channels at every resolution.
        fmap_base=max(count * resolution // 2 for resolution, count in filters.items()),
        fmap_max=max(filters.values()),
        attention_resolutions=model["attention_generator"],
        # Cards from before there was another way do not say so.
        bilinear_resampling=model.get("bilinear_resampling", False),
        noise_inputs=model.get("noise_inputs", False),
        label_schema=LabelDistribution.from_json(labels).schema if labels else UNCONDITIONAL,
        dtype="float32",
    )
    generator.set_weights(weights)
    return generator


def _filters(model: Mapping[str, Any], weights: Sequence[NDArray]) -> dict[int, int]:
    """Channels by resolution, as biases have them.

    After the four weights of a block come the five of its attention and, but for the first, the one of noise.
    """
    filters, place = {}, 1
    for resolution in map(resolution_of, range(level_of(model["resolution"]) + 1)):
        (filters[resolution],) = weights[place].shape
        place += 9 if resolution in model["attention_generator"] else 4
        place += model.get("noise_inputs", False) and resolution > SMALLEST_RESOLUTION
    return filters
