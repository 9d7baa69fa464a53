"""What one sees of a run: TensorBoard's curves, images and texts, and the images as PNG, too.

The x axis of everything is images, of which iterations have more or less at different resolutions. Curves
stand in five groups, by what one asks: learning (do both networks?), progress (how far, how fast?), quality
and copying (of evaluations on the way), result (of the evaluation at the end).
"""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from mrisynth import image_io
from mrisynth.atomic_io import move_into_place
from mrisynth.data.samples import Samples
from mrisynth.errors import naming_disk_errors
from mrisynth.run_folder import RunFolder
from mrisynth.training.run_config import RunConfig
from mrisynth.training.schedule import Position
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.train_step import blend_real

GRID_IMAGES = 64
_CHUNK = 8

_LEARNING: Mapping[str, tuple[str, str]] = {
    "loss/generator": (
        "loss_generator",
        "The smaller, the more real the discriminator finds generated images.",
    ),
    "wrong_labels": (
        "loss_wrong_labels",
        "The smaller, the better the discriminator tells a wrong label of a real image from its own.",
    ),
    "missing_diversity": (
        "missing_diversity",
        "By what part images of the same labels differ less than real ones of like labels; 0 is best.",
    ),
    "loss/discriminator": (
        "loss_discriminator",
        "The smaller, the better the discriminator tells generated images from real ones; with the gradient "
        "penalty.",
    ),
    "loss/discriminator_without_penalty": (
        "loss_discriminator_without_penalty",
        "The same, of iterations that leave the gradient penalty out (--gp_interval).",
    ),
    "score_difference": (
        "score_difference",
        "How far apart real and generated images are to the discriminator: the difference of mean scores. "
        "It usually becomes smaller as images become better (of --loss=wasserstein, it estimates the "
        "Wasserstein distance).",
    ),
    "scores/real": ("score_real", "The mean score of real images; the larger, the more real they seem."),
    "scores/generated": ("score_generated", "The mean score of generated images."),
    "gradient_penalty": (
        "gradient_penalty",
        "Mean squared distance of the slope (learning/slope) from 1, or with --loss=non_saturating from 0, "
        "before its weight.",
    ),
    "critic_gradient_norm": (
        "slope",
        "Norm of the gradient of the discriminator's score at images between real and generated ones, which "
        "the penalty keeps near 1; with --loss=non_saturating at real ones, near 0.",
    ),
    "gradient_norm/generator": (
        "gradient_norm_generator",
        "Norm of the gradient that moves the generator; steep rises come before a run diverges.",
    ),
    "gradient_norm/discriminator": (
        "gradient_norm_discriminator",
        "Norm of the gradient that moves the discriminator; steep rises come before a run diverges.",
    ),
}
"""What `train_step` measures: the name in the group "learning", and what it says."""


class Scalar(NamedTuple):
    """A number for TensorBoard, and one sentence that says what it is."""

    value: float
    description: str


class Summaries:
    """Writes a run's scalars and sample grids, and first of all its configuration.

    Args:
        run: The run.
        state: The state whose averaged generator draws the samples.
    """

    def __init__(self, run: RunConfig, state: TrainingState) -> None:
        self._config = run.training
        self._folder = run.training.folder
        with self._naming_disk_errors():
            self._folder.samples.mkdir(parents=True, exist_ok=True)
        self._state = state
        self._open()
        shape = (GRID_IMAGES, state.generator.latent_size)
        self._latents = StatelessRng(self._config.optimization.seed).normal(Purpose.GRID_LATENTS, shape)
        self._real_shown: tuple[int, float] | None = None
        with self._writing(self._images_done):
            tf.summary.text("configuration", _table(run))
            hparams.hparams(_compared(run))

    def _naming_disk_errors(self) -> contextlib.AbstractContextManager[None]:
        return naming_disk_errors(self._folder.path)

    @property
    def _images_done(self) -> int:
        return self._config.schedule.at_iteration(int(self._state.iteration.numpy())).image

    def _open(self) -> None:
        with self._naming_disk_errors():
            _drop_events(self._folder.tensorboard, after=self._images_done)
            self._writer = tf.summary.create_file_writer(str(self._folder.tensorboard))

    @contextlib.contextmanager
    def _writing(self, images: int) -> Iterator[None]:
        """Summaries that are written within stand at so many images."""
        with self._naming_disk_errors(), self._writer.as_default(step=images):
            yield

    def go_back(self) -> None:
        """Drops what was written of iterations after the one that the state has gone back to."""
        self.close()
        self._open()

    def write_scalars(
        self, position: Position, metrics: Mapping[str, tf.Tensor], images_per_second: float
    ) -> None:
        """Writes an iteration's metrics, where the schedule stands, and the attention's gammas."""
        phase, scalars = position.phase, {}
        for metric, value in metrics.items():
            name, description = _LEARNING[metric]
            scalars[f"learning/{name}"] = Scalar(float(value), description)
        scalars["learning/skipped_iterations"] = Scalar(
            int(self._state.skipped.numpy()),
            "Iterations so far that left an update out, since a loss or gradient was not finite.",
        )
        networks = {"discriminator": self._state.discriminator, "generator": self._state.generator}
        for name, network in networks.items():
            for resolution, gamma in network.attention_gammas().items():
                scalars[f"learning/attention_{name}_{resolution}"] = Scalar(
                    float(tf.convert_to_tensor(gamma)),
                    f"How much self-attention at {resolution}x{resolution} adds in the {name}; 0 is nothing.",
                )
        scalars |= {
            "progress/resolution": Scalar(phase.resolution, "Pixels along an edge."),
            "progress/alpha": Scalar(position.alpha, "Weight of the resolution that fades in, 0 to 1."),
            "progress/batch_size": Scalar(phase.batch_size, "Images in an iteration."),
            "progress/learning_rate": Scalar(phase.learning_rate, "Learning rate of both optimizers."),
            "progress/iteration": Scalar(position.iteration, "Iterations so far."),
            "progress/images_per_second": Scalar(images_per_second, "Real images shown in a second."),
        }
        with self._writing(position.image):
            _write(scalars)

    def write_evaluation(self, position: Position, scalars: Mapping[str, Scalar]) -> None:
        """Writes what an evaluation has measured, by name and group."""
        with self._writing(position.image):
            _write(scalars)
            self._writer.flush()

    def write_grids(self, position: Position, real: Samples, label_weight: float = 1.0) -> None:
        """Writes the fixed latents through the averaged generator.

        Each generated image has the labels of the real one at its place. There is one more grid for every
        label: a row for each of a few of its values, the same latents and other labels in every row.
        The real images are written too, at the same alpha, only if the run was told to (`log_real`), and
        again only when they look different.

        Args:
            position: Where the run stands.
            real: GRID_IMAGES samples at the phase's resolution, their images [N, r, r, C] in [-1, 1].
            label_weight: Weight of the labels at this position.
        """
        phase = position.phase
        alpha = tf.constant(position.alpha, tf.float32) if phase.fading else 1.0

        def generate(latents: tf.Tensor, labels: tf.Tensor) -> np.ndarray:
            # A few at a time: the device's memory was planned for the training batch.
            parts = [
                self._state.average(
                    latents[first : first + _CHUNK],
                    level=phase.level,
                    alpha=alpha,
                    labels=labels[first : first + _CHUNK],
                    label_weight=label_weight,
                )
                for first in range(0, len(latents), _CHUNK)
            ]
            return tf.concat(parts, axis=0).numpy()

        same = "The same latents every time, through the moving average of the generator."
        self._write_grid("generated", position, generate(self._latents, real.labels), same)
        for label, columns in self._state.average.label_schema.columns():
            values = label.examples()
            labels = np.tile(real.labels[:_CHUNK], (len(values), 1))
            labels[:, columns] = np.repeat(label.encode(values), _CHUNK, axis=0)
            images = generate(tf.tile(self._latents[:_CHUNK], [len(values), 1]), tf.constant(labels))
            name = f"generated_by_{label.name.rsplit('/', 1)[-1]}"
            rows = f"A row for each of a few values of {label.name}, of the same latents."
            self._write_grid(name, position, images, rows, _CHUNK)
        if self._config.runtime.log_real and self._real_shown != (phase.level, position.alpha):
            self._real_shown = (phase.level, position.alpha)
            images = blend_real(real.images, alpha) if phase.fading else real.images
            self._write_grid("real", position, images.numpy(), "Real images of the training side.")
        with self._naming_disk_errors():
            self._writer.flush()

    def _write_grid(
        self, name: str, position: Position, images: np.ndarray, description: str, columns: int | None = None
    ) -> None:
        grid = image_io.make_grid(images, columns)
        path = self._folder.sample_grid(name, position.image, position.phase.resolution)
        with self._writing(position.image):
            image_io.write_png(path, grid)
            tf.summary.image(f"quality/{name}", grid[np.newaxis, ..., np.newaxis], description=description)

    def close(self) -> None:
        """Writes out what is buffered."""
        with self._naming_disk_errors():
            self._writer.close()


def write_final_evaluation(folder: RunFolder, images: int, scalars: Mapping[str, Scalar], words: str) -> None:
    """Writes what the evaluation at the end of a run has found.

    Args:
        folder: The run's folder.
        images: How many the run has shown.
        scalars: What was measured, by name and group.
        words: The same as text, a table in lines of equal width.

    Raises:
        UserError: If the folder cannot be written.
    """
    with naming_disk_errors(folder.path):
        writer = tf.summary.create_file_writer(str(folder.tensorboard))
        with writer.as_default(step=images):
            _write({f"result/{name}": scalar for name, scalar in scalars.items()})
            tf.summary.text("final_evaluation", f"```\n{words}\n```")
        writer.close()


def _write(scalars: Mapping[str, Scalar]) -> None:
    for name, scalar in scalars.items():
        tf.summary.scalar(name, scalar.value, description=scalar.description)


def _table(run: RunConfig) -> str:
    """All settings of a run as a table in Markdown."""
    rows = ["| | | |", "|---|---|---|"]
    for section, settings in run.to_json().items():
        if isinstance(settings, dict):
            rows += [f"| {section} | {name} | {value} |" for name, value in settings.items()]
    return "\n".join(rows)


def _compared(run: RunConfig) -> dict[str, str | int | float]:
    """The settings that runs are compared by in TensorBoard's page on hyperparameters."""
    identity = run.identity()
    sections = (identity[name] for name in ("run", "network", "schedule", "optimization"))
    settings = {name: value for section in sections for name, value in section.items()}
    return {
        name: value if isinstance(value, str | int | float) else str(value)
        for name, value in settings.items()
    }


def _drop_events(folder: pathlib.Path, after: int) -> None:
    """Drops the events after so many images, which are shown again, lest TensorBoard has them twice."""
    for path in folder.glob("events.out.tfevents.*"):
        if all(step <= after for step, _ in _events(path)):
            continue
        aside = folder / ".partial"
        with tf.io.TFRecordWriter(str(aside)) as writer:
            for step, record in _events(path):
                if step <= after:
                    writer.write(record)
        move_into_place(aside, path)


def _events(path: pathlib.Path) -> Iterator[tuple[int, bytes]]:
    """Every event of a file, with its step; the last may be cut off where a run was killed."""
    with contextlib.suppress(tf.errors.DataLossError):
        for record in tf.compat.v1.io.tf_record_iterator(str(path)):
            yield tf.compat.v1.Event.FromString(record).step, record
