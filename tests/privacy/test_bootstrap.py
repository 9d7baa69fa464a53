import numpy as np
import pytest

from mrisynth.privacy.bootstrap import Bootstrap, weighted_quantile
from mrisynth.privacy.nearest_neighbors import Groups


def mean_of(values):
    return lambda weights: float(np.average(values, weights=weights))


def test_the_interval_of_a_mean_is_about_that_of_the_normal_distribution():
    values = np.random.RandomState(0).normal(size=400)
    found = Bootstrap(2000).interval(mean_of(values), Groups.of(np.arange(400)))
    error = 1.96 * values.std() / np.sqrt(400)
    assert found.value == pytest.approx(values.mean())
    assert found.high - found.value == pytest.approx(error, rel=0.15)
    assert found.value - found.low == pytest.approx(error, rel=0.15)


def test_slices_of_a_subject_count_as_one():
    """Each subject's value 25 times over says nothing more: the interval stays as wide."""
    values = np.random.RandomState(1).normal(size=20)
    once = Bootstrap().interval(mean_of(values), Groups.of(np.arange(20)))
    repeated = Bootstrap().interval(mean_of(np.repeat(values, 25)), Groups.of(np.repeat(np.arange(20), 25)))
    assert repeated.low == pytest.approx(once.low)
    assert repeated.high == pytest.approx(once.high)


def test_the_same_seed_gives_the_same_interval():
    values, groups = np.random.RandomState(2).normal(size=30), Groups.of(np.arange(30))
    first, again, other = (Bootstrap(100, seed).interval(mean_of(values), groups) for seed in (3, 3, 4))
    assert first == again != other


@pytest.mark.parametrize(("part", "expected"), [(0.25, 1), (0.26, 2), (0.5, 2), (0.75, 3), (1, 4)])
def test_quantiles_of_equal_weights(part, expected):
    assert weighted_quantile(np.array([1.0, 2, 3, 4]), np.ones(4), part) == expected


def test_quantiles_of_weights_are_those_of_repeated_values():
    values, weights = np.array([1.0, 2, 3, 4]), np.array([0, 5, 0, 2])
    repeated = np.repeat(values, weights)
    for part in (0.01, 0.3, 0.7, 0.72, 0.9):
        expected = np.quantile(repeated, part, method="inverted_cdf")
        assert weighted_quantile(values, weights, part) == expected
