"""Checkpoints of a run, and the configuration that they belong to."""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import Any

import tensorflow as tf

import mrisynth
from mrisynth.errors import UserError
from mrisynth.training.config import TrainingConfig
from mrisynth.training.state import TrainingState

_KEPT = 3
_CONFIG_NAME = "config.json"


class Checkpoints:
    """Saves and restores a run's state in run_dir/checkpoints, keeping the newest few.

    Args:
        run_dir: The run's folder.
        state: What is saved.
    """

    def __init__(self, run_dir: pathlib.Path, state: TrainingState) -> None:
        self._state = state
        self._manager = tf.train.CheckpointManager(
            state.checkpoint(), str(run_dir / "checkpoints"), max_to_keep=_KEPT, checkpoint_name="checkpoint"
        )

    def restore(self) -> bool:
        """Restores the newest checkpoint; False where there is none yet.

        Raises:
            UserError: If the checkpoint cannot be read or does not fit.
        """
        newest = self._manager.latest_checkpoint
        if newest is None:
            return False
        try:
            self._manager.checkpoint.restore(newest).assert_consumed()
        except (AssertionError, tf.errors.OpError, ValueError) as error:
            raise UserError(
                f"{newest} cannot be restored ({str(error).splitlines()[0]}); remove it from "
                f"{self._manager.directory} to go on from the one before, or start in another --run_dir"
            ) from error
        return True

    def save(self) -> None:
        """Saves the state as it is."""
        self._manager.save(checkpoint_number=int(self._state.iteration.numpy()))


def check_run_dir(config: TrainingConfig, data_fingerprint: str) -> None:
    """Checks that a run's folder is new or holds this very run.

    Raises:
        UserError: If it holds another configuration, naming what differs.
    """
    path = config.run_dir / _CONFIG_NAME
    if not path.exists():
        return
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read; use another --run_dir") from error
    asked = _identity(config, data_fingerprint)
    differences = [
        f"--{name} was {found.get(section, {}).get(name)}, is {value}"
        for section, values in asked.items()
        for name, value in values.items()
        if found.get(section, {}).get(name) != value
    ]
    if differences:
        listed = "; ".join(differences).replace("--fingerprint", "the data set")
        raise UserError(
            f"--run_dir={config.run_dir} holds a run with another configuration ({listed}); give the same "
            "flags to resume it, or another --run_dir to start afresh"
        )


def write_config(config: TrainingConfig, data_fingerprint: str) -> None:
    """Writes config.json: what makes the run this run, and how it is carried out now.

    Raises:
        UserError: If the folder cannot be written.
    """
    contents = {
        "mrisynth": mrisynth.__version__,
        **_identity(config, data_fingerprint),
        "runtime": {**dataclasses.asdict(config.runtime), "data_dir": str(config.data_dir)},
    }
    path = config.run_dir / _CONFIG_NAME
    aside = path.with_name(f".{path.name}.partial")
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(contents, indent=2) + "\n")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"--run_dir={config.run_dir} cannot be written: {error.strerror}") from error


def _identity(config: TrainingConfig, data_fingerprint: str) -> dict[str, dict[str, Any]]:
    """What makes a run this run, as it reads in JSON: all settings but how it is carried out."""
    schedule = dataclasses.asdict(config.schedule)
    schedule["batch_sizes"] = {str(key): value for key, value in sorted(schedule["batch_sizes"].items())}
    sections = {
        "run": {"model": config.model},
        "network": dataclasses.asdict(config.network),
        "schedule": schedule,
        "optimization": dataclasses.asdict(config.optimization),
        "data": {"fingerprint": data_fingerprint},
    }
    return json.loads(json.dumps(sections))
