import pytest
import tensorflow as tf

from mrisynth.run_folder import RunFolder
from mrisynth.training.profiling import Profiler


@pytest.fixture
def calls(monkeypatch):
    made = []
    monkeypatch.setattr(tf.profiler.experimental, "start", made.append)
    monkeypatch.setattr(tf.profiler.experimental, "stop", lambda: made.append("stop"))
    return made


def walk(profiler, iterations, calls):
    for iteration in iterations:
        profiler.before(iteration)
        calls.append(iteration)
        profiler.after(iteration + 1)


def test_the_first_and_the_last_iteration_are_recorded(calls, tmp_path):
    walk(Profiler(RunFolder(tmp_path), (2, 3)), range(6), calls)
    assert calls == [0, 1, str(tmp_path / "tensorboard"), 2, 3, "stop", 4, 5]


def test_a_run_that_ends_before_writes_what_there_is(calls, tmp_path):
    profiler = Profiler(RunFolder(tmp_path), (2, 30))
    walk(profiler, range(4), calls)
    profiler.close()
    profiler.close()
    assert calls[-2:] == [3, "stop"]


def test_nothing_is_recorded_unless_asked(calls, tmp_path):
    walk(Profiler(RunFolder(tmp_path), ()), range(3), calls)
    assert calls == [0, 1, 2]
