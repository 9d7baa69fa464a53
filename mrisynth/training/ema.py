"""The averaged generator of a run, finished or not, without the rest of its state."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.networks import Generator, NetworkConfig
from mrisynth.training import checkpoints
from mrisynth.training.schedule import GrowthSchedule


@dataclasses.dataclass(frozen=True)
class AveragedGenerator:
    """What a run has come to.

    Attributes:
        generator: Float32, its weights the moving average of the newest checkpoint that can be read.
        level: The level that the run has reached: the last one unless it is still growing.
        alpha: Weight of that level's own image, more than 0, and less than 1 while it fades in.
        iteration: Of the checkpoint.
        last_iteration: Of the whole run.
        images: Real images that the discriminator had been shown.
        config: The run's config.json.
    """

    generator: Generator
    level: int
    alpha: float
    iteration: int
    last_iteration: int
    images: int
    config: dict[str, Any]


def load_average(run_dir: pathlib.Path) -> AveragedGenerator:
    """Reads a run's averaged generator.

    Args:
        run_dir: The run's folder.

    Returns:
        The generator and where the run stands.

    Raises:
        UserError: If the folder holds no run, or none of its checkpoints can be read.
    """
    config = read_config(run_dir)
    network, schedule = _parse(run_dir, config)
    generator = Generator.from_network_config(network, dtype="float32", name="average")
    iteration = tf.Variable(0, dtype=tf.int64)
    parts = tf.train.Checkpoint(average=generator.named_variables(), iteration=iteration)
    checkpoints.read_newest(run_dir, parts)
    try:
        position = schedule.at_iteration(int(iteration.numpy()))
    except ValueError as error:
        raise UserError(
            f"--run_dir={run_dir} has a checkpoint that does not belong to its config.json: {error}; "
            "evaluate its saved_model with --saved_model and --data_dir"
        ) from error
    level, alpha = position.phase.level, position.alpha
    if alpha == 0:
        # Before the first iteration of a fade, the run is where the level below has left it.
        level, alpha = level - 1, 1.0
    return AveragedGenerator(
        generator, level, alpha, position.iteration, schedule.iterations, position.image, config
    )


def _parse(run_dir: pathlib.Path, config: dict[str, Any]) -> tuple[NetworkConfig, GrowthSchedule]:
    """What config.json says about the networks and their growth."""
    try:
        sections = {name: _tuples(config[name]) for name in ("network", "schedule")}
        batch_sizes = sections["schedule"]["batch_sizes"]
        sections["schedule"]["batch_sizes"] = {int(r): batch for r, batch in batch_sizes.items()}
        return NetworkConfig(**sections["network"]), GrowthSchedule(**sections["schedule"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(
            f"--run_dir={run_dir} was written by another version of mrisynth; evaluate its saved_model "
            "with --saved_model and --data_dir"
        ) from error


def read_config(run_dir: pathlib.Path) -> dict[str, Any]:
    """A run's config.json.

    Raises:
        UserError: If there is none, or it cannot be read.
    """
    path = run_dir / checkpoints.CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"--run_dir={run_dir} holds no run: it has no {path.name}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read ({error}); is --run_dir the folder of a run?") from error
    return config


def _tuples(section: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) if isinstance(value, list) else value for name, value in section.items()}
