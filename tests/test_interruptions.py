"""Runs that are killed at random, that fill the disk, that are stopped: in processes of their own."""

import random
import re
import resource
import signal
import time

import pytest

from tests.programs import TRAIN, begin, wait_for
from tests.training_flags import TINY

FLAGS = [
    "--model=c",
    "--deterministic",
    *TINY,
    "--fade_images=1000",
    "--stable_images=1000",
    "--finetune_iterations=50",
]


def start(*flags, **options):
    return begin(TRAIN, *FLAGS, *flags, **options)


def exported(run_dir):
    return (run_dir / "saved_model" / "1" / "variables" / "variables.data-00000-of-00001").read_bytes()


def checkpoints(run_dir):
    """Iterations of the checkpoints there are."""
    return sorted(int(path.stem.split("-")[1]) for path in run_dir.glob("checkpoints/checkpoint-*.index"))


@pytest.mark.slow
def test_killed_at_random_it_ends_with_the_bits_of_a_run_that_was_not(tmp_path, small_dataset):
    whole = start(f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'whole'}")
    assert whole.wait() == 0, whole.communicate()
    run_dir = tmp_path / "killed"
    # A checkpoint after every iteration: most of the time one is being written.
    flags = [f"--data_dir={small_dataset}", f"--run_dir={run_dir}", "--checkpoint_minutes=0"]
    moments = random.Random(4)
    newest = 0
    for kill in range(5):
        process = start(*flags)
        reached = newest + moments.randrange(20, 100)
        wait_for(lambda reached=reached: (checkpoints(run_dir) or [0])[-1] >= reached, process)
        if kill % 2:
            # In the middle of writing a checkpoint.
            wait_for(lambda: list(run_dir.glob("checkpoints/.partial/*")), process)
        else:
            time.sleep(moments.uniform(0, 0.05))
        process.kill()
        process.communicate()
        newest = checkpoints(run_dir)[-1]
        assert newest >= reached
    last = start(*flags)
    output, errors = last.communicate()
    assert last.returncode == 0, errors
    assert "Finished" in output
    assert "damaged" not in errors
    assert exported(run_dir) == exported(tmp_path / "whole")
    # The newest three, the end of every phase, nothing half-written.
    assert checkpoints(run_dir) == [125, 250, 375, 423, 424, 425]
    assert len(list((run_dir / "checkpoints").iterdir())) == 2 * 6


@pytest.mark.slow
def test_a_full_disk_ends_it_with_one_sentence_and_leaves_the_last_checkpoint(tmp_path, small_dataset):
    flags = [f"--data_dir={small_dataset}", f"--run_dir={tmp_path}", "--checkpoint_minutes=0"]
    process = start(*flags)
    wait_for(lambda: (checkpoints(tmp_path) or [0])[-1] > 20, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    before = {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()}

    def allow_small_files_only():
        # As if the disk were full from then on: a checkpoint is larger than this.
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    full = start(*flags, preexec_fn=allow_small_files_only)
    _, errors = full.communicate()
    assert full.returncode == 1
    (line,) = [line for line in re.split(r"[\r\n]", errors) if line.startswith("error: ")]
    assert re.search(
        r"checkpoints cannot be written \(.*MiB are free there\); make room and run the same", line
    )
    assert "Traceback" not in errors
    assert {path.name: path.read_bytes() for path in (tmp_path / "checkpoints").iterdir()} == before
    resumed = start(*flags)
    wait_for(lambda: checkpoints(tmp_path)[-1] > 40, resumed)
    resumed.send_signal(signal.SIGTERM)
    output, _ = resumed.communicate(timeout=60)
    assert resumed.returncode == 128 + signal.SIGTERM
    assert "run the same command again" in output


@pytest.mark.slow
def test_a_disk_that_is_full_for_tensorboard_ends_it_with_one_sentence(tmp_path, small_dataset):
    def allow_checkpoints_only():
        # A checkpoint has less than 100 kB, the event file more before long.
        resource.setrlimit(resource.RLIMIT_FSIZE, (120_000, 120_000))

    flags = [
        f"--data_dir={small_dataset}",
        f"--run_dir={tmp_path}",
        "--grid_interval=80",
        "--scalar_interval=2",
    ]
    process = start(*flags, preexec_fn=allow_checkpoints_only)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert re.search(r"error: .* cannot be written \(.*make room and run the same command again", errors), (
        errors
    )
    assert "Traceback" not in errors


@pytest.mark.slow
def test_some_iterations_can_be_profiled(tmp_path, small_dataset):
    process = start(f"--data_dir={small_dataset}", f"--run_dir={tmp_path}", "--profile_steps=3,5")
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert list(tmp_path.glob("tensorboard/plugins/profile/*/*.xplane.pb"))
    finished, evaluated = output.splitlines()
    assert finished.startswith("Finished: ")
    assert evaluated.startswith("Not evaluated: images of 8x8")
    # Nothing but the opening and, where the machine is slow, how far it is: TensorFlow is quiet.
    opening = {"data", "networks", "device", "schedule", "time", "watch"}
    said = [line for line in errors.splitlines() if line.strip()]
    assert opening <= {line.split()[0] for line in said}
    assert all(line.split()[0] in opening or " images" in line for line in said), errors
