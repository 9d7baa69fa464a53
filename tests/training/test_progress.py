import re
import types

import pytest
import tensorflow as tf

from mrisynth.networks import Generator, NetworkConfig
from mrisynth.networks.flops import generator_operations, training_operations
from mrisynth.training import GrowthSchedule, progress

NETWORK = NetworkConfig(resolution=8, latent_size=8, fmap_base=64, fmap_max=16)
SCHEDULE = GrowthSchedule(
    8, fade_images=100, stable_images=200, total_iterations=0, batch_sizes={4: 10, 8: 10}
)


def set_clock(monkeypatch, *times):
    clock = iter(times)
    monkeypatch.setattr(progress, "time", types.SimpleNamespace(monotonic=lambda: next(clock)))


def first_phase(monkeypatch, **settings):
    """Progress after 100 images of 4x4 in ten seconds, the first batch not counted."""
    set_clock(monkeypatch, 0.0, 10.0)
    bar = progress.Progress(SCHEDULE, NETWORK, **settings)
    bar.start_phase(SCHEDULE.at_iteration(0))
    bar.update(SCHEDULE.at_iteration(1), {})
    bar.update(SCHEDULE.at_iteration(11), {})
    bar.end_phase()
    return bar


def test_time_left_counts_later_resolutions_by_their_operations(monkeypatch):
    bar = first_phase(monkeypatch)
    assert bar.images_per_second == pytest.approx(10)
    factor = training_operations(NETWORK, 1) / training_operations(NETWORK, 0)
    # 90 images of 4x4 are left, then 300 of 8x8, each so many times dearer.
    assert bar.seconds_left(SCHEDULE.at_iteration(11)) == pytest.approx(9 + 30 * factor)
    assert "10 images/s, " in shown(bar)
    assert "left for the whole run" in shown(bar)


def test_a_slow_start_is_not_taken_for_the_machines_speed(monkeypatch):
    operations = training_operations(NETWORK, 1)
    bar = first_phase(monkeypatch, seconds_per_operation=1 / (300 * operations))
    # 90 images of 4x4 at ten a second, 300 of 8x8 at 300 a second.
    assert bar.seconds_left(SCHEDULE.at_iteration(11)) == pytest.approx(9 + 300 / 300)


def test_no_iteration_that_compiles_counts_as_slow(monkeypatch):
    # The first of each kind takes a minute, the others a second.
    set_clock(monkeypatch, 60.0, 120.0, 121.0, 122.0, 182.0, 183.0)
    bar = progress.Progress(SCHEDULE, NETWORK)
    bar.start_phase(SCHEDULE.at_iteration(0))
    kinds, rates = ["penalty", "none", "none", "penalty", "generator", "none"], []
    for iteration, kind in enumerate(kinds, start=1):
        bar.update(SCHEDULE.at_iteration(iteration), {}, kind)
        rates.append(bar.images_per_second)
    bar.end_phase()
    assert rates == pytest.approx([0, 0, 10, 10, 10, 10])
    # In the next phase they compile again.
    set_clock(monkeypatch, 200.0, 260.0, 265.0)
    bar.start_phase(SCHEDULE.at_iteration(20))
    for iteration, kind in ((21, "penalty"), (22, "none"), (23, "none")):
        bar.update(SCHEDULE.at_iteration(iteration), {}, kind)
    bar.end_phase()
    assert bar.images_per_second == pytest.approx(2)


def shown(bar):
    return bar._bar._note


def test_the_time_left_is_shown_before_the_first_iteration_ends():
    operations = training_operations(NETWORK, 1)
    bar = progress.Progress(SCHEDULE, NETWORK, seconds_per_operation=10 / operations)
    bar.start_phase(SCHEDULE.at_iteration(0))
    # 300 images of 8x8 at ten seconds each, and the 4x4 ones before.
    seconds = 10 * (300 + 200 * training_operations(NETWORK, 0) / operations)
    assert seconds > 1000
    assert f"about {seconds / 60:.0f} minutes left for the whole run" in shown(bar)
    bar.update(SCHEDULE.at_iteration(1), {})
    assert "left for the whole run" in shown(bar)
    bar.end_phase()


@pytest.mark.parametrize(("seconds", "told"), [(1.0, []), (1e6, ["this run takes about"])])
def test_a_run_of_months_says_so_once(monkeypatch, capsys, seconds, told):
    set_clock(monkeypatch, 0.0, 4 * seconds, 8 * seconds)
    bar = progress.Progress(SCHEDULE, NETWORK)
    bar.start_phase(SCHEDULE.at_iteration(0))
    for iteration in (1, 2, 3):
        bar.update(SCHEDULE.at_iteration(iteration), {})
    bar.end_phase()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert [
        line[: len("this run takes about")] for line in captured.err.splitlines() if "--flagfile" in line
    ] == told


def test_an_unsettled_measurement_warns_of_nothing(monkeypatch, capsys):
    set_clock(monkeypatch, 0.0, 2.0)
    schedule = GrowthSchedule(8, stable_images=10**9, total_iterations=0, batch_sizes={4: 1, 8: 1})
    bar = progress.Progress(schedule, NETWORK)
    bar.start_phase(schedule.at_iteration(0))
    bar.update(schedule.at_iteration(1), {})
    bar.update(schedule.at_iteration(2), {})
    bar.end_phase()
    assert "--flagfile" not in capsys.readouterr().err


def test_an_operation_takes_its_part_of_the_fastest_call(monkeypatch):
    clock = iter([100.0, 100.8, 200.0, 200.3])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    seconds = progress.seconds_per_operation(Generator.from_network_config(NETWORK), images=6)
    assert seconds * 6 * generator_operations(NETWORK, 1) == pytest.approx(0.3)


def test_the_end_of_a_run_counts_as_time_left(monkeypatch):
    bar = first_phase(monkeypatch, ending_seconds=700.0)
    without = first_phase(monkeypatch)
    at = SCHEDULE.at_iteration(11)
    assert bar.seconds_left(at) == pytest.approx(without.seconds_left(at) + 700)
    assert bar.seconds_left(SCHEDULE.at_iteration(SCHEDULE.iterations)) == pytest.approx(700)


def test_a_line_without_a_terminal_has_phase_images_losses_rate_and_time(monkeypatch, capsys, every_line):
    set_clock(monkeypatch, *map(float, range(10)))
    bar = progress.Progress(SCHEDULE, NETWORK)
    bar.start_phase(SCHEDULE.at_iteration(0))
    metrics = {"loss/discriminator": tf.constant(-12.345), "loss/generator": tf.constant(1.5)}
    bar.update(SCHEDULE.at_iteration(1), metrics)
    bar.update(SCHEDULE.at_iteration(2), metrics | {"gradient_penalty": tf.constant(2.0)})
    bar.end_phase()
    said = capsys.readouterr().err
    assert "\r" not in said
    assert re.fullmatch(
        "4x4 stable: 20 of 200 images, loss of the discriminator -12.3, loss of the generator 1.5, "
        r"\d.* images/s, \d.* left for the whole run",
        said.splitlines()[-1],
    )
