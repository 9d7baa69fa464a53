import numpy as np
import pytest
from scipy import linalg

from mrisynth.metrics import feature_sets
from mrisynth.metrics.frechet_distance import frechet_distance
from tests.metrics.random_features import draw


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
    monkeypatch.setattr(feature_sets, "_BLOCK_VALUES", 7 * 6)
    assert frechet_distance(first, second) == pytest.approx(whole, rel=1e-10)
