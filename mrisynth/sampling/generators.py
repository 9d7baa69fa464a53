"""Whatever images are drawn from: the generator of a run, finished or not, or an export."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.data.conditions.cells import LabelDistribution, label_distribution
from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.image_io import to_gray
from mrisynth.networks import Generator
from mrisynth.networks.config import DEFAULT_ATTENTION, NetworkConfig, resolution_of
from mrisynth.networks.exported import UNREADABLE
from mrisynth.networks.flops import largest_activation
from mrisynth.sampling.conditions import Condition, SeededLabels, input_names, named_inputs
from mrisynth.sampling.latents import seeded_latents
from mrisynth.tensorflow_paths import literal_folder
from mrisynth.training.ema import AveragedGenerator, load_average
from mrisynth.training.origin import TrainingData, origin_of_card
from mrisynth.training.run_config import RunConfig

_ACTIVATION_VALUES = 2**26
"""So many images are drawn at once that the largest activation has no more values than this: 256 MiB."""

_UNKNOWN = {tf.float32: float("nan"), tf.string: ""}
"""What stands for an unknown label in the signatures of an export."""


@dataclasses.dataclass(frozen=True)
class Sampler:
    """A generator that images are drawn from, wherever it comes from.

    Attributes:
        from_latents: Turns latents [N, latent_size] into images [N, r, r, channels], about -1 to 1.
        from_seeds: Turns a first seed (int64), a count (int32) and a truncation (float32) into such images.
            Where there are labels, both take one more argument, the labels [N, width].
        resolution: Pixels along an edge of an image, r.
        latent_size: Length of a latent.
        channels: Names of the channels.
        facts: What is known about the generator, by key, for reports; no paths.
        at_once: Number of images that are drawn at a time where many are wanted, which bounds the memory.
        export: The folder that the generator was opened from; None for that of a run.
        card: The model card of an export; None if it has none.
        trained_on: Fingerprint of the data set that it was trained on; None where that is not known.
        earlier_data: The data sets that its first weights were trained on, where they come from other models.
        label_schema: The labels that it can be asked for; none of an unconditional generator.
        labels: The labels that seeds have where a call gives none, as they are distributed on the training
            side; None where that is not known, and they are unknown.
    """

    from_latents: Callable[..., tf.Tensor]
    from_seeds: Callable[..., tf.Tensor]
    resolution: int
    latent_size: int
    channels: tuple[str, ...] = ("image",)
    facts: Mapping[str, str | int | float] = dataclasses.field(default_factory=dict)
    at_once: int = 16
    export: ExportFolder | None = None
    card: Mapping[str, Any] | None = None
    trained_on: str | None = None
    earlier_data: tuple[TrainingData, ...] = ()
    label_schema: LabelSchema = UNCONDITIONAL
    labels: SeededLabels | None = None

    def asking(self, asked: Sequence[Condition], force: bool = False) -> Sampler:
        """The same generator, of which every image is asked for this, even for what too few have if forced.

        Raises:
            UserError: If it has no such label or category, or too few subjects have what is asked.
        """
        if not asked:
            return self
        labels = self.labels_to_ask(f"--condition={asked[0].name}")
        return dataclasses.replace(self, labels=labels.asking(asked, force))

    def labels_to_ask(self, flag: str) -> SeededLabels:
        """The labels of seeds, where a flag asks something of them.

        Raises:
            UserError: If there are none.
        """
        if self.labels is None:
            raise UserError(f"{flag}: the model knows no labels, or has no model card that names them")
        return self.labels

    def draw(
        self, first_seed: int, count: int, truncation: float = 1.0, labels: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Draws the images of consecutive seeds in one call.

        Args:
            first_seed: Seed of the first image.
            count: Number of images.
            truncation: 1 leaves the images as they are, less makes them more alike.
            labels: [count, label_schema.width], encoded by the schema; those of the seeds if None.

        Returns:
            Float32 [count, r, r, channels] in [-1, 1]. The same call gives the same bits; the same seed in a
            call of another count may differ by rounding.

        Raises:
            UserError: If a pixel is not finite, or the device's memory is too small.
        """
        if labels is None and self.labels is not None:
            labels = self.labels.encode(first_seed, count)
        seed = tf.constant(first_seed, tf.int64)
        inputs = (seed, tf.constant(count), tf.constant(truncation, tf.float32))
        return self._call(count, self.from_seeds, *inputs, labels=labels)

    def draw_gray(
        self, first_seed: int, count: int, labels: NDArray[np.float32] | None = None
    ) -> NDArray[np.uint8]:
        """Draws the images of many consecutive seeds, some at a time, as gray values of 8 bits.

        Args:
            first_seed: Seed of the first image.
            count: Number of images.
            labels: As of `draw`.

        Returns:
            Uint8 [count, r, r, channels].

        Raises:
            UserError: If a pixel is not finite, or the device's memory is too small.
        """
        gray = np.empty((count, self.resolution, self.resolution, len(self.channels)), np.uint8)
        with screen.Bar("generating", count, unit="images") as bar:
            for part in self._parts(count):
                given = None if labels is None else labels[part]
                images = self.draw(first_seed + part.start, part.stop - part.start, labels=given)
                gray[part] = to_gray(images)
                bar.update(part.stop - part.start)
        return gray

    def images(
        self, latents: NDArray[np.float32], labels: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        """Generates the images of latents [N, latent_size], some at a time; labels are unknown if None.

        Returns:
            Float32 [N, r, r, channels] in [-1, 1].

        Raises:
            UserError: If a pixel is not finite, or the device's memory is too small.
        """
        labels = self._known_or_unknown(labels, len(latents))
        return np.concatenate(
            [
                self._call(
                    part.stop - part.start, self.from_latents, tf.constant(latents[part]), labels=labels[part]
                )
                for part in self._parts(len(latents))
            ]
        )

    def _parts(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.at_once):
            yield slice(start, min(start + self.at_once, count))

    def _known_or_unknown(self, labels: NDArray[np.float32] | None, count: int) -> NDArray[np.float32]:
        return np.zeros((count, self.label_schema.width), np.float32) if labels is None else labels

    def _call(
        self,
        count: int,
        function: Callable[..., tf.Tensor],
        *inputs: tf.Tensor,
        labels: NDArray[np.float32] | None,
    ) -> NDArray[np.float32]:
        size = f"{self.resolution}x{self.resolution}"
        if self.label_schema.width:
            inputs = (*inputs, tf.constant(self._known_or_unknown(labels, count)))
        try:
            images = np.asarray(function(*inputs))
        except tf.errors.ResourceExhaustedError as error:
            raise UserError(
                f"{count} images of {size} at once do not fit the device's memory; end what else uses it, or "
                "run the same command on the CPU (CUDA_VISIBLE_DEVICES=-1)"
            ) from error
        if not np.isfinite(images).all():
            raise UserError(
                "the generator gives images with pixels that are not finite; take an earlier checkpoint or "
                "train it again"
            )
        return np.clip(images, -1, 1)


def sampler_of(
    generator: Generator,
    level: int,
    alpha: float = 1.0,
    facts: Mapping[str, str | int | float] | None = None,
    at_most: int | None = None,
    labels: LabelDistribution | None = None,
    label_weight: float = 1.0,
) -> Sampler:
    """Makes a sampler of a network.

    Args:
        generator: The network.
        level: The level that it is called at.
        alpha: Weight of the level's own image while it fades in.
        facts: What is known about the network.
        at_most: Number of images at a time, where memory is scarcer than usual.
        labels: How the labels are distributed on the training side; None where there are none.
        label_weight: Weight of the labels, which they gain in the course of a training.
    """
    resolution, latent_size = resolution_of(level), generator.latent_size
    width = generator.label_schema.width
    labels_spec = [tf.TensorSpec([None, width], tf.float32)] if width else []
    stage = {"level": level, "alpha": alpha, **({"label_weight": label_weight} if width else {})}

    @tf.function(input_signature=[tf.TensorSpec([None, latent_size], tf.float32), *labels_spec])
    def from_latents(latents: tf.Tensor, encoded: tf.Tensor | None = None) -> tf.Tensor:
        return generator(latents, labels=encoded, **stage)

    scalars = [tf.TensorSpec([], kind) for kind in (tf.int64, tf.int32, tf.float32)]

    @tf.function(input_signature=[*scalars, *labels_spec])
    def from_seeds(
        first_seed: tf.Tensor, count: tf.Tensor, truncation: tf.Tensor, encoded: tf.Tensor | None = None
    ) -> tf.Tensor:
        latents = seeded_latents(first_seed, count, latent_size)
        return generator(latents, truncation=truncation, labels=encoded, **stage)

    at_once = _images_at_once(generator.network_config(), resolution)
    return Sampler(
        from_latents,
        from_seeds,
        resolution,
        latent_size,
        channels=_channel_names(generator.channels),
        facts=facts or {},
        at_once=min(at_once, at_most or at_once),
        label_schema=generator.label_schema,
        labels=SeededLabels(labels) if labels else None,
    )


def _images_at_once(network: NetworkConfig, resolution: int) -> int:
    return max(1, _ACTIVATION_VALUES // largest_activation(network, resolution))


def _channel_names(count: int) -> tuple[str, ...]:
    """Names of channels of which nothing is known."""
    return ("image",) if count == 1 else tuple(f"channel{number}" for number in range(1, count + 1))


def open_run(run_dir: pathlib.Path, data_dir: pathlib.Path | None = None) -> tuple[Sampler, RunConfig]:
    """Opens the averaged generator of a run, at the resolution that the run has reached.

    Args:
        run_dir: The run's folder.
        data_dir: Its data set, if it is no longer where it was; it says how labels are distributed.

    Returns:
        The generator and the settings of its run.

    Raises:
        UserError: If there is no run, no checkpoint that can be read, or, of a generator that knows labels,
            no data set.
    """
    average = load_average(run_dir)
    training = average.config.training
    sampler = sampler_of(
        average.generator,
        average.level,
        average.alpha,
        _facts(average),
        labels=label_distribution(data_dir or training.data_dir, training.label_schema),
        label_weight=training.schedule.label_weight(average.images),
    )
    origin = average.config.origin
    sampler = dataclasses.replace(
        sampler, trained_on=average.config.fingerprint, earlier_data=origin.data if origin else ()
    )
    return sampler, average.config


def _facts(average: AveragedGenerator) -> dict[str, str | int | float]:
    """What a report says about a run: where it stands, then its settings."""
    config, resolution, origin = average.config, resolution_of(average.level), average.config.origin
    identity = config.identity()
    settings = {**identity["run"], **identity["network"], **identity["optimization"]}
    full, done, last = average.generator.resolution, average.iteration, config.training.schedule.iterations
    return {
        "finished": "yes" if done == last else f"no, at iteration {done:,} of {last:,}",
        "iterations": done,
        "weights_checksum": average.checksum,
        "images_shown": average.images,
        **({"first_weights_checksum": origin.weights_checksum} if origin else {}),
        "training_precision": str(config.environment.get("dtype_policy", "unknown")),
        **{name: _in_words(value) for name, value in settings.items()},
        "resolution": resolution if resolution == full else f"{resolution} of {full}",
        **({"alpha": average.alpha} if average.alpha < 1 else {}),
    }


def _in_words(value: object) -> str | int | float:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return value if isinstance(value, int | float) else str(value)


def open_export(path: pathlib.Path) -> Sampler:
    """Opens an exported generator, by nothing but its signatures and its model card.

    Nothing is known of the size of the network: as few images are drawn at a time as from model (d) at its
    default size.

    Args:
        path: Either NAME/VERSION or NAME, whose newest version is taken.

    Returns:
        The generator.

    Raises:
        UserError: If it is no SavedModel, not one that turns latents into square images, or its card is that
            of another model.
    """
    folder = ExportFolder.newest(path)
    card = folder.read_card() if folder.card.is_file() else None
    labels = _labels_of_card(path, card)
    model = _SavedModel(path, folder, labels.schema if labels else UNCONDITIONAL)
    if card and card["model"].get("checksum", folder.checksum) != folder.checksum:
        raise UserError(
            f"--saved_model={path} has the model card of another model (its checksum is not that of the "
            "graph and the weights); export it again with mrisynth-export"
        )
    origin = origin_of_card(card)
    return Sampler(
        model.from_latents,
        model.from_seeds,
        model.shape[0],
        model.latent_size,
        channels=_named_channels(card, model.shape[2]),
        facts=_export_facts(folder, model, card),
        at_once=_images_at_once(NetworkConfig(attention_generator=DEFAULT_ATTENTION), model.shape[0]),
        export=folder,
        card=card,
        trained_on=card["data"].get("fingerprint") if card else None,
        earlier_data=origin.data if origin else (),
        label_schema=model.schema,
        labels=labels,
    )


def _labels_of_card(path: pathlib.Path, card: Mapping[str, Any] | None) -> SeededLabels | None:
    """The labels of seeds by what a model card says; None if it says nothing of labels."""
    if not card or not card.get("labels"):
        return None
    try:
        return SeededLabels(LabelDistribution.from_json(card["labels"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(
            f"--saved_model: what the model card of {path} says of labels is damaged ({error}); export the "
            "model again"
        ) from error


def _export_facts(
    folder: ExportFolder, model: _SavedModel, card: Mapping[str, Any] | None
) -> dict[str, str | int]:
    """What a report says about an export: which one it is, then its sizes."""
    said = {}
    if card:
        said = {"exported": card.get("date"), "weights_checksum": card["model"].get("weights_checksum")}
    facts = {"name": folder.name, "version": folder.version, "checksum": folder.checksum, **said}
    sizes = {"latent_size": model.latent_size, "resolution": model.shape[0]}
    return {name: value for name, value in facts.items() if value} | sizes


def _named_channels(card: Mapping[str, Any] | None, count: int) -> tuple[str, ...]:
    """The channels' names as a model card says them; cards of old exports have none."""
    names = card["model"].get("channels") if card else None
    return tuple(names) if isinstance(names, list) and len(names) == count else _channel_names(count)


class _SavedModel:
    """The signatures of an export, called as a `Sampler` calls them, if there is one from latents to images.

    The path is how the user names it, the schema what its model card says of labels.
    """

    def __init__(self, path: pathlib.Path, folder: ExportFolder, schema: LabelSchema) -> None:
        self._path, self.schema = path, schema
        try:
            # Kept, as signatures do not keep their variables alive.
            with literal_folder(folder.path) as literal:
                self._model = tf.saved_model.load(str(literal))
        except UNREADABLE as error:
            raise UserError(
                f"--saved_model={path} cannot be read ({' '.join(str(error).split())[:200]}); copy it again "
                "from where it is whole, or export it again"
            ) from error
        try:
            signature = self._model.signatures["serving_default"]
            inputs, output = signature.structured_input_signature[1], signature.structured_outputs["images"]
            latents = inputs["latents"]
            ours = latents.dtype == tf.float32 and output.dtype.is_floating
            self._unknown = {
                name: tf.constant([_UNKNOWN[spec.dtype]])
                for name, spec in inputs.items()
                if name != "latents" and spec.shape.rank == 1
            }
            ours = ours and inputs.keys() == {"latents", *self._unknown}
            names = set(input_names(schema).values())
            # Without a card, all labels stay unknown.
            ours = ours and (not names or names == self._unknown.keys())
        except UNREADABLE as error:
            raise self._not_ours() from error
        if not ours:
            raise self._not_ours()
        if latents.shape.rank != 2 or latents.shape[1] is None:
            raise UserError(
                f"--saved_model={path} takes latents of shape {latents.shape}, not [None, latent_size]; use "
                "a generator that mrisynth exported"
            )
        if output.shape.rank != 4 or not all(output.shape[1:]) or output.shape[1] != output.shape[2]:
            raise self._not_square(output.shape)
        self.latent_size, self.shape = latents.shape[1], tuple(output.shape[1:])

    def from_latents(self, latents: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """See `Sampler`."""
        return self._call("serving_default", len(latents), labels, latents=latents)

    def from_seeds(
        self, first_seed: tf.Tensor, count: tf.Tensor, truncation: tf.Tensor, labels: tf.Tensor | None = None
    ) -> tf.Tensor:
        """See `Sampler`; without a signature for seeds, their latents are served."""
        if "generate" in self._model.signatures:
            inputs = {"seed": first_seed, "count": count, "truncation": truncation}
            return self._call("generate", int(count), labels, **inputs)
        if truncation != 1:
            raise UserError(f"--saved_model={self._path} has no signature generate, which --truncation needs")
        return self.from_latents(seeded_latents(first_seed, count, self.latent_size), labels)

    def _call(
        self, signature: str, images_asked: int, labels: tf.Tensor | None, **inputs: tf.Tensor
    ) -> tf.Tensor:
        if labels is None:
            inputs |= self._unknown
        else:
            named = named_inputs(self.schema, self.schema.decode(labels.numpy()))
            inputs |= {name: tf.constant(values) for name, values in named.items()}
        try:
            images = self._model.signatures[signature](**inputs)["images"]
        except tf.errors.ResourceExhaustedError:
            raise
        except (tf.errors.OpError, LookupError, ValueError, TypeError) as error:
            words = " ".join(str(error).split())[:200]
            raise UserError(
                f"--saved_model={self._path} cannot be called ({words}); export it again"
            ) from error
        if images.shape != (images_asked, *self.shape):
            raise self._not_square(images.shape)
        return images

    def _not_ours(self) -> UserError:
        return UserError(
            f"--saved_model={self._path} is not a generator that mrisynth exported: it has no signature "
            "serving_default from latents to images"
        )

    def _not_square(self, shape: tf.TensorShape) -> UserError:
        words = shape if shape.rank is None else shape.as_list()
        return UserError(
            f"--saved_model={self._path} gives images of shape {words}, not square ones; use a generator "
            "that mrisynth exported"
        )
