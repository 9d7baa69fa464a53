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


def run_description(config: TrainingConfig, data_fingerprint: str) -> dict[str, Any]:
    """What makes a run this run: its settings without those that only say how it is carried out."""
    return {
        "model": config.model,
        "network": dataclasses.asdict(config.network),
        "schedule": {
            **dataclasses.asdict(config.schedule),
            "batch_sizes": {str(key): value for key, value in sorted(config.schedule.batch_sizes.items())},
        },
        "optimization": dataclasses.asdict(config.optimization),
        "data": {"fingerprint": data_fingerprint},
    }


def claim_run_dir(config: TrainingConfig, data_fingerprint: str) -> None:
    """Writes config.json into a new run's folder, or checks that the folder holds this very run.

    Raises:
        UserError: If it holds another configuration or cannot be written, naming what differs.
    """
    path = config.run_dir / "config.json"
    description = run_description(config, data_fingerprint)
    contents = {
        "mrisynth": mrisynth.__version__,
        "data_dir": str(config.data_dir),
        **json.loads(json.dumps(description)),
        "runtime": dataclasses.asdict(config.runtime),
    }
    if path.exists():
        _check_same_run(path, contents, tuple(description))
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.partial")
        aside.write_text(json.dumps(contents, indent=2) + "\n")
        aside.replace(path)
    except OSError as error:
        raise UserError(f"--run_dir={config.run_dir} cannot be written: {error.strerror}") from error


def _check_same_run(path: pathlib.Path, contents: dict[str, Any], sections: tuple[str, ...]) -> None:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read; use another --run_dir") from error
    differences = []
    for section in sections:
        old, new = found.get(section), contents[section]
        if isinstance(old, dict) and isinstance(new, dict):
            names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
            differences += [f"--{name} was {old.get(name)}, is {new.get(name)}" for name in names]
        elif old != new:
            differences.append(f"--{section} was {old}, is {new}")
    if differences:
        listed = "; ".join(differences).replace("--fingerprint", "the data set of --data_dir")
        raise UserError(
            f"--run_dir={path.parent} holds a run with another configuration ({listed}); give the same flags "
            "to resume it, or another --run_dir to start afresh"
        )
