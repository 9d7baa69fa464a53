"""The programs that runs are trained and evaluated by stand for themselves in tests/cli/test_compare.py."""

import functools
import os
import signal
import sys
import threading

import pytest

from mrisynth.comparison import programs
from mrisynth.cores import available_cores
from mrisynth.evaluation.results import FORMAT, FORMAT_VERSION
from mrisynth.training.interruption import Interrupted
from tests.comparison.plans import planned

# Stands for mrisynth-train and mrisynth-evaluate: notes what it was given and which cores it has, and writes
# an evaluation, unless the file "fail" or "wait" is there.
PROGRAM = """
import json, os, pathlib, sys, time

flags = dict(flag[2:].partition("=")[::2] for flag in sys.argv[2:])
run = pathlib.Path(flags["run_dir"])
root = run.parents[1]
cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
with (root / "calls").open("a") as calls:
    print(sys.argv[1], run.name, flags.get("images"), *cores, file=calls)
print("half way", flush=True)
time.sleep(0.2)
if (root / "wait").exists():
    time.sleep(60)
if (root / "fail").exists() and (root / "fail").read_text() == run.name:
    sys.exit("error: the disk is full")
results = {
    **HEAD,
    "data": {"generated_images": int(flags.get("images", 2000))},
    "utility": {"task": flags["utility"]} if flags.get("utility", "none") != "none" else None,
}
if not (root / "blind").exists():
    (run / "evaluation").mkdir(parents=True, exist_ok=True)
    (run / "evaluation" / "results.json").write_text(json.dumps(results))
"""


@pytest.fixture
def plan(tmp_path, monkeypatch):
    """Makes the comparison of a command line."""
    plan = functools.partial(planned, "DATA", tmp_path, "--seeds=2")
    script = tmp_path / "program.py"
    iterations = plan().runs[0].training.schedule.iterations
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "generator": {"iterations": iterations}}
    # Written into it: to import the package takes seconds.
    script.write_text(PROGRAM.replace("HEAD", repr(head)))
    monkeypatch.setattr(programs, "TRAIN", (sys.executable, str(script), "train"))
    monkeypatch.setattr(programs, "EVALUATE", (sys.executable, str(script), "evaluate"))
    monkeypatch.setattr(programs, "_POLL_SECONDS", 0.02)
    return plan


def calls(config):
    return [line.split() for line in (config.output / "calls").read_text().splitlines()]


def test_every_run_is_trained_once_pair_by_pair(plan, capsys, every_line):
    config = plan()
    done = []
    assert programs.carry_out(config, lambda: done.append(len(calls(config)))) == {}
    names = ["model_a_seed_0", "model_b_seed_0", "model_a_seed_1", "model_b_seed_1"]
    assert [call[:3] for call in calls(config)] == [["train", name, "None"] for name in names]
    assert done == [1, 2, 3, 4]
    said = capsys.readouterr().err
    assert "model b, seed 1: done in" in said
    assert "model a, seed 0: half way" in said
    assert "left" in said
    assert programs.carry_out(config, done.clear) == {}
    assert len(calls(config)) == 4


def test_other_images_and_utility_are_evaluated_again_and_nothing_is_trained_twice(plan):
    programs.carry_out(plan(), bool)
    config = plan("--images=50")
    programs.carry_out(config, bool)
    assert [call[0] for call in calls(config)] == ["train"] * 4 + ["evaluate"] * 4
    assert {call[2] for call in calls(config)[4:]} == {"50"}
    programs.carry_out(plan("--images=50", "--utility=segmentation"), bool)
    assert [call[0] for call in calls(config)[8:]] == ["evaluate"] * 4
    # What was tried out beyond what is asked for does no harm.
    programs.carry_out(plan("--images=50"), bool)
    assert len(calls(config)) == 12


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or available_cores() < 2,
    reason="one core cannot be shared, nor cores of which nothing says whose they are",
)
def test_jobs_have_their_shares_of_the_cores(plan):
    config = plan("--jobs=2")
    assert programs.carry_out(config, bool) == {}
    shares = {tuple(call[3:]) for call in calls(config)}
    assert len(calls(config)) == 4
    assert len(shares) == 2
    assert sorted(int(core) for share in shares for core in share) == sorted(os.sched_getaffinity(0))


def test_a_run_that_fails_costs_no_other(plan):
    config = plan()
    (config.output / "fail").write_text("model_b_seed_0")
    assert programs.carry_out(config, bool) == {"model b, seed 0": "error: the disk is full"}
    assert len(calls(config)) == 4
    (config.output / "fail").unlink()
    assert programs.carry_out(config, bool) == {}
    assert calls(config)[4][:2] == ["train", "model_b_seed_0"]


def test_a_run_without_an_evaluation_has_failed(plan):
    config = plan()
    (config.output / "blind").touch()
    failures = programs.carry_out(config, bool)
    assert failures == {run.name: "half way" for run in config.runs}


def test_a_signal_ends_the_runs_at_hand_and_begins_no_other(plan):
    config = plan("--jobs=2")
    (config.output / "wait").touch()
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(Interrupted):
        programs.carry_out(config, bool)
    assert len(calls(config)) == 2
    assert not list(config.output.glob("runs/*/evaluation"))
