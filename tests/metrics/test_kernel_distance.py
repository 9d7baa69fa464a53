import numpy as np

from mrisynth.metrics.kernel_distance import kernel_distance
from tests.metrics.random_features import draw


def test_kernel_distance_by_hand():
    """D = 1: k(0, 1) = 1, k(2, 3) = 7^3; between: 1, 1, 3^3 and 4^3."""
    first, second = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    expected = 1 + 343 - 2 * (1 + 1 + 27 + 64) / 4
    np.testing.assert_allclose(kernel_distance(first, second, 0, subsets=3), [expected] * 3)


def test_kernel_distance_divides_by_the_dimensions():
    first, second = np.zeros((2, 3, 4))
    second[:] = [2, 0, 0, 2]
    # Within the second, (8 / 4 + 1)^3 = 27; else 1.
    np.testing.assert_allclose(kernel_distance(first, second, 0, subsets=1), [1 + 27 - 2])


def test_kernel_distance_averages_to_0_over_one_distribution_and_not_over_two():
    def mean_and_error(first, second):
        values = kernel_distance(first, second, seed=1, subsets=200, subset_size=50)
        return values.mean(), values.std(ddof=1) / np.sqrt(200)

    first, second = (np.random.RandomState(seed).normal(size=(4000, 8)) for seed in range(2))
    mean, error = mean_and_error(first, second)
    assert abs(mean) < 4 * error
    mean, error = mean_and_error(first, 1.3 * second)
    assert mean > 10 * error


def test_the_seed_decides_the_subsets():
    first, second = draw(60, 3, 1), draw(50, 3, 2)
    values = [kernel_distance(first, second, seed, subsets=4, subset_size=20) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(values[0], values[1])
    assert len(np.unique(np.concatenate(values[1:]))) == 8


def test_a_subset_repeats_no_image_and_is_no_larger_than_the_smaller_set():
    """Subsets of the whole smaller set are all alike but for the order."""
    first = draw(9, 3, 1)
    values = kernel_distance(first, first, 0, subsets=3)
    np.testing.assert_allclose(values, values[0], rtol=1e-9)
