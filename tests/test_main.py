"""The program as a user starts it: in a process of its own."""

import json
import re
import shutil
import signal
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrisynth import data, main
from mrisynth.data import read_manifest
from mrisynth.errors import UserError
from mrisynth.evaluation.results import FORMAT, FORMAT_VERSION
from mrisynth.networks import NetworkConfig
from mrisynth.phantoms import dataset
from mrisynth.report import evaluate_and_report
from mrisynth.training.config import TrainingConfig
from mrisynth.training.schedule import GrowthSchedule
from tests.programs import TRAIN, begin, call, check_refusal, start
from tests.report.example_evaluations import make_evaluation
from tests.training_flags import TINY


def test_a_run_ends_with_samples_and_an_export(tiny_run):
    run_dir = tiny_run.folder
    assert "Finished" in tiny_run.ended.stdout.splitlines()[0]
    assert (run_dir / "saved_model" / "1" / "saved_model.pb").is_file()
    grid = np.asarray(Image.open(run_dir / "samples" / "generated_000000112_008x008.png"))
    assert grid.shape == (1024, 1024)
    assert grid.std() > 0


def test_the_screen_is_quiet(tiny_run):
    errors = tiny_run.ended.stderr
    assert "\r" not in errors
    lines = errors.splitlines()
    names = ["data", "networks", "device", "schedule", "time", "watch"]
    assert [line.split()[0] for line in lines[:6]] == names
    assert re.search(r"time +about \d.*, \d.* of it for export and evaluation", lines[4])
    # On a machine with other work it takes more than a minute, which has a line.
    assert all(re.match(r"[48]x[48] \w+: \d+ of \d+ images, loss", line) for line in lines[6:])
    _, evaluation = tiny_run.ended.stdout.splitlines()
    assert re.fullmatch("Not evaluated: images of 8x8 are too small to evaluate; .*", evaluation)


def test_a_finished_run_says_so(tiny_run):
    result = start(TRAIN, *tiny_run.flags)
    assert result.returncode == 0
    assert "is finished" in result.stdout.splitlines()[0]
    assert [path.name for path in (tiny_run.folder / "saved_model").iterdir()] == ["1"]


@pytest.mark.slow
def test_a_finished_run_that_is_made_longer_goes_on_and_is_exported_again(tiny_run, tmp_path):
    folder = shutil.copytree(tiny_run.folder, tmp_path / "run")
    flags = [flag for flag in tiny_run.flags if not flag.startswith("--run_dir")]
    for finetune, versions in ((2, ["1"]), (5, ["1", "2"]), (5, ["1", "2"])):
        result = start(TRAIN, *flags, f"--run_dir={folder}", f"--finetune_iterations={finetune}")
        assert result.returncode == 0, result.stderr
        assert sorted(path.name for path in (folder / "saved_model").iterdir()) == versions
    assert f"is finished: its generator is in {folder / 'saved_model' / '2'}" in result.stdout
    result = start(TRAIN, *flags, f"--run_dir={folder}", "--finetune_iterations=2")
    assert result.returncode == 1
    assert "--finetune_iterations was 5, is 2" in result.stderr


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
        results = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "generator": {"iterations": iterations},
        }
        (tmp_path / "evaluation" / "results.json").write_text(json.dumps(results))
    asked = []
    found = make_evaluation(samples=2, pairs=2)
    monkeypatch.setattr(evaluate_and_report, "evaluate_and_report", lambda c: asked.append(c) or found)
    monkeypatch.setattr(evaluate_and_report, "summary", lambda *_: "found")
    main._evaluate(TrainingConfig(tmp_path, tmp_path / "data"))
    assert [config.output for config in asked] == ([tmp_path / "evaluation"] if again else [])
    assert capsys.readouterr().out == ("found\n" if again else "")


@pytest.mark.parametrize(
    ("resolution", "slices", "measured"),
    [(32, 620, 2.6), (32, 10_000, 31.4), (64, 2500, 13.9), (128, 5000, 40.7), (256, 620, 30.5)],
)
def test_the_end_of_a_run_is_estimated_about_as_it_was_measured(
    resolution, slices, measured, tmp_path, monkeypatch
):
    heldout = types.SimpleNamespace(slices=slices // 5)
    splits = {"train": types.SimpleNamespace(slices=slices - heldout.slices), "heldout": heldout}
    manifest = types.SimpleNamespace(channels=("image",), splits=splits)
    monkeypatch.setattr(data, "read_manifest", lambda _: manifest)
    sizes = {"network": NetworkConfig(resolution=resolution), "schedule": GrowthSchedule(resolution)}
    seconds = main._ending_seconds(TrainingConfig(tmp_path, tmp_path / "data", **sizes))
    assert 0.65 < measured / (seconds - main._FIXED_ENDING_SECONDS) < 1.5


def test_phantoms_are_drawn_and_prepared_in_the_contrast_that_was_asked_for(tmp_path, monkeypatch):
    drawn, prepared = [], []
    monkeypatch.setattr(dataset, "write_phantoms", lambda *_, contrasts, **__: drawn.append(contrasts))
    monkeypatch.setattr(data, "prepare_dataset", prepared.append)
    config = TrainingConfig(tmp_path, tmp_path / "data", phantom_subjects=2, phantom_contrasts=("T2w",))
    main._prepare_phantoms(config, 2)
    assert (drawn, [each.suffix for each in prepared]) == ([("T2w",)], ["T2w"])


@pytest.mark.slow
def test_phantoms_are_drawn_where_no_data_is_given(tmp_path):
    flags = ["--model=a", *TINY[:4], *TINY[5:], "--phantom_subjects=6", f"--run_dir={tmp_path / 'run'}"]
    result = start(TRAIN, *flags, "--phantom_contrasts=T2w,FLAIR", "--conditions=suffix,age")
    assert result.returncode == 0, result.stderr
    manifest = read_manifest(tmp_path / "run" / "phantoms" / "prepared")
    assert manifest.settings["slices"] == "isotropic"
    assert manifest.channels == ("image",)
    assert [source.suffix for source in manifest.used] == ["FLAIR", "T2w"] * 6
    card = json.loads(
        (tmp_path / "run" / "saved_model" / "1" / "assets.extra" / "model_card.json").read_text()
    )
    assert [label["name"] for label in card["labels"]["labels"]] == ["suffix", "participant/age"]


@pytest.mark.slow
def test_deterministic_runs_end_with_the_same_bits(tmp_path, small_dataset):
    exports = []
    for name in ("first", "second"):
        result = start(
            TRAIN,
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
    process = begin(TRAIN, *flags)
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
    resumed = begin(TRAIN, *flags)
    line = "data"
    while not line.startswith("resumes"):
        line = resumed.stderr.readline()
        assert line
    resumed.send_signal(signal.SIGTERM)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 128 + signal.SIGTERM
    assert f"from iteration {newest:,} in 8x8 fade" in line


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--resolution=48"], "--resolution=48 is not 4 times a power of two; use 8, 16"),
        (["--model=e"], "--model=e"),
        (
            ["--attention_discriminator=64", "--resolution=32"],
            "--attention_discriminator.*maps of 4, 8, 16, 32 only",
        ),
        (["--data_dir=/nowhere"], "--data_dir.*mrisynth-prepare"),
        (["--batch_sizes=4:6,8:8"], "--batch_sizes.*use 4 or 8"),
        (["--flagfile=/nowhere"], "--flagfile=/nowhere is not a file"),
    ],
)
def test_wrong_flags_stop_with_one_sentence(flags, message, small_dataset, tmp_path):
    data = [] if any(flag.startswith("--data_dir") for flag in flags) else [f"--data_dir={small_dataset}"]
    given = ["--model=a", *TINY[:4], *TINY[5:], *data, f"--run_dir={tmp_path / 'run'}", *flags]
    check_refusal(call(TRAIN, *given), message)
    assert not (tmp_path / "run").exists()


def test_a_gpu_that_is_not_there_is_refused_by_a_quiet_program(tmp_path):
    refused = start(TRAIN, f"--run_dir={tmp_path / 'run'}", "--gpus=63")
    check_refusal(refused, "--gpus=63 is not there: TensorFlow has")
    assert not (tmp_path / "run").exists()


def test_data_prepared_at_a_smaller_size_is_refused(small_dataset, tmp_path):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'run'}", "--resolution=32"]
    check_refusal(call(TRAIN, *flags), "prepared at --resolution=16, 32 is asked for")
    assert not (tmp_path / "run").exists()


def test_a_folder_with_another_configuration_is_refused(tiny_run):
    before = sorted(path for path in tiny_run.folder.rglob("*"))
    # Two strategies of one process would collide; how many devices a run has is not part of what it is.
    refused = call(TRAIN, *tiny_run.flags, "--strategy=default", "--learning_rate=0.002")
    check_refusal(refused, "--learning_rate was 0.001, is 0.002.*another --run_dir")
    assert sorted(path for path in tiny_run.folder.rglob("*")) == before


def test_help_lists_the_flags():
    result = start(TRAIN, "--help")
    for name in ("--model", "--strategy", "--run_dir", "--attention_discriminator", "--fade_images"):
        assert name in result.stdout.replace("--[no]", "--")
