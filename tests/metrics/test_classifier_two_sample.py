import numpy as np
import pytest
from scipy import stats

from mrisynth.metrics import registry
from mrisynth.metrics.classifier_two_sample import classifier_accuracy
from mrisynth.metrics.registry import ImageSet
from tests.metrics.random_features import draw


def accuracy_of_images(first, second, seed=0):
    """Of sets in which every row is a subject of its own."""
    return classifier_accuracy(first, second, np.arange(len(first)), np.arange(len(second)), seed)


def test_images_of_one_distribution_are_told_apart_by_guessing():
    found = [accuracy_of_images(draw(400, 20, seed), draw(400, 20, 100 + seed), seed) for seed in range(20)]
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
    assert accuracy_of_images(first, second + shift) == pytest.approx(expected, abs=0.01)


def test_what_differs_is_found_beside_features_of_any_scale_and_more_of_them_than_images():
    first, second = draw(60, 200, 1, np.float64), draw(60, 200, 2, np.float64)
    first[:, 7], second[:, 7] = np.random.RandomState(0).normal(size=(2, 60)) * 1e-3
    second[:, 7] += 1e-2
    first[:, 9] = second[:, 9] = 5
    assert accuracy_of_images(first[:, 7:8], second[:, 7:8]) > 0.99
    first *= np.logspace(-6, 6, 200)
    second *= np.logspace(-6, 6, 200)
    assert accuracy_of_images(first, second) > 0.9


def test_as_many_images_as_features_are_no_worse_than_half_as_many():
    def accuracy(count):
        found = []
        for seed in range(10):
            first, second = np.random.RandomState(seed).normal(size=(2, count, 120))
            found.append(accuracy_of_images(first, second + 0.25))
        return np.mean(found)

    few, many, most = accuracy(60), accuracy(120), accuracy(480)
    assert few - 0.03 < many < most


SUBJECTS = np.repeat(np.arange(20), 15)


def draw_subjects(random):
    """Rows of 20 subjects, each of whom has features of their own, far from everybody's."""
    return np.repeat(random.normal(size=(20, 10)), 15, axis=0)


def test_subjects_who_are_known_again_do_not_count():
    random = np.random.RandomState(0)
    by_subject, by_image = [], []
    for seed in range(40):
        sets = draw_subjects(random), draw_subjects(random)
        by_subject.append(classifier_accuracy(*sets, SUBJECTS, SUBJECTS, seed))
        by_image.append(accuracy_of_images(*sets, seed))
    assert np.mean(by_subject) == pytest.approx(0.5, abs=0.05)
    assert np.mean(by_image) > 0.65


def test_two_sites_one_after_the_other_do_not_hide_what_differs():
    """Half of the rows are of another site; generated ones are of both, in no order."""
    random = np.random.RandomState(0)
    good, bad = [], []
    for seed in range(40):
        real = draw_subjects(random)
        real[150:] += 2
        generated = random.normal(size=(300, 10)) + 2 * random.randint(2, size=(300, 1))
        groups = SUBJECTS, np.arange(300)
        good.append(classifier_accuracy(real, generated, *groups, seed))
        generated[:, 0] += 3
        bad.append(classifier_accuracy(real, generated, *groups, seed))
    assert np.mean(good) == pytest.approx(0.5, abs=0.07)
    assert np.mean(bad) > 0.75


def test_sets_of_one_subject_are_not_measured_and_subjects_are_chosen_with_their_images():
    random = np.random.RandomState(0)
    images = random.randint(0, 255, size=(40, 16, 16, 1)).astype(np.uint8)
    sides = [ImageSet(images, draw(40, 3, seed), subjects=np.repeat(np.arange(4), 10)) for seed in range(2)]
    chosen = sides[0].choose(20, random)
    for who, features in zip(chosen.subjects, chosen.features, strict=True):
        assert features in sides[0].features[10 * who : 10 * who + 10]
    options = {"repeats": 2, "pairs": 20, "only": ("classifier_accuracy",)}
    assert 0 <= registry.measure(*sides, 40, **options)["classifier_accuracy"].mean <= 1
    alone = ImageSet(images, draw(40, 3, 1), subjects=np.zeros(40))
    assert registry.measure(sides[0], alone, 40, **options) == {}


def test_both_sets_count_alike_and_either_may_be_first():
    first, second = draw(300, 6, 1), draw(40, 6, 2) + 1
    accuracy = accuracy_of_images(first, second)
    assert 0.5 < accuracy < 1
    # Other subjects are in the same half then.
    assert accuracy_of_images(second, first) == pytest.approx(accuracy, abs=0.03)
    # A classifier that always says "first" would be right in 300 of 340.
    assert accuracy_of_images(first, draw(40, 6, 3)) < 0.7
