"""The program as a user starts it: in a process of its own."""

import json
import pathlib
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrisynth import main
from mrisynth.errors import UserError
from mrisynth.report import evaluate_and_report
from mrisynth.training.config import TrainingConfig
from tests.tiny_run import TINY

ROOT = pathlib.Path(__file__).parents[1]


def command(*flags):
    return [sys.executable, "-m", "mrisynth.main", *map(str, flags)]


def run(*flags, cwd=ROOT):
    return subprocess.run(command(*flags), capture_output=True, text=True, cwd=cwd, check=False)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_dataset):
    """A whole tiny run of model c under MirroredStrategy, and the flags that made it."""
    run_dir = tmp_path_factory.mktemp("main") / "run"
    flags = ["--model=c", "--strategy=mirrored", f"--data_dir={small_dataset}", f"--run_dir={run_dir}", *TINY]
    return run(*flags), run_dir, flags


def test_a_run_ends_with_samples_and_an_export(finished):
    result, run_dir, _ = finished
    assert result.returncode == 0, result.stderr
    assert "Finished" in result.stdout.splitlines()[0]
    assert (run_dir / "saved_model" / "1" / "saved_model.pb").is_file()
    grid = np.asarray(Image.open(run_dir / "samples" / "generated_000000112_008x008.png"))
    assert grid.shape == (1024, 1024)
    assert grid.std() > 0


def test_the_screen_is_quiet(finished):
    result, _, _ = finished
    lines = [line for line in result.stderr.replace("\r", "\n").splitlines() if line.strip()]
    assert all("|" in line and line.strip().startswith(("4x4", "8x8")) for line in lines), result.stderr
    assert "left for the whole run" in result.stderr
    _, evaluation = result.stdout.splitlines()
    assert re.fullmatch("Not evaluated: images of 8x8 are too small to evaluate; .*", evaluation)


def test_a_finished_run_says_so(finished):
    _, run_dir, flags = finished
    result = run(*flags)
    assert result.returncode == 0
    assert "is finished" in result.stdout.splitlines()[0]
    assert [path.name for path in (run_dir / "saved_model").iterdir()] == ["1"]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (UserError("--data_dir is\nodd"), "--data_dir is odd"),
        (MemoryError(), "it does not fit the memory"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "it does not fit the device's memory"),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
    ],
)
def test_what_cannot_be_evaluated_says_why(fault, words, tmp_path, monkeypatch, capsys):
    def fail(_):
        raise fault

    monkeypatch.setattr(evaluate_and_report, "evaluate_and_report", fail)
    main._evaluate(TrainingConfig(tmp_path, tmp_path / "data"))
    assert capsys.readouterr().out == f"Not evaluated: {words}.\n"


@pytest.mark.parametrize(("iterations", "again"), [(None, True), (866_999, True), (867_000, False)])
def test_a_finished_run_is_evaluated_if_only_its_earlier_state_was(
    iterations, again, tmp_path, monkeypatch, capsys
):
    if iterations:
        (tmp_path / "evaluation").mkdir()
        results = {"generator": {"iterations": iterations}}
        (tmp_path / "evaluation" / "results.json").write_text(json.dumps(results))
    asked = []
    monkeypatch.setattr(evaluate_and_report, "evaluate_and_report", asked.append)
    monkeypatch.setattr(evaluate_and_report, "summary", lambda *_: "found")
    main._evaluate(TrainingConfig(tmp_path, tmp_path / "data"))
    assert [config.output for config in asked] == ([tmp_path / "evaluation"] if again else [])
    assert capsys.readouterr().out == ("found\n" if again else "")


@pytest.mark.slow
def test_phantoms_are_drawn_where_no_data_is_given(tmp_path):
    result = run("--model=a", "--phantom_subjects=6", f"--run_dir={tmp_path / 'run'}", *TINY[:4], *TINY[5:])
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "run" / "phantoms" / "prepared" / "manifest.json").is_file()


@pytest.mark.slow
def test_deterministic_runs_end_with_the_same_bits(tmp_path, small_dataset):
    exports = []
    for name in ("first", "second"):
        result = run(
            "--deterministic",
            "--augment=mirror",
            f"--data_dir={small_dataset}",
            f"--run_dir={tmp_path / name}",
            *TINY,
        )
        assert result.returncode == 0, result.stderr
        exports.append(tmp_path / name / "saved_model" / "1" / "variables" / "variables.data-00000-of-00001")
    assert exports[0].read_bytes() == exports[1].read_bytes()


@pytest.mark.slow
def test_interrupted_it_writes_a_checkpoint_and_goes_on(tmp_path, small_dataset):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path}", *TINY, "--fade_images=100000"]
    process = subprocess.Popen(command(*flags), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    # The grid at the end of 4x4 is there; the endless fade has begun.
    while not list(tmp_path.glob("samples/generated_000000032_004x004.png")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "run the same command again" in output
    newest = max(int(path.stem.split("-")[1]) for path in tmp_path.glob("checkpoints/*.index"))
    assert newest > 4
    # The same command goes on from there, or it would take as long again to come this far.
    resumed = subprocess.Popen(command(*flags), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    first = resumed.stderr.readline()
    resumed.send_signal(signal.SIGTERM)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 128 + signal.SIGTERM
    assert "4x4" not in first


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--resolution=48"], "--resolution=48 is not 4 times a power of two; use 8, 16"),
        (["--model=e"], "--model=e"),
        (
            ["--attention_discriminator=64", "--resolution=32"],
            "--attention_discriminator.*maps of 4, 8, 16, 32 only",
        ),
        (["--data_dir=/nowhere"], "--data_dir.*tools/prepare_data.py"),
        (["--batch_sizes=4:6,8:8"], "--batch_sizes.*use 4 or 8"),
        (["--gpus=63"], "--gpus=63 is not there: TensorFlow has"),
        (["--flagfile=/nowhere"], "--flagfile=/nowhere is not a file"),
    ],
)
def test_wrong_flags_stop_with_one_sentence(flags, message, small_dataset, tmp_path):
    data = [] if any(flag.startswith("--data_dir") for flag in flags) else [f"--data_dir={small_dataset}"]
    given = ["--model=a", *TINY[:4], *TINY[5:], *data, f"--run_dir={tmp_path / 'run'}", *flags]
    check_refusal(run(*given), message)
    assert not (tmp_path / "run").exists()


def test_data_prepared_at_a_smaller_size_is_refused(small_dataset, tmp_path):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'run'}", "--resolution=32"]
    check_refusal(run(*flags), "prepared at --resolution=16, 32 is asked for")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_configuration_is_refused(finished):
    _, run_dir, flags = finished
    before = sorted(path for path in run_dir.rglob("*"))
    check_refusal(
        run(*flags, "--learning_rate=0.002"), "--learning_rate was 0.001, is 0.002.*another --run_dir"
    )
    assert sorted(path for path in run_dir.rglob("*")) == before


def check_refusal(result, message):
    assert result.returncode == 1
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line), line


def test_help_lists_the_flags():
    result = run("--help")
    for name in ("--model", "--strategy", "--run_dir", "--attention_discriminator", "--fade_images"):
        assert name in result.stdout.replace("--[no]", "--")
