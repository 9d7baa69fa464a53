import math

import numpy as np
import pytest

from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.sample_size import auc_error, images_needed, subjects_needed, times_as_many


@pytest.mark.parametrize("divided", [(10, 3), (65, 18), (1, 1), (3, 900)])
@pytest.mark.parametrize("error", [0.3, 0.1, 0.01])
def test_so_many_subjects_are_needed_and_no_fewer(divided, error):
    training, heldout = subjects_needed(*divided, error)
    assert auc_error(training, heldout) <= error
    fewer = 0.9 * (training + heldout)
    share = heldout / (training + heldout)
    if min(share, 1 - share) * fewer > 10:
        assert auc_error(round((1 - share) * fewer), round(share * fewer)) > error


def test_the_error_of_the_area_is_that_of_ranks():
    """Hanley and McNeil's formula against areas of random ranks."""
    random = np.random.RandomState(0)
    areas = []
    for _ in range(4000):
        ranks = random.permutation(40)[:10]
        areas.append((ranks.sum() - 45) / 300)
    assert auc_error(30, 10) == pytest.approx(1.96 * np.std(areas), rel=0.05)


def test_subjects_that_clear_a_figure_that_is_as_expected():
    """Half of 0.22 is to become a 2.2th of the 0.2 between 0.5 and 0.7, whatever the figure is today."""
    for value in (0.5, 0.6):
        times = times_as_many(Interval(value, value - 0.2, value + 0.22), 0.5, 0.7)
        assert times == pytest.approx((0.22 / (0.2 / 2.2)) ** 2)


def test_a_narrow_interval_need_only_leave_its_limit():
    times = times_as_many(Interval(0.65, 0.57, 0.73), 0.5, 0.7)
    assert times == pytest.approx((0.08 / 0.05) ** 2)


def test_subjects_that_show_harm():
    assert times_as_many(Interval(0.8, 0.6, 1.0), 0.5, 0.7) == pytest.approx((0.2 / 0.1) ** 2)


@pytest.mark.parametrize("value", [0.7, 0.699, 0.701, math.nan])
def test_at_the_limit_no_number_of_subjects_is_named(value):
    assert times_as_many(Interval(value, value - 0.08, value + 0.08), 0.5, 0.7) is None


@pytest.mark.parametrize("part", [0.5, 0.01, 0.0075])
def test_so_many_images_without_a_copy_are_needed_and_no_fewer(part):
    """The probability that none of them is a copy is 2.5 %."""
    count = images_needed(part)
    assert (1 - part) ** count <= 0.025 < (1 - part) ** (count - 1)
