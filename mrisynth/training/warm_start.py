"""Starts a run from the weights of another one, or of an exported model, as far as they fit.

Weights are taken layer by layer, a kernel with its bias: where the other network has a layer at the same
place with weights of the same shape, or with fewer channels. All others stay as they were drawn. What labels
feed into is taken only where both networks know the same labels.

Of a run the generator in training takes the weights that were in training, which the discriminator knows, and
the average takes the averages, so that neither is thrown back. An export has the averages alone; both take
them.
"""

from __future__ import annotations

import dataclasses
import pathlib
import zipfile
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import checksums
from mrisynth.atomic_io import file_aside
from mrisynth.data import read_manifest
from mrisynth.data.labels import LabelSchema
from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Discriminator, Generator
from mrisynth.networks.base import ProgressiveNetwork
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.exported import read_generator
from mrisynth.run_folder import RunFolder
from mrisynth.training.checkpoints import read_newest
from mrisynth.training.origin import PHANTOMS, Origin, TrainingData, find_source, origin_of_card
from mrisynth.training.run_config import RunConfig, check_goes_on, read_run_config
from mrisynth.training.state import TrainingState
from mrisynth.training.widening import widen

Weights = Mapping[str, list[NDArray[np.float32]]]
"""The weights of a network: the kernel and the bias of every layer, by the place of the layer."""


@dataclasses.dataclass(frozen=True)
class SourceWeights:
    """What weights can be taken from.

    Attributes:
        generator: Weights for the generator in training.
        average: Weights for the averaged generator.
        discriminator: Weights for the discriminator; None where there are none.
        label_schema: The labels that these networks know.
        network: What these networks are like.
    """

    generator: Weights
    average: Weights
    discriminator: Weights | None
    label_schema: LabelSchema
    network: NetworkConfig


@dataclasses.dataclass(frozen=True)
class Taken:
    """How much of a network was taken.

    Attributes:
        network: Its name.
        weights: Number of weights that were taken.
        of: Number of weights that it has.
        wider: The layers that were given more channels.
        anew: The layers that start anew, wholly or in part.
    """

    network: str
    weights: int
    of: int
    wider: tuple[str, ...]
    anew: tuple[str, ...]

    def __str__(self) -> str:
        layers = {"wider": self.wider, "anew": self.anew}
        named = "; ".join(f"{what}: {', '.join(names)}" for what, names in layers.items() if names)
        return (
            f"{self.weights:,} of {self.of:,} weights of the {self.network}{f' ({named})' if named else ''}"
        )


def take_weights(state: TrainingState, source: SourceWeights) -> str:
    """Gives a new run the weights of a source where they fit, under the current strategy's scope.

    Returns:
        How many were taken and which layers start anew, for people; empty if no weights of the generator fit.
    """
    # No average is mentioned: it takes what the generator does.
    _take(state.average, source.average, source.label_schema)
    taken = _take(state.generator, source.generator, source.label_schema)
    if not taken.weights:
        return ""
    if source.discriminator is None:
        said = f"{taken}; the discriminator, which is not stored beside the generator, starts anew"
    else:
        said = f"{taken}, {_take(state.discriminator, source.discriminator, source.label_schema)}"
    if source.network.bilinear_resampling != state.generator.bilinear_resampling:
        said += "; images and scores change, since the weights had another --bilinear_resampling"
    if source.network.noise_inputs and not state.generator.noise_inputs:
        said += "; images change, since the weights had --noise_inputs"
    return said


def _take(network: ProgressiveNetwork, weights: Weights, schema: LabelSchema) -> Taken:
    knows_the_same = _meaning(network.label_schema) == _meaning(schema)
    of_labels = {layer.name for layer in network.label_layers}
    count, of, wider, anew = 0, 0, [], []
    for place, variables in _places(network):
        layer = place.split("/")[0]
        of += sum(variable.shape.num_elements() for variable in variables)
        found = weights.get(place, []) if knows_the_same or layer not in of_labels else []
        values = found
        if [value.shape for value in found] != [tuple(variable.shape) for variable in variables]:
            values = widen(network, place, found, [variable.numpy() for variable in variables])
            # Noise adds nothing at first: with it nothing changes, and so nothing starts anew.
            if found or not place.endswith("/noise_input"):
                (wider if values else anew).append(layer)
        if values:
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            count += sum(value.size for value in found)
    return Taken(network.name, count, of, tuple(dict.fromkeys(wider)), tuple(dict.fromkeys(anew)))


def _meaning(schema: LabelSchema) -> list[tuple[object, ...]]:
    """What the columns of labels stand for, but for the numbers that continuous ones are standardized by."""
    return [(label.name, label.kind, label.vocabulary) for label in schema.labels]


def _places(network: ProgressiveNetwork) -> Iterator[tuple[str, list[tf.Variable]]]:
    """The variables of every layer, by a place that does not depend on which blocks have attention."""
    for layer in (*network.blocks, *network.image_layers, *network.label_layers):
        parts = {name: getattr(layer, name, None) for name in ("attention", "noise_input")}
        inside = {name: part.trainable_variables for name, part in parts.items() if part is not None}
        kept = {id(variable) for variables in inside.values() for variable in variables}
        layers: list[list[tf.Variable]] = []
        for variable in layer.trainable_variables:
            if id(variable) in kept:
                continue
            if variable.name.split(":")[0] == "kernel":
                layers.append([])
            layers[-1].append(tensorflow_variable(variable))
        for index, variables in enumerate(layers):
            yield f"{layer.name}/{index}", variables
        for name, variables in inside.items():
            yield f"{layer.name}/{name}", [tensorflow_variable(variable) for variable in variables]


def weights_of(network: ProgressiveNetwork) -> dict[str, list[NDArray[np.float32]]]:
    """The weights of a network by the places of its layers."""
    return {place: [variable.numpy() for variable in variables] for place, variables in _places(network)}


def read_source(path: pathlib.Path) -> tuple[Origin, SourceWeights]:
    """Reads the weights of a run or an export, and where they come from.

    Args:
        path: What --init_from names.

    Raises:
        UserError: If it is neither, or damaged, or a run without a checkpoint.
    """
    folder = find_source(path)
    return _read_run(path, folder) if isinstance(folder, RunFolder) else _read_export(path)


def _read_run(path: pathlib.Path, folder: RunFolder) -> tuple[Origin, SourceWeights]:
    config = read_run_config(folder)
    check_goes_on(config, "--init_from")
    network, schema = config.training.network, config.training.label_schema
    generator, average = (Generator.from_network_config(network, label_schema=schema) for _ in range(2))
    discriminator = Discriminator.from_network_config(network, label_schema=schema)
    parts = tf.train.Checkpoint(
        generator=generator.named_variables(),
        average=average.named_variables(),
        discriminator=discriminator.named_variables(),
    )
    try:
        read_newest(folder, parts)
    except UserError as error:
        raise UserError(f"--init_from={path} has no checkpoint that can be read; train it first") from error
    data = TrainingData(config.fingerprint, _is_of_phantoms(config))
    origin = Origin(checksums.of_arrays(average.get_weights()), _all_data(data, config.origin), path)
    weights = map(weights_of, (generator, average, discriminator))
    return origin, SourceWeights(*weights, schema, network)


def _is_of_phantoms(config: RunConfig) -> bool:
    """Whether a run is known to be of phantoms; of a data set that is gone, nothing is known."""
    if config.training.phantom_subjects is not None:
        return True
    try:
        manifest = read_manifest(config.training.data_dir)
    except UserError:
        return False
    return manifest.phantoms and manifest.fingerprint == config.fingerprint


def _all_data(own: TrainingData, before: Origin | None) -> tuple[TrainingData, ...]:
    return tuple(dict.fromkeys((own, *(before.data if before else ()))))


def _read_export(path: pathlib.Path) -> tuple[Origin, SourceWeights]:
    generator, card, folder = read_generator(path, "--init_from")
    data = card["data"]
    own = TrainingData(data.get("fingerprint"), data.get("kind") == PHANTOMS)
    checksum = checksums.of_arrays(generator.get_weights())
    origin = Origin(checksum, _all_data(own, origin_of_card(card)), path)
    try:
        discriminator = _read_discriminator(folder, card["model"].get("discriminator_checksum"))
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"--init_from={path} cannot be read ({error}); export the model again") from error
    average = weights_of(generator)
    return origin, SourceWeights(
        average, average, discriminator, generator.label_schema, generator.network_config()
    )


def write_discriminator(discriminator: Discriminator, folder: ExportFolder) -> None:
    """Writes the weights of a discriminator into an export, for runs that start from it.

    Raises:
        OSError: If they cannot be written.
    """
    arrays = {
        f"{place}/{index}": value
        for place, values in weights_of(discriminator).items()
        for index, value in enumerate(values)
    }
    folder.discriminator.parent.mkdir(parents=True, exist_ok=True)
    with file_aside(folder.discriminator) as file:
        np.savez(file, **arrays)


def _read_discriminator(folder: ExportFolder, checksum: str | None) -> Weights | None:
    if not folder.discriminator.is_file():
        return None
    weights: dict[str, list[NDArray[np.float32]]] = {}
    with np.load(folder.discriminator, allow_pickle=False) as arrays:
        for name in arrays.files:
            weights.setdefault(name.rpartition("/")[0], []).append(arrays[name])
    if checksums.of_arrays([value for values in weights.values() for value in values]) != checksum:
        raise ValueError(f"{folder.discriminator.name} is not the one that the model card names")
    return weights


def discriminator_of(run: RunFolder) -> Discriminator:
    """Reads the discriminator of a run's newest checkpoint.

    Raises:
        UserError: If there is no run, or none of its checkpoints can be read.
    """
    training = read_run_config(run).training
    discriminator = Discriminator.from_network_config(training.network, label_schema=training.label_schema)
    read_newest(run, tf.train.Checkpoint(discriminator=discriminator.named_variables()))
    return discriminator


def checksum_of(network: ProgressiveNetwork) -> str:
    """SHA-256 of the weights of a network that is stored beside an export, hexadecimal."""
    return checksums.of_arrays([value for values in weights_of(network).values() for value in values])
