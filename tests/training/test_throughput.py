import pytest

from mrisynth.networks import NetworkConfig
from mrisynth.networks.flops import training_operations
from mrisynth.training import GrowthSchedule, throughput

NETWORK = NetworkConfig(resolution=16, fmap_base=64, fmap_max=16)
MONTH = 30 * 86_400


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 s"),
        (3.21, "3.2 s"),
        (89, "89 s"),
        (90, "1.5 minutes"),
        (3600, "60 minutes"),
        (3 * 3600, "3.0 hours"),
        (47 * 3600, "47 hours"),
        (12 * 86_400, "12 days"),
        (14 * 30.4 * 86_400, "14 months"),
        (3 * 365.25 * 86_400, "3.0 years"),
    ],
)
def test_durations_read_as_a_person_says_them(seconds, text):
    assert throughput.duration(seconds) == text


def test_a_measured_level_keeps_its_speed_and_sets_that_of_the_others():
    pace = throughput.Pace(NETWORK, matrix_rate=0.0)
    pace.measure(1, 10.0)
    ratio = training_operations(NETWORK, 2) / training_operations(NETWORK, 1)
    assert pace.images_per_second(1) == 10.0
    assert pace.images_per_second(2) == pytest.approx(10.0 / ratio)
    assert pace.seconds([(1, 50), (2, 50)]) == pytest.approx(5 + 5 * ratio)
    assert pace.is_measured(1)
    assert not pace.is_measured(2)


def test_before_anything_is_measured_the_matrix_product_tells():
    operations = training_operations(NETWORK, 2)
    assert throughput.Pace(NETWORK, 10 * operations).images_per_second(2) == pytest.approx(3.0)
    assert throughput.Pace(NETWORK, 0.0).seconds([(2, 1)]) == float("inf")


def test_operations_of_a_run_by_hand():
    schedule = GrowthSchedule(
        8, fade_images=10, stable_images=20, total_iterations=0, batch_sizes={4: 5, 8: 5}
    )
    network = NetworkConfig(resolution=8)
    expected = 20 * training_operations(network, 0) + 30 * training_operations(network, 1)
    assert throughput.run_operations(network, schedule.phases) == expected


def test_shipped_runs_stand_from_the_largest_to_the_smallest():
    operations = [run.operations for run in throughput.SHIPPED_RUNS]
    assert operations == sorted(operations, reverse=True)


def test_a_run_of_less_than_a_month_is_not_too_long():
    assert throughput.too_long(MONTH, 1e12) is None


@pytest.mark.parametrize(
    ("operations_per_second", "named"),
    [
        # Two cores; a large GPU; a machine on which nothing is fast.
        (1e11, "--flagfile=flags/cpu_64.flags takes less than a day"),
        (2.2e12, "--flagfile=flags/paper_d.flags takes about 28 days"),
        (1e6, "--flagfile=flags/quickstart.flags takes about 18 months"),
    ],
)
def test_a_run_of_months_names_the_largest_that_is_not(operations_per_second, named):
    sentence = throughput.too_long(14 * 30.4 * 86_400, operations_per_second)
    assert sentence == f"this run takes about 14 months on this machine; {named}"
