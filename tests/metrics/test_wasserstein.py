import numpy as np
import pytest

from mrisynth.metrics.wasserstein import BinnedDistance, distance_by_sorting, wasserstein_distances

COUNT = 2**15


def draw(kind, seed):
    random = np.random.RandomState(seed)
    samples = {
        "normal": lambda: random.standard_normal(COUNT),
        "heavy tails": lambda: random.standard_cauchy(COUNT),
        "one outlier": lambda: np.append(random.standard_normal(COUNT - 1), 1e6),
        "few values": lambda: random.randint(4, size=COUNT),
        "mostly one value": lambda: (
            0.3 + 1e-3 * seed + random.standard_normal(COUNT) * (random.rand(COUNT) < 0.1)
        ),
        "two values": lambda: random.rand(COUNT) < 0.5,
        "far from 0": lambda: 1000 + random.standard_normal(COUNT),
        "tiny": lambda: 1e-6 * random.standard_normal(COUNT),
    }
    return samples[kind]().astype(np.float32)


KINDS = [
    "normal",
    "heavy tails",
    "one outlier",
    "few values",
    "mostly one value",
    "two values",
    "far from 0",
    "tiny",
]


def test_the_distance_is_the_mean_difference_of_equal_ranks():
    first, second = np.float32([[3, 0, 1]]), np.float32([[5, 6, 8]])
    np.testing.assert_allclose(wasserstein_distances(first, second), [5.0])
    np.testing.assert_allclose(wasserstein_distances(second, first), [5.0])


@pytest.mark.parametrize("kind", KINDS)
def test_bins_give_what_sorting_gives(kind):
    first, second = draw(kind, 1), draw(kind, 2)
    expected = distance_by_sorting(first, second)
    assert expected > 0
    assert BinnedDistance(COUNT)(first, second) == pytest.approx(expected, rel=2e-6)


def test_bins_give_what_sorting_gives_for_unlike_samples():
    distance = BinnedDistance(COUNT)
    for first in KINDS:
        for second in KINDS:
            pair = draw(first, 1), draw(second, 2)
            assert distance(*pair) == pytest.approx(distance_by_sorting(*pair), rel=2e-6), (first, second)


def test_a_sample_shifted_is_that_far_away_and_one_shuffled_is_at_zero():
    sample = draw("normal", 0)
    shuffled = np.random.RandomState(0).permutation(sample)
    shifted, same = wasserstein_distances(np.stack([sample, sample]), np.stack([shuffled + 2, shuffled]))
    assert shifted == pytest.approx(2, rel=1e-5)
    assert same == pytest.approx(0, abs=1e-9)


def test_constant_samples_are_compared_too():
    first, second = np.full((1, COUNT), 1, np.float32), np.full((1, COUNT), 3, np.float32)
    np.testing.assert_array_equal(wasserstein_distances(first, first), [0])
    np.testing.assert_array_equal(wasserstein_distances(first, second), [2])
