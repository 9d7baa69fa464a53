import numpy as np
import pytest
from scipy import stats

from mrisynth.metrics.classifier_two_sample import classifier_accuracy
from tests.metrics.random_features import draw


def test_images_of_one_distribution_are_told_apart_by_guessing():
    found = [classifier_accuracy(draw(400, 20, seed), draw(400, 20, 100 + seed)) for seed in range(20)]
    # Each is the part of 800 answers that are right.
    assert np.mean(found) == pytest.approx(0.5, abs=4 * 0.5 / np.sqrt(800 * 20))


def test_two_normals_are_told_apart_as_often_as_can_be():
    """Of N(0, C) and N(m, C), the best rule is right with probability F(d / 2), d^2 = m C^-1 m."""
    mixing = np.random.RandomState(0).normal(size=(3, 3))
    shift = np.array([1.0, -2.0, 0.5])
    random = np.random.RandomState(1)
    first, second = (random.normal(size=(20_000, 3)) @ mixing for _ in range(2))
    distance = np.linalg.norm(np.linalg.solve(mixing.T, shift))
    expected = stats.norm.cdf(distance / 2)
    assert 0.6 < expected < 0.95
    assert classifier_accuracy(first, second + shift) == pytest.approx(expected, abs=0.01)


def test_what_differs_is_found_beside_features_of_any_scale_and_more_of_them_than_images():
    first, second = draw(60, 200, 1, np.float64), draw(60, 200, 2, np.float64)
    first[:, 7], second[:, 7] = np.random.RandomState(0).normal(size=(2, 60)) * 1e-3
    second[:, 7] += 1e-2
    first[:, 9] = second[:, 9] = 5
    alone = classifier_accuracy(first[:, 7:8], second[:, 7:8])
    assert alone > 0.99
    first *= np.logspace(-6, 6, 200)
    second *= np.logspace(-6, 6, 200)
    assert classifier_accuracy(first, second) > 0.9


def test_subjects_who_are_known_again_do_not_count():
    """Every subject has features of their own, far from everybody's; nothing tells the sets apart."""
    random = np.random.RandomState(0)
    in_order, shuffled = [], []
    for _ in range(20):
        first, second = (np.repeat(random.normal(size=(20, 10)), 15, axis=0) for _ in range(2))
        in_order.append(classifier_accuracy(first, second))
        shuffled.append(classifier_accuracy(*map(random.permutation, (first, second))))
    assert np.mean(in_order) == pytest.approx(0.5, abs=0.06)
    assert np.mean(shuffled) > 0.65


def test_both_sets_count_alike_and_either_may_be_first():
    first, second = draw(300, 6, 1), draw(40, 6, 2) + 1
    accuracy = classifier_accuracy(first, second)
    assert 0.5 < accuracy < 1
    assert classifier_accuracy(second, first) == pytest.approx(accuracy)
    # A classifier that always says "first" would be right in 300 of 340.
    assert classifier_accuracy(first, draw(40, 6, 3)) < 0.7
