import dataclasses
import functools
import math
import pathlib
import re

import pytest

from mrisynth.dry_run import estimate
from mrisynth.dry_run.estimate import Measurements, find_problems
from mrisynth.networks import NetworkConfig
from mrisynth.networks.flops import activations, training_operations
from mrisynth.training import GrowthSchedule, TrainingConfig
from mrisynth.training.throughput import CostPerImage

MIB, GIB = 2**20, 2**30
CONFIG = TrainingConfig(
    run_dir=pathlib.Path("runs/somewhere"),
    data_dir=pathlib.Path("data/here"),
    network=NetworkConfig(resolution=16, latent_size=8, fmap_base=512, fmap_max=32),
    schedule=GrowthSchedule(
        resolution=16,
        fade_images=100,
        stable_images=200,
        total_iterations=0,
        finetune_iterations=7,
        batch_sizes={4: 20, 8: 20, 16: 16},
    ),
)
PARAMETERS = {phase.name: (1000 * (phase.level + 1), 500) for phase in CONFIG.schedule.phases}


SPEEDS = {0: 40.0, 1: 20.0, 2: 8.0}
MEMORY = {0: MIB, 1: 2 * MIB, 2: 64 * MIB}


def measured(speeds=SPEEDS, memory=MEMORY, **settings):
    """What was found on two CPU devices: images/s, and bytes an image, of some levels."""
    seconds = CostPerImage(functools.partial(training_operations, CONFIG.network))
    for level, speed in speeds.items():
        seconds.measure(level, 1 / speed)
    per_image = CostPerImage(functools.partial(activations, CONFIG.network))
    for level, count in memory.items():
        per_image.measure(level, count)
    defaults = {
        "device": "the machine's",
        "device_memory": 16 * GIB,
        "free_disk": 10 * GIB,
        "replicas": 2,
        "dtype_policy": "float32",
        "state_memory": 100 * MIB,
        "out_of_memory": set(),
        "batch_problems": {},
        "parameters": PARAMETERS,
        "checkpoint_bytes": GIB,
        "checkpoints": 9,
    }
    return Measurements(seconds=seconds, memory=per_image, **{**defaults, **settings})


def rows(found):
    header, *lines = estimate.table(CONFIG, found).splitlines()
    names = re.split(r"\s{2,}", header.strip())
    return [dict(zip(names, re.split(r"\s{2,}", line.strip()), strict=True)) for line in lines]


def test_phases_add_up_to_the_run():
    # 4x4 stable; 8x8 fade and stable; 16x16 fade and stable in 7 and 13 batches of 16, and 7 more.
    expected = 200 / 40 + (100 + 200) / 20 + (7 + 13 + 7) * 16 / 8
    assert estimate.run_seconds(CONFIG, measured()) == pytest.approx(expected)
    assert not find_problems(CONFIG, measured())
    found = rows(measured())
    assert sum(int(row["images"].replace(",", "")) for row in found) == CONFIG.schedule.images
    assert sum(int(row["iterations"]) for row in found) == CONFIG.schedule.iterations


def test_a_row_by_hand():
    row = rows(measured())[3]
    assert row["phase"] == "16x16 fade"
    assert (row["batch"], row["per replica"], row["iterations"], row["images"]) == ("16", "8", "7", "112")
    assert (row["ms/iteration"], row["images/s"], row["time"]) == ("2,000", "8.0", "14 s")
    assert row["parameters"] == "3,500"
    # 100 MiB of networks and optimizers, 16 images of 64 MiB.
    assert row["peak memory"] == "1.1 GiB"


def test_what_was_not_measured_is_in_proportion_and_marked():
    found = measured({0: 40.0, 1: 20.0}, {0: MIB, 1: 2 * MIB})
    times = training_operations(CONFIG.network, 2) / training_operations(CONFIG.network, 1)
    assert found.seconds.at(2) == pytest.approx(times / 20)
    larger = activations(CONFIG.network, 2) / activations(CONFIG.network, 1)
    assert found.peak_memory(2, 16) == pytest.approx(100 * MIB + 16 * 2 * MIB * larger, abs=1)
    for name in ("ms/iteration", "images/s", "time", "peak memory"):
        assert [row[name].startswith("~") for row in rows(found)] == [False] * 3 + [True] * 3


def test_before_anything_is_measured_every_activation_is_held_once_at_least():
    found = measured({}, {})
    # Of 20 images, each of two replicas has ten, of two bytes a value.
    assert found.peak_memory(0, 20) == 100 * MIB + 10 * 2 * activations(CONFIG.network, 0)


def test_where_nothing_is_known_that_is_said():
    found = measured({}, {}, device_memory=None, free_disk=None, state_memory=None)
    assert math.isinf(estimate.run_seconds(CONFIG, found))
    assert {row["time"] for row in rows(found)} == {row["peak memory"] for row in rows(found)} == {"unknown"}
    text = estimate.summary(CONFIG, found)
    assert "not measured; the machine's memory: unknown" in text
    assert "free for runs/somewhere: unknown" in text
    assert re.search(r"^time +unknown", text, re.MULTILINE)
    assert not find_problems(CONFIG, found)


def test_the_summary_names_the_largest_phase_and_all_that_is_needed():
    lines = dict(line.split(maxsplit=1) for line in estimate.summary(CONFIG, measured()).splitlines())
    assert lines["peak"] == "memory  about 1.1 GiB in 16x16 fade; the machine's memory: 16 GiB"
    assert lines["parameters"] == "generator 3,000, discriminator 500"
    assert lines["checkpoints"] == "9 of 1.0 GiB, 9.0 GiB in all; free for runs/somewhere: 10 GiB"
    assert lines["data"] == "data/here"
    assert lines["time"].startswith("about 74 s for 52 iterations, 932 images, on 2 replica(s) in float32")


def test_every_batch_that_the_memory_does_not_hold_is_named_with_one_that_it_does():
    schedule = dataclasses.replace(CONFIG.schedule, batch_sizes={4: 20, 8: 40_000, 16: 1600})
    config = dataclasses.replace(CONFIG, schedule=schedule)
    found = measured()
    problems = find_problems(config, found)
    pattern = (
        r"--batch_sizes gives {} images at {}, which need about .+ of the machine's 16 GiB; use {}:(\d+)"
    )
    for problem, wanted in zip(problems, [(40_000, "8x8", 8), (1600, "16x16", 16)], strict=True):
        level = wanted[2].bit_length() - 3
        advised = int(re.fullmatch(pattern.format(*wanted), problem)[1])
        assert found.peak_memory(level, advised) <= found.device_memory
        assert found.peak_memory(level, 2 * advised) > found.device_memory


def test_a_run_that_starts_higher_needs_what_is_left_of_it():
    schedule = dataclasses.replace(CONFIG.schedule, start_resolution=16)
    config = dataclasses.replace(CONFIG, schedule=schedule)
    # 16x16 stable in 13 batches of 16, and 7 more.
    assert estimate.run_seconds(config, measured()) == pytest.approx((13 + 7) * 16 / 8)
    (problem,) = find_problems(config, measured(out_of_memory={2}))
    assert problem.startswith("--batch_sizes gives 16 images at 16x16, which the machine's memory does not")


def test_networks_that_no_batch_makes_fit_are_to_be_smaller():
    problems = find_problems(CONFIG, measured(device_memory=1000))
    assert len(problems) == 3
    assert all(problem.endswith("use a smaller --fmap_base or --fmap_max") for problem in problems)


def test_a_level_that_ran_out_of_memory_is_a_problem_whatever_is_estimated():
    (problem,) = find_problems(CONFIG, measured({0: 40.0}, {0: MIB}, out_of_memory={2}))
    assert problem == (
        "--batch_sizes gives 16 images at 16x16, which the machine's memory does not hold; use 16:8"
    )


def test_checkpoints_must_fit_the_disk():
    assert not find_problems(CONFIG, measured(checkpoints=10))
    (problem,) = find_problems(CONFIG, measured(checkpoints=11))
    assert problem.startswith(
        "--run_dir=runs/somewhere needs 11 GiB for checkpoints, and its disk has 10 GiB;"
    )


def test_batches_that_cannot_be_dealt_out_stay_named():
    assert find_problems(CONFIG, measured(batch_problems={4: "--batch_sizes is wrong"})) == [
        "--batch_sizes is wrong"
    ]


def test_months_are_said_and_days_are_not():
    assert "--flagfile" not in estimate.summary(CONFIG, measured())
    slow = estimate.summary(CONFIG, measured({0: 1e-4})).splitlines()[-1]
    assert slow.startswith("this run takes about")
    assert "--flagfile=flags/" in slow


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "unknown"),
        (0, "0.0 MiB"),
        (3.2 * GIB, "3.2 GiB"),
        (19 * GIB, "19 GiB"),
        (5 * MIB, "5.0 MiB"),
        (500 * MIB, "500 MiB"),
    ],
)
def test_sizes_read_as_a_person_says_them(count, text):
    assert estimate.size(count) == text
