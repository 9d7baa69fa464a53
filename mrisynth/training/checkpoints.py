"""Checkpoints of a run."""

from __future__ import annotations

import pathlib
import shutil
import sys
from collections.abc import Callable, Collection

import tensorflow as tf

from mrisynth.atomic_io import move_files
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.run_folder import RunFolder
from mrisynth.tensorflow_paths import literal_folder
from mrisynth.training import strategies
from mrisynth.training.config import TrainingConfig
from mrisynth.training.origin import find_source
from mrisynth.training.run_config import RunConfig, check_goes_on, differences, read_run_config
from mrisynth.training.state import TrainingState

KEPT = 3
"""How many of the newest checkpoints are kept, beside the last one of every phase."""

_PREFIX = "checkpoint-"
# What TensorFlow raises for a file that is cut off, damaged, or of another run.
_UNREADABLE = (AssertionError, IndexError, RuntimeError, ValueError, tf.errors.OpError)


class Checkpoints:
    """Saves and restores a run's state.

    The newest few checkpoints are kept, and those of some iterations for good. A checkpoint is written aside,
    flushed to the disk and renamed, its index last: one that has an index is whole, whenever the run is
    killed.

    Args:
        folder: The run's folder.
        state: What is saved.
        strategy: The strategy that the state was created under. Of several workers the first writes, and says
            which checkpoint all of them restore.
        kept_for_good: Iterations whose checkpoints are not deleted: the last of every phase.
    """

    def __init__(
        self,
        folder: RunFolder,
        state: TrainingState,
        strategy: tf.distribute.Strategy,
        kept_for_good: Collection[int] = (),
    ) -> None:
        self._run = folder
        self._folder = folder.checkpoints
        self._state = state
        self._strategy = strategy
        self._kept_for_good = kept_for_good
        self._checkpoint = state.checkpoint()

    def restore(self) -> bool:
        """Restores the newest checkpoint that can be read.

        A damaged checkpoint is named on the screen and the one before it is taken.

        Returns:
            Whether there was one.

        Raises:
            UserError: If there are checkpoints, and none can be read.
        """
        return self._restore(self._restore_newest)

    def roll_back(self) -> bool:
        """Restores the newest checkpoint whose last iteration was not skipped, and deletes those after it.

        Returns:
            Whether there was one.

        Raises:
            UserError: If a worker cannot read the checkpoint that the first one chose.
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
        with naming_disk_errors(self._folder):
            self._remove_leftovers()
        saved = saved_iterations(self._run)
        for iteration in reversed(saved):
            if self._read(iteration):
                return iteration
        if saved:
            raise UserError(f"no checkpoint in {self._folder} can be read; start in another --run_dir")
        return -1

    def _restore_newest_good(self) -> int:
        saved = saved_iterations(self._run)
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
            for iteration in saved_iterations(self._run)[:-KEPT]:
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
            move_files(aside, self._folder, last=f"{path.name}.index")
        finally:
            shutil.rmtree(aside, ignore_errors=True)

    def _read(self, iteration: int) -> bool:
        """Restores a checkpoint; says why it cannot."""
        try:
            with literal_folder(self._folder) as folder:
                self._checkpoint.read(str(folder / self._path(iteration).name)).assert_consumed()
        except _UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            sys.stderr.write(
                f"{self._path(iteration)} is damaged ({reason}); trying the checkpoint before it\n"
            )
            return False
        return True

    def _remove_leftovers(self) -> None:
        """Deletes what a run that was killed while it wrote or deleted a checkpoint has left."""
        for file in _files(self._folder):
            if not file.with_suffix(".index").exists():
                file.unlink()

    def _remove(self, iteration: int) -> None:
        """Deletes a checkpoint, its index first, so that half a one is none."""
        path = self._path(iteration)
        path.with_suffix(".index").unlink(missing_ok=True)
        for file in _files(self._folder):
            if file.stem == path.name:
                file.unlink()

    def _path(self, iteration: int) -> pathlib.Path:
        return self._folder / f"{_PREFIX}{iteration}"


def _files(folder: pathlib.Path) -> list[pathlib.Path]:
    """The files of all checkpoints there are: two or more for each, one of them its index."""
    if not folder.is_dir():
        return []
    return [file for file in folder.iterdir() if file.name.startswith(_PREFIX)]


def saved_iterations(folder: RunFolder) -> list[int]:
    """Iterations of the checkpoints that a run has, in order."""
    indices = (file for file in _files(folder.checkpoints) if file.suffix == ".index")
    numbers = (index.stem.removeprefix(_PREFIX) for index in indices)
    return sorted(int(number) for number in numbers if number.isdigit())


def read_newest(run: RunFolder, parts: tf.train.Checkpoint) -> None:
    """Reads some parts of a run's newest checkpoint that can be read.

    Args:
        run: The run's folder.
        parts: Objects by the names that `TrainingState.checkpoint` gives them.

    Raises:
        UserError: If there is no checkpoint, or none can be read.
    """
    saved = saved_iterations(run)
    with literal_folder(run.checkpoints) as folder:
        for iteration in reversed(saved):
            try:
                read = parts.read(str(folder / f"{_PREFIX}{iteration}"))
                read.assert_existing_objects_matched().expect_partial()
            except _UNREADABLE:
                continue
            return
    if not saved:
        raise UserError(f"--run_dir={run.path} holds nothing trained yet; train it first")
    raise UserError(
        f"--run_dir={run.path} is damaged, or its config.json was changed: none of its checkpoints can be "
        "read; if it has a saved_model, give that as --saved_model"
    )


def check_run_dir(config: TrainingConfig, fingerprint: str | None = None) -> None:
    """Checks that a run's folder is new or holds this very run.

    Args:
        config: The run.
        fingerprint: Identifies its data set; None, where that is not there yet, leaves it unchecked.

    Raises:
        UserError: If it holds another run, naming what differs; or if the run has not begun and what its
            first weights are to be taken from is not there.
    """
    folder = config.folder
    if config.init_from and not saved_iterations(folder):
        find_source(config.init_from)
    if not folder.config.exists():
        if folder.checkpoints.exists():
            raise UserError(
                f"--run_dir={config.run_dir} has checkpoints but no {folder.config.name}; use another"
            )
        return
    found = read_run_config(folder)
    check_goes_on(found, "--run_dir")
    reached = max(saved_iterations(folder), default=0)
    if different := differences(found, RunConfig(config, fingerprint), reached):
        raise UserError(
            f"--run_dir={config.run_dir} holds a run with another configuration ({'; '.join(different)}); "
            "give the same flags to resume it, or another --run_dir to start afresh"
        )
