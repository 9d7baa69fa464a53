import errno
import os

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.run_folder import RunFolder
from mrisynth.training.checkpoints import Checkpoints, check_run_dir, saved_iterations
from mrisynth.training.config import TrainingConfig
from tests.untrained_runs import NETWORK, SCHEDULE, make_state, write_run

STRATEGY = tf.distribute.get_strategy()


@pytest.fixture
def state():
    return make_state()


def save(checkpoints, state, iteration):
    state.iteration.assign(iteration)
    checkpoints.save()


def files(folder):
    return {path.name: path.read_bytes() for path in folder.checkpoints.iterdir()}


def test_the_newest_three_are_kept_and_some_for_good(state, tmp_path):
    folder = RunFolder(tmp_path)
    checkpoints = Checkpoints(folder, state, STRATEGY, kept_for_good={2})
    assert saved_iterations(folder) == []
    for iteration in (1, 2, 3, 4, 10, 11):
        save(checkpoints, state, iteration)
    # In the order of their numbers, not of their names.
    assert saved_iterations(folder) == [2, 4, 10, 11]
    assert len(files(folder)) == 2 * 4


@pytest.mark.both_stacks
@pytest.mark.parametrize("name", ["run", "run [1]", "*", r"a\b"])
def test_the_newest_is_restored_whatever_the_folder_is_called(name, state, tmp_path):
    checkpoints = Checkpoints(RunFolder(tmp_path / name), state, STRATEGY)
    assert not checkpoints.restore()
    for iteration in (1, 12):
        save(checkpoints, state, iteration)
    before = state.average.get_weights()
    state.iteration.assign(0)
    state.average.set_weights([0 * weight for weight in before])
    assert checkpoints.restore()
    assert int(state.iteration) == 12
    for actual, expected in zip(state.average.get_weights(), before, strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_a_damaged_checkpoint_is_named_and_the_one_before_is_restored(state, tmp_path, capsys):
    folder = RunFolder(tmp_path)
    checkpoints = Checkpoints(folder, state, STRATEGY)
    for iteration in (4, 5):
        save(checkpoints, state, iteration)
    newest = folder.checkpoints / "checkpoint-5.data-00000-of-00001"
    newest.write_bytes(newest.read_bytes()[:100])
    assert checkpoints.restore()
    assert int(state.iteration) == 4
    assert "checkpoint-5 is damaged" in capsys.readouterr().err
    for path in folder.checkpoints.iterdir():
        if ".data-" in path.name:
            path.write_bytes(b"")
    with pytest.raises(UserError, match="no checkpoint .* can be read; start in another --run_dir"):
        checkpoints.restore()


def test_half_a_checkpoint_is_none_and_is_removed(state, tmp_path):
    folder = RunFolder(tmp_path)
    checkpoints = Checkpoints(folder, state, STRATEGY)
    save(checkpoints, state, 4)
    whole = files(folder)
    (folder.checkpoints / "checkpoint-5.data-00000-of-00001").write_bytes(b"half")
    assert saved_iterations(folder) == [4]
    assert checkpoints.restore()
    assert files(folder) == whole


def test_rolling_back_takes_the_newest_good_one_and_deletes_those_after_it(state, tmp_path):
    folder = RunFolder(tmp_path)
    checkpoints = Checkpoints(folder, state, STRATEGY)
    save(checkpoints, state, 3)
    state.skipped_in_a_row.assign([0, 0, 1])
    save(checkpoints, state, 5)
    assert checkpoints.roll_back()
    assert (int(state.iteration), state.is_skipping()) == (3, False)
    assert saved_iterations(folder) == [3]


def test_rolling_back_needs_a_good_one(state, tmp_path):
    checkpoints = Checkpoints(RunFolder(tmp_path), state, STRATEGY)
    state.skipped_in_a_row.assign([0, 0, 1])
    save(checkpoints, state, 5)
    assert not checkpoints.roll_back()


def test_what_cannot_be_written_leaves_those_before_it(state, tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    checkpoints = Checkpoints(folder, state, STRATEGY)
    save(checkpoints, state, 3)
    before = files(folder)

    def fail(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="cannot be written .*make room and run the same command again"):
        save(checkpoints, state, 4)
    assert files(folder) == before


def test_checkpoints_without_a_configuration_are_not_touched(state, tmp_path):
    write_run(tmp_path, state, 4)
    (tmp_path / "config.json").unlink()
    with pytest.raises(UserError, match="has checkpoints but no config.json"):
        check_run_dir(TrainingConfig(tmp_path, tmp_path, network=NETWORK, schedule=SCHEDULE))
