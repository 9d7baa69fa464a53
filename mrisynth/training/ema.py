"""The averaged generator of a run, finished or not, without the rest of its state."""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import tensorflow as tf

from mrisynth import checksums
from mrisynth.errors import UserError
from mrisynth.networks import Generator
from mrisynth.run_folder import RunFolder
from mrisynth.training import checkpoints
from mrisynth.training.run_config import RunConfig, read_run_config


@dataclasses.dataclass(frozen=True)
class AveragedGenerator:
    """The exponential moving average of a run's generator ([PG] section A.1).

    Attributes:
        generator: A float32 network with the averages of the newest checkpoint that can be read.
        level: The level that the run has reached: the last one unless it is still growing.
        alpha: Weight of that level's own image, more than 0, and less than 1 while it fades in.
        iteration: Number of iterations at the checkpoint.
        images: Number of real images that the discriminator had been shown.
        config: All settings of the run.
    """

    generator: Generator
    level: int
    alpha: float
    iteration: int
    images: int
    config: RunConfig

    @functools.cached_property
    def checksum(self) -> str:
        """SHA-256 of the averaged weights, hexadecimal; an export carries it in its model card."""
        return checksums.of_arrays(self.generator.get_weights())


def load_average(run_dir: pathlib.Path) -> AveragedGenerator:
    """Reads a run's averaged generator.

    Args:
        run_dir: The run's folder.

    Returns:
        The generator and where the run stands.

    Raises:
        UserError: If the folder holds no run, or none of its checkpoints can be read.
    """
    folder = RunFolder(run_dir)
    config = read_run_config(folder)
    network, schema = config.training.network, config.training.label_schema
    generator = Generator.from_network_config(network, label_schema=schema, dtype="float32", name="average")
    iteration = tf.Variable(0, dtype=tf.int64)
    parts = tf.train.Checkpoint(average=generator.named_variables(), iteration=iteration)
    checkpoints.read_newest(folder, parts)
    try:
        position = config.training.schedule.at_iteration(int(iteration.numpy()))
    except ValueError as error:
        raise UserError(
            f"--run_dir={run_dir} has a checkpoint that does not belong to its config.json: {error}; "
            "if it has a saved_model, give that as --saved_model"
        ) from error
    level, alpha = position.phase.level, position.alpha
    if alpha == 0:
        # Before the first iteration of a fade, the run is where the level below has left it.
        level, alpha = level - 1, 1.0
    return AveragedGenerator(generator, level, alpha, position.iteration, position.image, config)
