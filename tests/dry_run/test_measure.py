import os
import pathlib
import types

import pytest
import tensorflow as tf

from mrisynth.dry_run import measure
from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig
from mrisynth.run_folder import RunFolder
from mrisynth.training import GrowthSchedule, TrainingConfig, checkpoints, strategies
from mrisynth.training.state import TrainingState


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A tiny run, whose steps are timed for no longer than it takes."""
    monkeypatch.setattr(measure, "_TIMED_SECONDS", 0.0)
    return TrainingConfig(
        run_dir=tmp_path / "run",
        data_dir=tmp_path / "run" / "phantoms" / "prepared",
        phantom_subjects=4,
        network=NetworkConfig(
            resolution=8, latent_size=8, fmap_base=32, fmap_max=8, attention_discriminator=(8,)
        ),
        schedule=GrowthSchedule(
            resolution=8, fade_images=32, stable_images=32, total_iterations=0, batch_sizes={4: 8, 8: 8}
        ),
    )


def foresee(config, strategy=None):
    return measure.foresee(config, strategy or tf.distribute.get_strategy())


def test_every_resolution_is_timed_and_nothing_is_written(config, tmp_path):
    foretold = foresee(config)
    assert [found.timed for found in foretold.phases] == [True, True, True]
    assert 0 < foretold.seconds < 3600
    assert not foretold.problems
    assert not list(tmp_path.iterdir())


def test_replicas_share_what_is_timed(config, two_replicas):
    foretold = foresee(config, two_replicas)
    assert [found.images_per_replica for found in foretold.phases] == [4, 4, 4]
    assert all(found.timed for found in foretold.phases)
    assert foretold.machine.replicas == 2


def test_checkpoints_are_as_large_as_foretold(config, tmp_path):
    state = TrainingState(
        NetworkConfig(resolution=32, latent_size=64, fmap_base=512, fmap_max=48), "float32", seed=0
    )
    checkpoints.Checkpoints(RunFolder(tmp_path), state, tf.distribute.get_strategy()).save()
    files = [path for path in (tmp_path / "checkpoints").iterdir() if path.name != "checkpoint"]
    written = sum(path.stat().st_size for path in files)
    assert measure.checkpoint_bytes(state) == pytest.approx(written, rel=0.02)


def test_as_many_checkpoints_as_there_will_be(config):
    assert foresee(config).checkpoints == checkpoints.KEPT + 3


def test_a_step_that_would_take_long_is_not_taken(config, monkeypatch):
    monkeypatch.setattr(measure, "_LONGEST_STEP_SECONDS", 0.0)
    monkeypatch.setattr(measure, "make_train_step", None)
    foretold = foresee(config)
    assert not any(found.timed for found in foretold.phases)
    assert 0 < foretold.seconds < 3600


def test_a_slow_step_is_the_last(config, monkeypatch):
    monkeypatch.setattr(measure, "_LONGEST_STEP_SECONDS", 5.0)
    monkeypatch.setattr(measure._Trial, "_seconds_per_step", lambda self, phase: 6.0)
    foretold = foresee(config)
    assert [found.timed for found in foretold.phases] == [True, False, False]


def test_what_does_not_fit_is_neither_tried_nor_lost(config, monkeypatch):
    monkeypatch.setattr(measure, "_available_memory", lambda: 1000)
    monkeypatch.setattr(measure, "make_train_step", None)
    assert [problem[:13] for problem in foresee(config).problems] == ["--batch_sizes", "--batch_sizes"]


def test_every_batch_is_checked(config, two_replicas):
    object.__setattr__(config, "schedule", GrowthSchedule(8, batch_sizes={4: 7, 8: 12}, total_iterations=0))
    first, second = foresee(config, two_replicas).problems
    assert "7 images at 4x4, which 2 replicas cannot share evenly" in first
    assert "6 images at 8x8" in second


def test_a_device_that_runs_out_of_memory_is_a_problem(config, monkeypatch):
    def exhausted(self, phase):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(measure._Trial, "_seconds_per_step", exhausted)
    assert len(foresee(config).problems) == 2


def test_a_gpus_own_numbers_are_taken(config, monkeypatch):
    devices = tf.config.list_logical_devices
    gpu = types.SimpleNamespace(name="/device:GPU:0")
    stale = {"peak": 7}
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: [gpu] if kind == "GPU" else devices(kind)
    )
    monkeypatch.setattr(tf.config.experimental, "reset_memory_stats", lambda name: stale.update(peak=11))
    monkeypatch.setattr(tf.config.experimental, "get_memory_info", lambda name: {"peak": stale["peak"]})
    monkeypatch.setattr(measure, "_gpu_memory", lambda: 10)
    assert not any(found.memory_measured for found in foresee(config).phases)
    monkeypatch.setattr(measure, "_gpu_memory", lambda: 2**40)
    foretold = foresee(config)
    assert {found.memory for found in foretold.phases} == {11}
    assert all(found.memory_measured for found in foretold.phases)
    assert foretold.machine.device == "the GPU's"


def test_available_memory_is_less_than_the_machines():
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert 2**20 < measure._available_memory() < total


def test_a_containers_limit_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(measure, "_MEMORY_LIMIT", limit)
    limit.write_text("1048576\n")
    assert measure._available_memory() == 1048576
    limit.write_text("max\n")
    assert measure._available_memory() > 1048576


def test_without_proc_the_system_is_asked(monkeypatch):
    monkeypatch.setattr(measure, "_MEMORY_TABLE", pathlib.Path("/nowhere"))
    monkeypatch.setattr(measure.os, "sysconf", {"SC_AVPHYS_PAGES": 50, "SC_PAGE_SIZE": 4096}.__getitem__)
    assert measure._available_memory() == 50 * 4096
    monkeypatch.delattr(measure.os, "sysconf")
    assert measure._available_memory() is None


def test_what_a_run_has_written_already_is_not_needed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(measure.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    assert measure._free_disk(tmp_path / "not" / "yet" / "there") == 1000
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "checkpoint-5").write_bytes(b"x" * 234)
    assert measure._free_disk(tmp_path / "run") == 1234


def test_another_runs_folder_is_refused(config):
    config.run_dir.mkdir()
    (config.run_dir / "checkpoints").mkdir()
    with pytest.raises(UserError, match="--run_dir"):
        foresee(config)


@pytest.mark.parametrize(("choice", "compiles"), [("true", True), ("false", False), ("auto", False)])
def test_xla_compiles_where_it_is_told_to(choice, compiles, monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    assert strategies.compiles(choice) == compiles
