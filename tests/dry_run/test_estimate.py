import dataclasses
import math
import pathlib
import re

import pytest

from mrisynth.dry_run import estimate
from mrisynth.dry_run.estimate import Machine, Trial, estimated_memory, make_foresight
from mrisynth.networks import NetworkConfig
from mrisynth.networks.flops import training_operations
from mrisynth.training import GrowthSchedule, TrainingConfig, throughput

GIB = 2**30
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
MACHINE = Machine(
    "the machine's", replicas=2, replicas_in_memory=2, memory=16 * GIB, disk=10 * GIB, dtype_policy="float32"
)


def make_trial(measured, peaks=None, exhausted=()):
    pace = throughput.Pace(CONFIG.network, matrix_rate=0.0)
    for level, speed in measured.items():
        pace.measure(level, speed)
    return Trial(pace, peaks or {}, frozenset(exhausted), checkpoint_bytes=GIB)


def foretell(machine=MACHINE, measured=None, checkpoints=9, batch_problems=(), **trial):
    measured = {0: 40.0, 1: 20.0, 2: 8.0} if measured is None else measured
    return make_foresight(CONFIG, machine, make_trial(measured, **trial), checkpoints, batch_problems)


def rows(foretold):
    header, *lines = estimate.table(foretold).splitlines()
    names = re.split(r"\s{2,}", header.strip())
    return [dict(zip(names, re.split(r"\s{2,}", line.strip()), strict=True)) for line in lines]


def test_phases_add_up_to_the_run():
    foretold = foretell()
    assert sum(found.phase.images for found in foretold.phases) == CONFIG.schedule.images
    assert sum(found.phase.iterations for found in foretold.phases) == CONFIG.schedule.iterations
    # 4x4 stable; 8x8 fade and stable; 16x16 fade and stable in 7 and 13 batches of 16, and 7 more.
    assert foretold.seconds == pytest.approx(200 / 40 + (100 + 200) / 20 + (7 + 13 + 7) * 16 / 8)
    assert not foretold.problems


def test_a_level_that_was_not_timed_is_foretold_and_marked():
    foretold = foretell(measured={0: 40.0, 1: 20.0})
    speed = 20 * training_operations(CONFIG.network, 1) / training_operations(CONFIG.network, 2)
    assert foretold.phases[-1].seconds == pytest.approx(7 * 16 / speed)
    marked = [row["time"].startswith("~") for row in rows(foretold)]
    assert marked == [False, False, False, True, True, True]


def test_where_nothing_is_known_that_is_said():
    machine = dataclasses.replace(MACHINE, memory=None, disk=None)
    foretold = foretell(machine, measured={})
    assert math.isinf(foretold.seconds)
    assert {row["time"] for row in rows(foretold)} == {"unknown"}
    text = estimate.summary(foretold)
    assert "the machine's memory: unknown" in text
    assert "free for runs/somewhere: unknown" in text
    assert re.search(r"^time +unknown", text, re.MULTILINE)
    assert not foretold.problems


def test_a_row_by_hand():
    row = rows(foretell())[3]
    assert row["phase"] == "16x16 fade"
    assert (row["batch"], row["per replica"], row["iterations"], row["images"]) == ("16", "8", "7", "112")
    assert (row["ms/iteration"], row["images/s"], row["time"]) == ("2,000", "8.0", "14 s")


def test_measured_memory_stands_before_the_estimate():
    foretold = foretell(peaks={2: 3 * GIB})
    assert [row["peak memory"] for row in rows(foretold)][-1] == "3.0 GiB"
    assert rows(foretold)[0]["peak memory"].startswith("~")
    assert "about 3.0 GiB in 16x16 fade" in estimate.summary(foretold)


def test_a_gpu_holds_its_own_share_only():
    gpu = dataclasses.replace(MACHINE, replicas_in_memory=1)
    assert estimated_memory(CONFIG, gpu, 2, 16) == estimated_memory(
        CONFIG, dataclasses.replace(MACHINE, replicas=1, replicas_in_memory=1), 2, 8
    )
    assert estimated_memory(CONFIG, gpu, 2, 16) < estimated_memory(CONFIG, MACHINE, 2, 16)


def test_every_batch_that_the_memory_does_not_hold_is_named_with_one_that_it_does():
    schedule = dataclasses.replace(CONFIG.schedule, batch_sizes={4: 20, 8: 4000, 16: 1600})
    config = dataclasses.replace(CONFIG, schedule=schedule)
    machine = dataclasses.replace(MACHINE, memory=estimated_memory(CONFIG, MACHINE, 2, 800))
    problems = make_foresight(config, machine, make_trial({0: 40.0}), 9, []).problems
    pattern = r"--batch_sizes gives {} images at {}, which need about .+ of the machine's .+; use {}:(\d+)"
    for problem, wanted in zip(problems, [(4000, "8x8", 8), (1600, "16x16", 16)], strict=True):
        level = wanted[2].bit_length() - 3
        advised = int(re.fullmatch(pattern.format(*wanted), problem)[1])
        assert estimated_memory(CONFIG, machine, level, advised) <= machine.memory
        assert estimated_memory(CONFIG, machine, level, 2 * advised) > machine.memory


def test_networks_that_no_batch_makes_fit_are_to_be_smaller():
    problems = foretell(dataclasses.replace(MACHINE, memory=1000)).problems
    assert len(problems) == 3
    assert all(problem.endswith("use a smaller --fmap_base or --fmap_max") for problem in problems)


def test_a_level_that_ran_out_of_memory_is_a_problem_whatever_was_estimated():
    (problem,) = foretell(measured={0: 40.0}, exhausted=[2]).problems
    assert problem == (
        "--batch_sizes gives 16 images at 16x16, which the machine's memory does not hold; use 16:8"
    )


def test_checkpoints_must_fit_the_disk():
    assert not foretell(checkpoints=10).problems
    (problem,) = foretell(checkpoints=11).problems
    assert problem.startswith(
        "--run_dir=runs/somewhere needs 11 GiB for checkpoints, and its disk has 10 GiB;"
    )


def test_batches_that_cannot_be_dealt_out_stay_named():
    assert foretell(batch_problems=["--batch_sizes is wrong"]).problems == ("--batch_sizes is wrong",)


def test_months_are_said_and_days_are_not():
    assert foretell().too_long is None
    slow = foretell(measured={0: 1e-4})
    assert "--flagfile=flags/" in slow.too_long


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0.0 MiB"),
        (3.2 * GIB, "3.2 GiB"),
        (19 * GIB, "19 GiB"),
        (5 * 2**20, "5.0 MiB"),
        (500 * 2**20, "500 MiB"),
    ],
)
def test_sizes_read_as_a_person_says_them(count, text):
    assert estimate.size(count) == text
