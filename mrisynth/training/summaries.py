"""What one sees of a run: TensorBoard scalars and image grids, and the same grids as PNG."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from mrisynth import image_io
from mrisynth.atomic_io import move_into_place
from mrisynth.data.samples import Samples
from mrisynth.errors import naming_disk_errors
from mrisynth.run_folder import RunFolder
from mrisynth.training.schedule import Position
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.train_step import blend_real

GRID_IMAGES = 64
_CHUNK = 8


class Summaries:
    """Writes a run's scalars and sample grids.

    Args:
        folder: The run's folder.
        state: The state whose averaged generator draws the samples.
        seed: Seed of the fixed latents.
    """

    def __init__(self, folder: RunFolder, state: TrainingState, seed: int) -> None:
        self._folder = folder
        with self._naming_disk_errors():
            folder.samples.mkdir(parents=True, exist_ok=True)
        self._state = state
        self._open()
        shape = (GRID_IMAGES, state.generator.latent_size)
        self._latents = StatelessRng(seed).normal(Purpose.GRID_LATENTS, shape)
        self._real_shown: tuple[int, float] | None = None

    def _naming_disk_errors(self) -> contextlib.AbstractContextManager[None]:
        return naming_disk_errors(self._folder.path)

    def _open(self) -> None:
        with self._naming_disk_errors():
            _drop_events(self._folder.tensorboard, after=int(self._state.iteration.numpy()))
            self._writer = tf.summary.create_file_writer(str(self._folder.tensorboard))

    def go_back(self) -> None:
        """Drops what was written of iterations after the one that the state has gone back to."""
        self.close()
        self._open()

    def write_scalars(
        self, position: Position, metrics: Mapping[str, tf.Tensor], images_per_second: float
    ) -> None:
        """Writes an iteration's metrics, where the schedule stands, and the attention's gammas."""
        scalars = {name: float(value) for name, value in metrics.items()}
        scalars["schedule/alpha"] = position.alpha
        scalars["schedule/resolution"] = position.phase.resolution
        scalars["schedule/batch_size"] = position.phase.batch_size
        scalars["schedule/learning_rate"] = position.phase.learning_rate
        scalars["schedule/images"] = position.image
        scalars["skipped_iterations"] = int(self._state.skipped.numpy())
        scalars["images_per_second"] = images_per_second
        networks = {"discriminator": self._state.discriminator, "generator": self._state.generator}
        for name, network in networks.items():
            for resolution, gamma in network.attention_gammas().items():
                scalars[f"attention_gamma/{name}_{resolution}"] = float(tf.convert_to_tensor(gamma))
        with self._naming_disk_errors(), self._writer.as_default(step=position.iteration):
            for name, value in scalars.items():
                tf.summary.scalar(name, value)

    def write_evaluation(self, position: Position, values: Mapping[str, float]) -> None:
        """Writes what an evaluation has measured."""
        with self._naming_disk_errors(), self._writer.as_default(step=position.iteration):
            for name, value in values.items():
                tf.summary.scalar(f"evaluation/{name}", value)
            self._writer.flush()

    def write_grids(self, position: Position, real: Samples, label_weight: float = 1.0) -> None:
        """Writes the fixed latents through the averaged generator, and real images at the same alpha.

        Each generated image has the labels of the real one at its place. There is one more grid for every
        label: a row for each of a few of its values, the same latents and other labels in every row.
        The real images are written again only when they look different.

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

        self._write_grid("generated", position, generate(self._latents, real.labels))
        for label, columns in self._state.average.label_schema.columns():
            values = label.examples()
            labels = np.tile(real.labels[:_CHUNK], (len(values), 1))
            labels[:, columns] = np.repeat(label.encode(values), _CHUNK, axis=0)
            images = generate(tf.tile(self._latents[:_CHUNK], [len(values), 1]), tf.constant(labels))
            name = f"generated_by_{label.name.rsplit('/', 1)[-1]}"
            self._write_grid(name, position, images, _CHUNK)
        if self._real_shown != (phase.level, position.alpha):
            self._real_shown = (phase.level, position.alpha)
            images = blend_real(real.images, alpha) if phase.fading else real.images
            self._write_grid("real", position, images.numpy())
        with self._naming_disk_errors():
            self._writer.flush()

    def _write_grid(
        self, name: str, position: Position, values: np.ndarray, columns: int | None = None
    ) -> None:
        grid = image_io.make_grid(values, columns)
        path = self._folder.sample_grid(name, position.image, position.phase.resolution)
        with self._naming_disk_errors(), self._writer.as_default(step=position.iteration):
            image_io.write_png(path, grid)
            tf.summary.image(name, grid[np.newaxis, ..., np.newaxis])

    def close(self) -> None:
        """Writes out what is buffered."""
        with self._naming_disk_errors():
            self._writer.close()


def _drop_events(folder: pathlib.Path, after: int) -> None:
    """Drops the events of iterations that are made again, lest TensorBoard shows them twice."""
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
