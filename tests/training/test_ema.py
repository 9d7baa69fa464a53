"""What is read of a run whose folder holds a checkpoint of any iteration."""

import json

import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.training.ema import load_average
from tests.untrained_runs import SCHEDULE, make_state, write_run

pytestmark = pytest.mark.both_stacks


@pytest.fixture(scope="module")
def state():
    return make_state()


@pytest.mark.parametrize("name", ["run", "run [1]", "run*", r"run\x"])
def test_the_average_of_the_newest_checkpoint_is_read_whatever_the_folder_is_called(name, state, tmp_path):
    folder = tmp_path / name
    write_run(folder, state, 2)
    write_run(folder, state, SCHEDULE.iterations)
    loaded = load_average(folder)
    assert (loaded.level, loaded.alpha, loaded.iteration) == (2, 1.0, SCHEDULE.iterations)
    for ours, theirs in zip(loaded.generator.get_weights(), state.average.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


# 4x4 takes 2 iterations of 8 images, 8x8 fades in over 2 and is stable for 2, so does 16x16.
@pytest.mark.parametrize(
    ("iteration", "level", "alpha"),
    [(2, 0, 1.0), (3, 1, 0.5), (4, 1, 1.0), (6, 1, 1.0), (7, 2, 0.5), (10, 2, 1.0)],
)
def test_a_run_is_read_at_the_level_that_it_has_reached(iteration, level, alpha, state, tmp_path):
    write_run(tmp_path, state, iteration)
    loaded = load_average(tmp_path)
    assert (loaded.level, loaded.alpha, loaded.iteration) == (level, alpha, iteration)
    assert loaded.images == 8 * iteration


def test_a_damaged_checkpoint_is_passed_over(state, tmp_path):
    write_run(tmp_path, state, 5)
    write_run(tmp_path, state, 6)
    (tmp_path / "checkpoints" / "checkpoint-6.index").write_bytes(b"broken")
    assert load_average(tmp_path).iteration == 5


def test_a_folder_without_a_checkpoint_is_refused(state, tmp_path):
    write_run(tmp_path, state, 5)
    (tmp_path / "checkpoints" / "checkpoint-5.index").unlink()
    with pytest.raises(UserError, match="holds nothing trained yet; train it first"):
        load_average(tmp_path)


def test_a_run_whose_checkpoints_are_all_damaged_is_said_to_be(state, tmp_path):
    write_run(tmp_path, state, 5)
    (tmp_path / "checkpoints" / "checkpoint-5.index").write_bytes(b"broken")
    with pytest.raises(UserError, match="is damaged.*none of its checkpoints can be read.*--saved_model"):
        load_average(tmp_path)


def test_a_checkpoint_of_another_schedule_is_refused(state, tmp_path):
    write_run(tmp_path, state, 6)
    document = json.loads((tmp_path / "config.json").read_text())
    document["schedule"] |= {"fade_images": 1, "stable_images": 1}
    (tmp_path / "config.json").write_text(json.dumps(document))
    message = "does not belong to its config.json: iteration 6 is outside the run of 5"
    with pytest.raises(UserError, match=message):
        load_average(tmp_path)
