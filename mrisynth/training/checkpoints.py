"""Checkpoints of a run, and the configuration that they belong to."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import shutil
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

import tensorflow as tf

import mrisynth
from mrisynth.errors import UserError
from mrisynth.run_folder import naming_disk_errors
from mrisynth.training import strategies
from mrisynth.training.config import TrainingConfig
from mrisynth.training.state import TrainingState

KEPT = 3
"""How many of the newest checkpoints are kept, beside the last one of every phase."""

CONFIG_NAME = "config.json"
_FOLDER = "checkpoints"
_PREFIX = "checkpoint-"
# What TensorFlow raises for a file that is cut off, damaged, or of another run.
_UNREADABLE = (AssertionError, IndexError, RuntimeError, ValueError, tf.errors.OpError)


class Checkpoints:
    """Saves and restores a run's state in run_dir/checkpoints.

    Kept are the newest few and those of some iterations for good. A checkpoint is written aside, flushed to
    the disk and renamed, its index last: one that has an index is whole, whenever the run is killed.

    Args:
        run_dir: The run's folder.
        state: What is saved.
        strategy: That the state was created under. Of several workers the first writes, and says which
            checkpoint all of them restore.
        kept_for_good: Iterations whose checkpoints are not deleted: the last of every phase.
    """

    def __init__(
        self,
        run_dir: pathlib.Path,
        state: TrainingState,
        strategy: tf.distribute.Strategy,
        kept_for_good: Collection[int] = (),
    ) -> None:
        self._folder = run_dir / _FOLDER
        self._state = state
        self._strategy = strategy
        self._kept_for_good = kept_for_good
        self._checkpoint = state.checkpoint()

    def restore(self) -> bool:
        """Restores the newest checkpoint that can be read; False where there is none yet.

        A damaged checkpoint is named on the screen and the one before it is taken.

        Raises:
            UserError: If there are checkpoints, and none can be read.
        """
        return self._restore(self._restore_newest)

    def go_back(self) -> bool:
        """Restores the newest checkpoint whose last iteration was not skipped, and deletes those after it.

        Raises:
            UserError: As for `restore`.
        """
        return self._restore(self._restore_newest_good)

    def _restore(self, choose: Callable[[], int]) -> bool:
        """The first worker chooses and restores a checkpoint, the others follow."""
        chief = strategies.is_chief(self._strategy)
        chosen = strategies.from_chief(self._strategy, choose() if chief else 0)
        if not chief and chosen >= 0 and not self._read(chosen):
            raise UserError(
                f"{self._path(chosen)}, from which the first worker goes on, cannot be read by another; "
                "--run_dir must be a folder that all workers share"
            )
        return chosen >= 0

    def _restore_newest(self) -> int:
        """Restores the newest checkpoint that can be read and gives its iteration; -1 where there is none."""
        self._remove_leftovers()
        saved = self._saved()
        for iteration in reversed(saved):
            if self._read(iteration):
                return iteration
        if saved:
            raise UserError(f"no checkpoint in {self._folder} can be read; start in another --run_dir")
        return -1

    def _restore_newest_good(self) -> int:
        saved = self._saved()
        for iteration in reversed(saved):
            if self._read(iteration) and not self._state.is_skipping():
                for later in saved[saved.index(iteration) + 1 :]:
                    self._remove(later)
                return iteration
        return -1

    def save(self) -> None:
        """Saves the state as it is.

        Raises:
            UserError: If it cannot be written; the checkpoints before it stay whole.
        """
        if not strategies.is_chief(self._strategy):
            return
        with naming_disk_errors(self._folder):
            self._write(int(self._state.iteration.numpy()))
        for iteration in self._saved()[:-KEPT]:
            if iteration not in self._kept_for_good:
                self._remove(iteration)

    def _write(self, iteration: int) -> None:
        path = self._path(iteration)
        aside = self._folder / ".partial"
        shutil.rmtree(aside, ignore_errors=True)
        try:
            aside.mkdir(parents=True)
            self._checkpoint.write(str(aside / path.name))
            # The index, last, is what makes a checkpoint of the files.
            for file in sorted(aside.iterdir(), key=lambda file: file.suffix == ".index"):
                with file.open("rb") as written:
                    os.fsync(written.fileno())
                file.replace(self._folder / file.name)
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _read(self, iteration: int) -> bool:
        """Restores a checkpoint; says why it cannot."""
        try:
            self._checkpoint.read(str(self._path(iteration))).assert_consumed()
        except _UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            sys.stderr.write(
                f"{self._path(iteration)} is damaged ({reason}); trying the checkpoint before it\n"
            )
            return False
        return True

    def _remove_leftovers(self) -> None:
        """Deletes what a run that was killed while it wrote or deleted a checkpoint has left."""
        for file in self._folder.glob(f"{_PREFIX}*.data-*"):
            if not file.with_suffix(".index").exists():
                file.unlink()

    def _remove(self, iteration: int) -> None:
        """Deletes a checkpoint, its index first, so that half a one is none."""
        path = self._path(iteration)
        for file in (path.with_suffix(".index"), *self._folder.glob(f"{path.name}.data-*")):
            file.unlink(missing_ok=True)

    def _path(self, iteration: int) -> pathlib.Path:
        return self._folder / f"{_PREFIX}{iteration}"

    def _saved(self) -> list[int]:
        return _saved_iterations(self._folder)


def _saved_iterations(folder: pathlib.Path) -> list[int]:
    """Iterations of the checkpoints there are, in order."""
    numbers = (path.stem.removeprefix(_PREFIX) for path in folder.glob(f"{_PREFIX}*.index"))
    return sorted(int(number) for number in numbers if number.isdigit())


def read_newest(run_dir: pathlib.Path, parts: tf.train.Checkpoint) -> None:
    """Reads some parts of a run's newest checkpoint that can be read.

    Args:
        run_dir: The run's folder.
        parts: Objects by the names that `TrainingState.checkpoint` gives them.

    Raises:
        UserError: If there is no checkpoint, or none can be read.
    """
    folder = run_dir / _FOLDER
    for iteration in reversed(_saved_iterations(folder)):
        try:
            parts.read(
                str(folder / f"{_PREFIX}{iteration}")
            ).assert_existing_objects_matched().expect_partial()
        except _UNREADABLE:
            continue
        return
    raise UserError(f"--run_dir={run_dir} has no checkpoint that can be read; train it first")


def check_run_dir(config: TrainingConfig, data_fingerprint: str | None = None) -> None:
    """Checks that a run's folder is new or holds this very run.

    The batch of a resolution that has not been begun may change: whoever finds that it does not fit the
    device loses nothing.

    Args:
        config: The run.
        data_fingerprint: Of its data set; None, where that is not there yet, leaves it unchecked.

    Raises:
        UserError: If it holds another configuration, naming what differs.
    """
    path = config.run_dir / CONFIG_NAME
    if not path.exists():
        if (config.run_dir / _FOLDER).exists():
            raise UserError(f"--run_dir={config.run_dir} has checkpoints but no {CONFIG_NAME}; use another")
        return
    try:
        found = json.loads(path.read_text())
        asked = _identity(config, data_fingerprint)
        reached = max(_saved_iterations(config.run_dir / _FOLDER), default=0)
        begun = {str(phase.resolution) for phase in config.schedule.phases if phase.first_iteration < reached}
        batches = found["schedule"]["batch_sizes"]
        batches |= {r: batch for r, batch in asked["schedule"]["batch_sizes"].items() if r not in begun}
        differences = _differences(found, asked)
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
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
    path = config.run_dir / CONFIG_NAME
    aside = path.with_name(f".{path.name}.partial")
    try:
        config.run_dir.mkdir(parents=True, exist_ok=True)
        with aside.open("w") as file:
            file.write(json.dumps(contents, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
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
