import dataclasses
import re
import types

import numpy as np
import pytest
import tensorflow as tf

from mrisynth import main
from mrisynth.dry_run import estimate, measure
from mrisynth.errors import UserError
from mrisynth.networks import Discriminator, Generator, NetworkConfig
from mrisynth.run_folder import RunFolder
from mrisynth.training import GrowthSchedule, OptimizationConfig, TrainingConfig, checkpoints
from mrisynth.training.state import TrainingState
from tests.programs import TRAIN, call, check_refusal
from tests.training_flags import TINY

MIB = 2**20
PHASES = ["4x4 stable", "8x8 fade", "8x8 stable", "8x8 finetune"]
NETWORK = NetworkConfig(resolution=8, latent_size=8, fmap_base=32, fmap_max=8, attention_discriminator=(4,))


@pytest.fixture
def config(tmp_path, monkeypatch):
    return make_config(tmp_path, monkeypatch)


def make_config(folder, patch, resolution=8):
    """A tiny run, whose steps are timed for no longer than they take."""
    patch.setattr(measure, "_TIMED_SECONDS", 0.0)
    return TrainingConfig(
        run_dir=folder / "run",
        data_dir=folder / "run" / "phantoms" / "prepared",
        phantom_subjects=4,
        network=dataclasses.replace(NETWORK, resolution=resolution),
        schedule=GrowthSchedule(
            resolution=resolution,
            fade_images=32,
            stable_images=32,
            total_iterations=0,
            batch_sizes={4: 8, 8: 8},
        ),
    )


def measured(config, strategy=None):
    return measure.measure(config, strategy or tf.distribute.get_strategy())


def is_measured(config, found):
    return [found.seconds.is_measured(level) for level in range(len(config.network.resolutions))]


def check_table(output):
    header, *lines = output.splitlines()
    assert header.split()[:2] == ["phase", "batch"]
    assert [" ".join(line.split()[:2]) for line in lines[: len(PHASES)]] == PHASES
    summary = [line.split()[0] for line in lines[len(PHASES) :]]
    assert summary == ["parameters", "peak", "checkpoints", "data", "time", "~"]


def test_the_program_measures_the_run_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "_TIMED_SECONDS", 0.0)
    flags = ["--model=c", *TINY, "--phantom_subjects=5", f"--run_dir={tmp_path / 'run'}"]
    result = call(TRAIN, "--dry_run", *flags)
    assert result.returncode == 0, result.stderr
    check_table(result.stdout)
    assert "~" not in "".join(result.stdout.splitlines()[: 1 + len(PHASES)])
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


def test_a_disk_that_is_too_small_is_named(config, monkeypatch, capsys):
    monkeypatch.setattr(measure.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    with pytest.raises(
        UserError, match="--run_dir=.* needs .* for checkpoints, and its disk has 0.0 MiB; use"
    ):
        main._dry_run(config, tf.distribute.get_strategy())
    assert "4x4 stable" in capsys.readouterr().out


@pytest.fixture(scope="module")
def measured_run(tmp_path_factory):
    """A tiny run and what was measured of it."""
    with pytest.MonkeyPatch.context() as patch:
        config = make_config(tmp_path_factory.mktemp("measured"), patch)
        return config, measured(config)


def test_every_resolution_is_measured_and_nothing_is_written(measured_run):
    config, found = measured_run
    assert is_measured(config, found) == [True, True]
    assert 0 < estimate.run_seconds(config, found) < 3600
    assert found.checkpoints == checkpoints.KEPT + 3
    assert not estimate.find_problems(config, found)
    assert not list(config.run_dir.parent.iterdir())


def test_memory_is_measured_on_the_device_that_is_there(measured_run):
    """The real calls: TensorFlow's own where there is a GPU, the system's elsewhere."""
    _, found = measured_run
    on_gpu = bool(tf.config.list_physical_devices("GPU"))
    assert found.device == ("the GPU's" if on_gpu else "the machine's")
    if found.state_memory is None:
        pytest.skip("this system does not tell how much memory a process takes")
    for level in (0, 1):
        assert found.memory.is_measured(level)
        assert 0 <= found.state_memory <= found.peak_memory(level, 8) < found.device_memory


@pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="there is no GPU")
def test_a_gpus_peak_is_what_tensorflow_held():
    measure._reset_peak_memory()
    before = measure.peak_memory()
    values = tf.ones([64, MIB // 4])
    assert measure.peak_memory() - before >= 64 * MIB
    del values
    assert measure._reset_peak_memory() < before + 64 * MIB
    assert measure._gpu_memory() > 64 * MIB


@pytest.mark.skipif(measure.process_peak_memory() is None, reason="this system does not tell")
def test_a_process_peak_is_what_it_has_held_since_the_reset():
    before = measure._reset_peak_memory()
    held = np.ones(256 * MIB // 8)
    assert measure.process_peak_memory() - before == pytest.approx(held.nbytes, abs=32 * MIB)
    del held
    assert measure.process_peak_memory() - before > 224 * MIB
    if (measure._PROCESS / "clear_refs").exists():
        assert measure._reset_peak_memory() - before < 32 * MIB


def test_where_the_system_does_not_tell_the_memory_is_unknown(tmp_path, monkeypatch):
    config = make_config(tmp_path, monkeypatch, resolution=4)
    monkeypatch.setattr(measure, "peak_memory", lambda: None)
    monkeypatch.setattr(measure, "_MEMORY_TABLE", config.run_dir / "nowhere")
    found = measured(config)
    assert is_measured(config, found) == [True]
    assert found.peak_memory(0, 8) is None
    assert "not measured; the machine's memory: unknown" in estimate.summary(config, found)


def test_without_proc_the_process_is_asked_by_getrusage(config, monkeypatch):
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(measure, "_PROCESS", config.run_dir / "nowhere")
    monkeypatch.setattr(resource, "getrusage", lambda who: types.SimpleNamespace(ru_maxrss=3))
    monkeypatch.setattr(measure.sys, "platform", "linux")
    assert measure.process_peak_memory() == 3 * 1024
    monkeypatch.setattr(measure.sys, "platform", "darwin")
    assert measure.process_peak_memory() == 3
    monkeypatch.setitem(measure.sys.modules, "resource", None)
    assert measure.process_peak_memory() is None


def test_replicas_share_what_is_measured(config, two_replicas):
    found = measured(config, two_replicas)
    assert is_measured(config, found) == [True, True]
    assert found.replicas == 2
    assert all(row.split()[3] == "4" for row in estimate.table(config, found).splitlines()[1:])


def test_parameters_are_those_that_a_phase_trains(measured_run):
    _, found = measured_run
    generator, discriminator = (
        Generator.from_network_config(NETWORK),
        Discriminator.from_network_config(NETWORK),
    )
    whole = [sum(np.prod(v.shape) for v in each.trainable_variables) for each in (generator, discriminator)]
    # A stable 8x8 does without the layers to and from 4x4 images: 8 channels, and a bias for each output.
    assert found.parameters["8x8 stable"] == (whole[0] - (8 + 1), whole[1] - (8 + 8))
    assert found.parameters["8x8 fade"] == tuple(whole)


def test_checkpoints_are_as_large_as_measured(tmp_path):
    state = TrainingState(
        NetworkConfig(resolution=32, latent_size=64, fmap_base=512, fmap_max=48), "float32", seed=0
    )
    checkpoints.Checkpoints(RunFolder(tmp_path), state, tf.distribute.get_strategy()).save()
    files = [path for path in (tmp_path / "checkpoints").iterdir() if path.name != "checkpoint"]
    written = sum(path.stat().st_size for path in files)
    assert measure.checkpoint_bytes(state) == pytest.approx(written, rel=0.02)


def test_a_step_that_would_take_long_is_not_taken(config, monkeypatch):
    monkeypatch.setattr(measure, "_LONGEST_STEP_SECONDS", 0.0)
    found = measured(config)
    # How long the first takes is known only by taking it.
    assert is_measured(config, found) == [True, False]
    assert 0 < estimate.run_seconds(config, found) < 3600


def test_what_does_not_fit_is_neither_tried_nor_lost(config, monkeypatch):
    monkeypatch.setattr(measure, "_available_memory", lambda: 1000)
    monkeypatch.setattr(measure, "_gpu_memory", lambda: 1000)
    monkeypatch.setattr(measure, "make_train_step", None)
    problems = estimate.find_problems(config, measured(config))
    assert [problem[:13] for problem in problems] == ["--batch_sizes", "--batch_sizes"]


def test_a_step_costs_the_mean_over_those_with_and_without_penalty_and_generator(monkeypatch):
    costs = {(True, True): 16.0, (False, True): 4.0, (True, False): 12.0, (False, False): 1.0}
    seen = []

    def step(samples, alpha, *, penalizes, generates):
        seen.append((penalizes, generates))
        return {"score_difference": tf.constant(0.0)}

    def timed(call, enough, strategy):
        call()
        return costs[seen[-1]]

    monkeypatch.setattr(measure, "seconds_per_call", timed)

    def mean(**settings):
        return measure.seconds_per_step(step, None, OptimizationConfig(**settings), 1.0)

    assert mean() == 16
    assert mean(gp_interval=3) == pytest.approx((16 + 4 + 4) / 3)
    # Penalties in iterations 0, 3; generators in 1, 3, 5.
    assert mean(gp_interval=3, critic_steps=2) == pytest.approx((12 + 4 + 1 + 16 + 1 + 4) / 6)


def test_every_batch_is_checked(config, two_replicas):
    object.__setattr__(config, "schedule", GrowthSchedule(8, batch_sizes={4: 7, 8: 12}, total_iterations=0))
    first, second = estimate.find_problems(config, measured(config, two_replicas))
    assert "7 images at 4x4, which 2 replicas cannot share evenly" in first
    assert "6 images at 8x8" in second


def test_a_device_that_runs_out_of_memory_is_a_problem(config, monkeypatch):
    def exhausted(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(measure, "_seconds_of_phase", exhausted)
    found = measured(config)
    assert found.out_of_memory == {0, 1}
    assert len(estimate.find_problems(config, found)) == 2


@pytest.mark.skipif(not measure._MEMORY_TABLE.exists(), reason="this system does not tell")
def test_available_memory_is_less_than_the_machines():
    total = 1024 * int(re.search(r"MemTotal:\s+(\d+)", measure._MEMORY_TABLE.read_text())[1])
    assert MIB < measure._available_memory() < total


@pytest.mark.skipif(not measure._MEMORY_TABLE.exists(), reason="this system does not tell")
def test_a_containers_limit_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(measure, "_MEMORY_LIMIT", limit)
    limit.write_text("1048576\n")
    assert measure._available_memory() == 1048576
    limit.write_text("max\n")
    assert measure._available_memory() > 1048576


def test_what_a_run_has_written_already_is_not_needed_again(tmp_path, monkeypatch):
    monkeypatch.setattr(measure.shutil, "disk_usage", lambda folder: types.SimpleNamespace(free=1000))
    assert measure._free_disk(RunFolder(tmp_path / "not" / "yet" / "there")) == 1000
    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "checkpoint-5").write_bytes(b"x" * 234)
    assert measure._free_disk(RunFolder(tmp_path / "run")) == 1234


def test_another_runs_folder_is_refused(config):
    config.run_dir.mkdir()
    (config.run_dir / "checkpoints").mkdir()
    with pytest.raises(UserError, match="--run_dir"):
        measured(config)


def test_calls_are_timed_after_the_first(monkeypatch):
    clock = iter([0.0, 1.0, 2.0, 3.5, 3.5])
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    calls = []
    # The first call compiles; three more hold two seconds and more.
    assert measure.seconds_per_call(lambda: calls.append(None), enough=2.0) == pytest.approx(3.5 / 3)
    assert len(calls) == 4
