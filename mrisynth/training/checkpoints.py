"""Checkpoints of a run, and the configuration that they belong to."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import sys
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

import mrisynth
from mrisynth.errors import UserError
from mrisynth.training.config import TrainingConfig
from mrisynth.training.state import TrainingState

KEPT = 3
"""Checkpoints of a run that are kept: the newest few."""
_CONFIG_NAME = "config.json"
_FOLDER = "checkpoints"
# What TensorFlow raises for a file that is cut off, damaged, or of another run.
_UNREADABLE = (AssertionError, IndexError, RuntimeError, ValueError, tf.errors.OpError)


class Checkpoints:
    """Saves and restores a run's state in run_dir/checkpoints, keeping the newest few.

    Args:
        run_dir: The run's folder.
        state: What is saved.
    """

    def __init__(self, run_dir: pathlib.Path, state: TrainingState) -> None:
        self._state = state
        self._manager = tf.train.CheckpointManager(
            state.checkpoint(), str(run_dir / _FOLDER), max_to_keep=KEPT, checkpoint_name="checkpoint"
        )

    def restore(self) -> bool:
        """Restores the newest checkpoint that can be read; False where there is none yet.

        A damaged checkpoint is named on the screen and the one before it is taken.

        Raises:
            UserError: If there are checkpoints, and none can be read.
        """
        saved = self._manager.checkpoints
        for path in reversed(saved):
            try:
                self._manager.checkpoint.restore(path).assert_consumed()
            except _UNREADABLE:
                sys.stderr.write(f"{path} is damaged; trying the checkpoint before it\n")
            else:
                return True
        if saved:
            raise UserError(
                f"no checkpoint in {self._manager.directory} can be read; start in another --run_dir"
            )
        return False

    def save(self) -> None:
        """Saves the state as it is."""
        self._manager.save(checkpoint_number=int(self._state.iteration.numpy()))


def check_run_dir(config: TrainingConfig, data_fingerprint: str | None = None) -> None:
    """Checks that a run's folder is new or holds this very run.

    Args:
        config: The run.
        data_fingerprint: Of its data set; None, where that is not there yet, leaves it unchecked.

    Raises:
        UserError: If it holds another configuration, naming what differs.
    """
    path = config.run_dir / _CONFIG_NAME
    if not path.exists():
        if (config.run_dir / _FOLDER).exists():
            raise UserError(f"--run_dir={config.run_dir} has checkpoints but no {_CONFIG_NAME}; use another")
        return
    try:
        found = json.loads(path.read_text())
        differences = _differences(found, _identity(config, data_fingerprint))
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"{path} cannot be read; use another --run_dir") from error
    if differences:
        listed = "; ".join(differences)
        raise UserError(
            f"--run_dir={config.run_dir} holds a run with another configuration ({listed}); give the same "
            "flags to resume it, or another --run_dir to start afresh"
        )


def write_config(config: TrainingConfig, data_fingerprint: str, environment: Mapping[str, Any]) -> None:
    """Writes config.json: what makes the run this run, and how it is carried out now.

    Args:
        config: The run.
        data_fingerprint: Of its data set.
        environment: What "auto" came to on this machine, and versions.

    Raises:
        UserError: If the folder cannot be written.
    """
    contents = {
        "mrisynth": mrisynth.__version__,
        **_identity(config, data_fingerprint),
        "runtime": {**dataclasses.asdict(config.runtime), "data_dir": str(config.data_dir)},
        "environment": dict(environment),
    }
    path = config.run_dir / _CONFIG_NAME
    aside = path.with_name(f".{path.name}.partial")
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(contents, indent=2) + "\n")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"--run_dir={config.run_dir} cannot be written: {error.strerror}") from error


def _differences(found: dict[str, Any], asked: dict[str, dict[str, Any]]) -> list[str]:
    """What differs between two runs' identities, a line for each flag."""
    lines = {}
    for section, values in asked.items():
        for name, value in values.items():
            before = found.get(section, {}).get(name)
            if before == value or (name == "fingerprint" and value is None):
                continue
            if name == "fingerprint":
                lines[name] = "--data_dir holds another data set"
            else:
                lines[name] = f"--{name} was {_as_flag(before)}, is {_as_flag(value)}"
    return list(lines.values())


def _as_flag(value: Any) -> str:
    """A setting as one would write it on the command line."""
    if isinstance(value, dict):
        return ",".join(f"{key}:{item}" for key, item in value.items())
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _identity(config: TrainingConfig, data_fingerprint: str | None) -> dict[str, dict[str, Any]]:
    """What makes a run this run, as it reads in JSON: all settings but how it is carried out."""
    schedule = dataclasses.asdict(config.schedule)
    batch_sizes = config.schedule.used_batch_sizes
    schedule["batch_sizes"] = {str(resolution): batch for resolution, batch in batch_sizes.items()}
    sections = {
        "run": {"model": config.model},
        "network": dataclasses.asdict(config.network),
        "schedule": schedule,
        "optimization": dataclasses.asdict(config.optimization),
        "data": {"phantom_subjects": config.phantom_subjects, "fingerprint": data_fingerprint},
    }
    return json.loads(json.dumps(sections))
