"""Images of known kinds, and figures made up, against the rule in the report."""

import math

import numpy as np
import pytest
from scipy import ndimage

from mrisynth.evaluation.likeness import RULE, unlike_the_data
from mrisynth.metrics.estimates import Measure, Spread
from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.metrics.frechet_distance import frechet_distance
from mrisynth.metrics.kernel_distance import kernel_distance
from mrisynth.metrics.precision_recall import manifold_measures
from tests.subject_images import draw_subjects

EXTRACT = ScatteringFeatures()
SIZE = 32


def measures(frechet, precision):
    """Figures of generated and of training images."""
    return {
        key: Measure(*(Spread(value, 0.0) for value in values))
        for key, values in (("frechet", frechet), ("precision", precision))
    }


@pytest.mark.parametrize(
    ("frechet", "precision", "unlike"),
    [
        ((374.0, 3.8), (0.0, 0.05), True),
        ((5.1, 1.0), (0.74, 1.0), True),
        # Both are needed: real sets of many subjects are very close to each other.
        ((5.1, 1.0), (0.76, 1.0), False),
        ((4.9, 1.0), (0.0, 1.0), False),
        # Of few images, no training slice need lie among the held-out ones.
        ((9.0, 1.0), (0.0, 0.0), True),
        ((1.7, 1.0), (0.0, 0.0), False),
        # The model that comes with mrisynth, and that of docs/results.md.
        ((1.04, 0.376), (0.097, 0.072), False),
        ((2.09, 1.77), (0.51, 0.46), False),
    ],
)
def test_the_rule_by_hand(frechet, precision, unlike):
    said = unlike_the_data(measures(frechet, precision))
    assert said.startswith("The images are not like the data: ") == unlike
    assert bool(said) == unlike


@pytest.mark.parametrize("figure", range(4))
def test_a_figure_that_is_not_a_number_does_not_pass_for_likeness(figure):
    values = [1.0, 1.0, 0.5, 0.5]
    values[figure] = math.nan
    assert "is not known" in unlike_the_data(measures(values[:2], values[2:]))


def test_the_rule_has_the_numbers_that_are_decided_by():
    assert "more than 5 times" in RULE
    assert "less than 0.75 times" in RULE


def noise(count, random):
    return random.randint(0, 256, (count, SIZE, SIZE))


def faint_noise(count, random):
    return random.normal(40, 8, (count, SIZE, SIZE))


def clouds(count, random):
    return 80 + 800 * ndimage.gaussian_filter(random.normal(size=(count, SIZE, SIZE)), (0, 3, 3))


def negatives(count, random):
    return 255.0 - draw_subjects(count // 4, 4, seed=3, size=SIZE)


def noise_and_new_subjects(count, random):
    return np.concatenate([noise(count // 2, random), draw_subjects(count // 8, 4, seed=2, size=SIZE)])


def new_subjects(count, random):
    return draw_subjects(count // 4, 4, seed=2, size=SIZE)


@pytest.fixture(scope="module")
def real():
    """Features of the slices of training and of held-out subjects."""
    return [EXTRACT(draw_subjects(subjects, 8, seed, size=SIZE)) for seed, subjects in ((0, 80), (1, 40))]


def compare(generated, training, heldout):
    count = min(map(len, (generated, training, heldout)))
    random = np.random.RandomState(0)
    ours, real, heldout = (
        features[random.permutation(len(features))[:count]] for features in (generated, training, heldout)
    )
    found = measures(
        [frechet_distance(heldout, side) for side in (ours, real)],
        [manifold_measures(heldout, side)["precision"] for side in (ours, real)],
    )
    kernels = [kernel_distance(heldout, side, subsets=1)[0] for side in (ours, real)]
    return found, kernels[0] / kernels[1]


@pytest.mark.parametrize("draw", [noise, faint_noise, clouds, negatives, noise_and_new_subjects])
def test_what_is_no_head_is_unlike_the_data(draw, real):
    images = np.clip(draw(320, np.random.RandomState(0)), 0, 255).astype(np.uint8)
    found, kernel_ratio = compare(EXTRACT(images), *real)
    if draw is noise:
        assert kernel_ratio > 100
        assert found["precision"].generated.mean == 0
    assert unlike_the_data(found).startswith("The images are not like the data: ")


def test_new_subjects_are_like_the_data_also_where_there_are_few(real):
    new = EXTRACT(new_subjects(400, None))
    for seed in range(40):
        random = np.random.RandomState(seed)
        counts = [(80, 40), (30, 8), (12, 3), (4, 3)][seed % 4]
        sides = [
            np.concatenate([side[8 * i : 8 * i + 8] for i in random.permutation(len(side) // 8)[:count]])
            for side, count in zip(real, counts, strict=True)
        ]
        assert unlike_the_data(compare(new, *sides)[0]) == "", (seed, counts)


def test_noise_is_unlike_the_data_also_where_there_are_few(real):
    images = EXTRACT(noise(100, np.random.RandomState(0)).astype(np.uint8))
    for few in ([side[:24] for side in real], [side[:48] for side in real]):
        assert unlike_the_data(compare(images, *few)[0]) != ""
