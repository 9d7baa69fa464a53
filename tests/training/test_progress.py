import pytest

from mrisynth.networks import NetworkConfig
from mrisynth.networks.operations import training_operations
from mrisynth.training import GrowthSchedule, progress

NETWORK = NetworkConfig(resolution=8, fmap_base=64, fmap_max=16)
SCHEDULE = GrowthSchedule(
    8, fade_images=100, stable_images=200, total_iterations=0, batch_sizes={4: 10, 8: 10}
)


def first_phase(monkeypatch, matrix_rate):
    """Progress after 100 images of 4x4 in ten seconds, the first batch not counted."""
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    bar = progress.Progress(SCHEDULE, NETWORK, matrix_rate)
    bar.start_phase(SCHEDULE.at_iteration(0))
    bar.update(SCHEDULE.at_iteration(1))
    bar.update(SCHEDULE.at_iteration(11))
    bar.end_phase()
    return bar


def test_time_left_counts_later_resolutions_by_their_operations(monkeypatch):
    bar = first_phase(monkeypatch, matrix_rate=0.0)
    assert bar.images_per_second == pytest.approx(10)
    factor = training_operations(NETWORK, 1) / training_operations(NETWORK, 0)
    # 90 images of 4x4 are left, then 300 of 8x8, each so many times dearer.
    assert bar.seconds_left(SCHEDULE.at_iteration(11)) == pytest.approx(9 + 30 * factor)


def test_a_slow_start_is_not_taken_for_the_machines_speed(monkeypatch):
    operations = training_operations(NETWORK, 1)
    bar = first_phase(monkeypatch, matrix_rate=1000 * operations)
    # 90 images of 4x4 at ten a second, 300 of 8x8 at three tenths of the matrix product's rate.
    assert bar.seconds_left(SCHEDULE.at_iteration(11)) == pytest.approx(9 + 300 / 300)
