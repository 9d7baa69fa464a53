import math

import pytest

from mrisynth.training import throughput
from mrisynth.training.throughput import CostPerImage

MONTH = 30 * 86_400


def sizes(level):
    """Sizes 1, 10, 100 and so on."""
    return 10**level


def test_a_measured_level_keeps_its_cost_and_sets_that_of_the_others():
    cost = CostPerImage(sizes)
    cost.measure(1, 5.0)
    assert [cost.at(level) for level in range(3)] == pytest.approx([0.5, 5.0, 50.0])
    assert [cost.is_measured(level) for level in range(3)] == [False, True, False]
    cost.measure(2, 20.0)
    # The largest level that was measured tells of the others, and the smaller one keeps its own.
    assert [cost.at(level) for level in range(4)] == pytest.approx([0.2, 5.0, 20.0, 200.0])
    assert cost.of_a_unit() == pytest.approx(0.2)


def test_levels_that_were_not_measured_cost_no_more_than_was_expected_at_most():
    cost = CostPerImage(sizes, most=0.3)
    assert cost.at(2) == pytest.approx(30.0)
    cost.measure(0, 5.0)
    assert [cost.at(level) for level in range(3)] == pytest.approx([5.0, 3.0, 30.0])
    cost.measure(1, 1.0)
    assert cost.at(2) == pytest.approx(10.0)


def test_without_any_measurement_nothing_is_known():
    assert math.isinf(CostPerImage(sizes).at(2))
    assert math.isinf(CostPerImage(sizes).of_a_unit())


def test_shipped_runs_stand_from_the_largest_to_the_smallest():
    operations = list(throughput.SHIPPED_RUNS.values())
    assert operations == sorted(operations, reverse=True)


def test_a_run_of_less_than_a_month_is_not_too_long():
    assert throughput.too_long(MONTH, 1e12) is None


def test_where_nothing_is_known_nothing_is_too_long():
    assert throughput.too_long(math.inf, 0.0) is None


@pytest.mark.parametrize(
    ("operations_per_second", "named"),
    [
        # Two cores; a large GPU; a machine on which nothing is fast.
        (1e11, "--flagfile=flags/cpu_64.flags takes less than a day"),
        (2.2e12, "--flagfile=flags/paper_d.flags takes about 28 days"),
        (1e6, "--flagfile=flags/quickstart.flags takes about 14 months"),
    ],
)
def test_a_run_of_months_names_the_largest_that_is_not(operations_per_second, named):
    sentence = throughput.too_long(14 * 30.4 * 86_400, operations_per_second)
    assert sentence == f"this run takes about 14 months on this machine; {named}"
