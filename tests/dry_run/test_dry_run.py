"""The program as a user starts it to see what a run would need."""

import types

import pytest
import tensorflow as tf

from mrisynth import main
from mrisynth.dry_run import measure
from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig
from mrisynth.training import GrowthSchedule, TrainingConfig
from tests.programs import TRAIN, call, check_refusal, start
from tests.training_flags import TINY

PHASES = ["4x4 stable", "8x8 fade", "8x8 stable", "8x8 finetune"]


def check_table(output):
    header, *lines = output.splitlines()
    assert header.split()[:2] == ["phase", "batch"]
    assert [" ".join(line.split()[:2]) for line in lines[: len(PHASES)]] == PHASES
    summary = [line.split()[0] for line in lines[len(PHASES) :]]
    assert summary == ["parameters", "peak", "checkpoints", "data", "time", "~"]


def test_it_foretells_the_run_and_writes_nothing(tmp_path):
    result = start(TRAIN, "--dry_run", "--model=c", *TINY, "--phantom_subjects=5", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    check_table(result.stdout)
    assert "5 head phantoms would be drawn" in result.stdout
    assert "Error" not in result.stderr
    assert not list(tmp_path.iterdir())


def test_data_that_is_given_is_checked(tmp_path):
    result = call(TRAIN, "--dry_run", "--data_dir=/nowhere", f"--run_dir={tmp_path / 'run'}", *TINY)
    check_refusal(result, "mrisynth-prepare")
    assert not list(tmp_path.iterdir())


def test_batches_that_cannot_be_are_refused_after_the_table(tmp_path, small_dataset):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'run'}", "--batch_sizes=4:6,8:4000000"]
    result = call(TRAIN, "--dry_run", *TINY, *flags)
    assert result.returncode == 1
    check_table(result.stdout)
    assert str(small_dataset) in result.stdout
    error = result.stderr.replace("\r", "\n").splitlines()[-1].strip()
    assert error.startswith("error: --batch_sizes gives each of 1 replica(s) 6 images at 4x4")
    assert "use 4 or 8" in error
    assert "--batch_sizes gives 4000000 images at 8x8, which need about" in error
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_too_small_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "_TIMED_SECONDS", 0.0)
    monkeypatch.setattr(measure.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    config = TrainingConfig(
        run_dir=tmp_path / "run",
        data_dir=tmp_path / "unused",
        phantom_subjects=4,
        network=NetworkConfig(resolution=8, latent_size=8, fmap_base=32, fmap_max=8),
        schedule=GrowthSchedule(resolution=8, total_iterations=0, batch_sizes={4: 8, 8: 8}),
    )
    with pytest.raises(
        UserError, match="--run_dir=.* needs .* for checkpoints, and its disk has 0.0 MiB; use"
    ):
        main._foretell(config, tf.distribute.get_strategy())
    assert "4x4 stable" in capsys.readouterr().out
