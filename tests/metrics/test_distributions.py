import dataclasses

import numpy as np
import pytest
from scipy import linalg
from scipy.spatial import distance

from mrisynth.errors import UserError
from mrisynth.metrics import distributions
from mrisynth.metrics.distributions import (
    ManifoldMeasures,
    frechet_distance,
    kernel_distance,
    manifold_measures,
)


def draw(count, dimensions, seed, dtype=np.float32):
    """Correlated features around a mean far from 0."""
    mixing = np.random.RandomState(0).normal(size=(dimensions, dimensions))
    return (np.random.RandomState(seed).normal(size=(count, dimensions)) @ mixing + 3).astype(dtype)


# ----------------------------------------------------------------------------------------------- Frechet


def test_frechet_distance_of_two_normals_on_a_line():
    """(m1 - m2)^2 + (s1 - s2)^2."""
    first, second = np.array([[-1.0], [1.0]]), np.array([[2.0], [8.0]])
    assert frechet_distance(first, second) == pytest.approx(5**2 + (np.sqrt(2) - np.sqrt(18)) ** 2)


def test_frechet_distance_of_commuting_covariances():
    """Independent axes add up."""
    corners = np.array([[-1.0, -1], [-1, 1], [1, -1], [1, 1]])
    deviation = np.sqrt(4 / 3)
    expected = deviation**2 * ((2 - 1) ** 2 + (5 - 1) ** 2) + 3**2
    assert frechet_distance(corners, corners * [2, 5] + [0, 3]) == pytest.approx(expected)


def test_frechet_distance_is_that_of_the_matrix_root():
    first, second = draw(300, 8, 1, np.float64), 1.5 * draw(200, 8, 2, np.float64)[:, ::-1]
    covariances = np.cov(first.T), np.cov(second.T)
    root = linalg.sqrtm(covariances[0] @ covariances[1]).real
    expected = np.sum((first.mean(axis=0) - second.mean(axis=0)) ** 2)
    expected += np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(second, first) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("count", [5, 200])
def test_equal_sets_are_at_no_frechet_distance_even_if_images_are_fewer_than_dimensions(count):
    features = draw(count, 30, 1)
    scale = np.trace(np.cov(features.T))
    assert frechet_distance(features, features[::-1]) < 1e-6 * scale
    moved = features + np.eye(30, dtype=np.float32)[3] * 2
    assert frechet_distance(features, moved) == pytest.approx(4, abs=1e-6 * scale)


def test_frechet_distance_of_flat_sets_on_different_axes_adds_their_spreads():
    first, second = np.zeros((2, 4, 6))
    first[:, 0], second[:, 1] = [-1, 1, -1, 1], [-2, 2, -2, 2]
    assert frechet_distance(first, second) == pytest.approx(4 / 3 + 16 / 3)


def test_blocks_do_not_change_the_frechet_distance(monkeypatch):
    first, second = draw(50, 6, 1), draw(40, 6, 2)
    whole = frechet_distance(first, second)
    monkeypatch.setattr(distributions, "_BLOCK_VALUES", 7 * 6)
    assert frechet_distance(first, second) == pytest.approx(whole, rel=1e-10)


# ------------------------------------------------------------------------------------------------ kernel


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


# ---------------------------------------------------------------------------------------------- manifold


REAL = np.array([-10.0, 0, 1, 3, 7])[:, None]
GENERATED = np.array([0.5, 4, 12, 20])[:, None]


@pytest.mark.parametrize(
    ("neighbors", "expected"),
    [
        # Real balls: [-20, 0], [-1, 1], [0, 2], [1, 5], [3, 11]; generated: [-3, 4], [0.5, 7.5], [4, 20], ...
        (1, ManifoldMeasures(precision=2 / 4, recall=4 / 5, density=4 / 4, coverage=4 / 5)),
        # Real: [-21, 1], [-3, 3], [-1, 3], [0, 6], [1, 13]; generated: [-11, 12], ...
        (2, ManifoldMeasures(precision=3 / 4, recall=1, density=7 / 8, coverage=1)),
    ],
)
@pytest.mark.parametrize("offset", [0, 1000])
def test_points_on_a_line(neighbors, expected, offset):
    assert manifold_measures(REAL + offset, GENERATED + offset, neighbors) == expected


def test_a_point_on_the_edge_of_a_ball_is_within():
    real = np.array([[-2.0], [0], [2]])
    generated = np.array([[-4.0], [4], [4], [-4]])
    measures = manifold_measures(real, generated, neighbors=1)
    assert measures == ManifoldMeasures(precision=1, recall=0, density=1, coverage=2 / 3)


def direct_measures(real, generated, k):
    """From the table of all distances, by the papers' formulas."""
    between = distance.cdist(real, generated)
    real_radii = np.sort(distance.cdist(real, real))[:, k]
    generated_radii = np.sort(distance.cdist(generated, generated))[:, k]
    within = between <= real_radii[:, None]
    return ManifoldMeasures(
        precision=within.any(axis=0).mean(),
        recall=(between <= generated_radii).any(axis=1).mean(),
        density=within.sum() / (k * len(generated)),
        coverage=(between.min(axis=1) <= real_radii).mean(),
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize(("count", "k"), [(90, 1), (110, 5)])
def test_measures_are_those_of_the_direct_version(monkeypatch, count, k, offset, dtype):
    real, generated = draw(100, 6, 1, dtype) + offset, 0.8 * draw(count, 6, 2, dtype) + offset
    expected = direct_measures(real, generated, k)
    assert 0.1 < expected.recall < 0.95
    assert 0.1 < expected.precision < 1
    for values in (2**23, 7 * 110):
        monkeypatch.setattr(distributions, "_BLOCK_VALUES", values)
        assert manifold_measures(real, generated, k) == expected


def test_a_narrow_cloud_has_precision_and_a_wide_one_recall():
    random = np.random.RandomState(0)
    real = random.normal(size=(400, 4))
    narrow = manifold_measures(real, random.normal(scale=0.3, size=(400, 4)))
    wide = manifold_measures(real, random.normal(scale=3, size=(400, 4)))
    same = manifold_measures(real, random.normal(size=(400, 4)))
    assert narrow.precision > 0.99 > 0.5 > narrow.recall
    assert wide.recall > 0.9 > 0.5 > wide.precision
    assert min(same.precision, same.recall, same.coverage) > 0.85
    assert same.density == pytest.approx(1, abs=0.15)
    assert narrow.coverage < 0.5
    assert all(type(value) is float for value in dataclasses.astuple(narrow))


def test_collapse_to_one_image_has_no_recall():
    real = draw(50, 5, 1)
    measures = manifold_measures(real, np.repeat(real[:1], 50, axis=0) + np.float32(1e-3))
    assert measures.precision == 1
    assert measures.recall == 0
    assert measures.coverage < 0.4


# ------------------------------------------------------------------------------------------------ mistakes

GOOD = draw(10, 4, 1)
BAD = np.where(np.eye(10, 4, dtype=bool), np.nan, GOOD)


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, manifold_measures])
@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        (GOOD, GOOD[:, :3], "4 and 3 dimensions"),
        (GOOD[0], GOOD, r"shape \[4\]"),
        (GOOD, GOOD[None], r"shape \[1, 10, 4\]"),
        (BAD, GOOD, "not all finite"),
        (GOOD, np.float32(np.inf) * GOOD, "not all finite"),
        (GOOD[:1], GOOD, "features of 1 images are too few"),
        (GOOD, GOOD[:0], "features of 0 images are too few"),
    ],
)
def test_mistakes_are_named_in_one_sentence(measure, first, second, message):
    with pytest.raises(UserError, match=message) as caught:
        measure(first, second)
    assert "\n" not in str(caught.value)


def test_there_must_be_more_images_than_neighbors():
    assert manifold_measures(GOOD[:6], GOOD, 5).coverage > 0
    with pytest.raises(UserError, match="features of 5 images are too few; use those of at least 6"):
        manifold_measures(GOOD, GOOD[:5], 5)
