import math

import pytest

from mrisynth.comparison.paired import paired_difference
from mrisynth.metrics.registry import Direction

FIRST = [10.0, 20.0, 30.0, 40.0]
# 1, 2, 3 and 4 more: 2.5 on average with a standard deviation of sqrt(5 / 3).
SECOND = [11.0, 22.0, 33.0, 44.0]
REAL = [25.0] * 4
# Of Student's t with 3 degrees of freedom, from a printed table: 97.5 and 80 %.
SURE, OFTEN = 3.182, 0.978
ERROR = math.sqrt(5 / 3) / 2


def test_difference_and_interval_are_those_that_a_hand_computes():
    found = paired_difference(FIRST, SECOND, REAL, Direction.LOWER)
    assert found.pairs == 4
    assert (found.first.mean, found.second.mean) == (25.0, 27.5)
    assert found.difference.value == 2.5
    assert found.difference.low == pytest.approx(2.5 - SURE * ERROR, rel=1e-3)
    assert found.difference.high == pytest.approx(2.5 + SURE * ERROR, rel=1e-3)
    assert found.detectable == pytest.approx((SURE + OFTEN) * ERROR, rel=1e-3)


@pytest.mark.parametrize(
    ("second", "direction", "better", "worse", "sign_test"),
    [
        # All four: 2 of the 16 ways in which four coins fall.
        (SECOND, Direction.LOWER, 0, 4, 2 / 16),
        (SECOND, Direction.HIGHER, 4, 0, 2 / 16),
        # Distances of 14, 3, 8 and 19 to the real ones, before of 15, 5, 5 and 15.
        (SECOND, Direction.LIKE_REAL, 2, 2, 1.0),
        # One against three: 1 + 4 + 4 + 1 of 16.
        ([9, 19, 29, 41], Direction.LOWER, 3, 1, 10 / 16),
        # A tie says nothing: 2 of 8.
        ([9, 19, 29, 40], Direction.LOWER, 3, 0, 2 / 8),
        (FIRST, Direction.LOWER, 0, 0, 1.0),
    ],
)
def test_the_sign_test_counts_coins(second, direction, better, worse, sign_test):
    found = paired_difference(FIRST, second, REAL, direction)
    assert (found.better, found.worse) == (better, worse)
    assert found.sign_test == pytest.approx(sign_test)


def test_eight_pairs_of_one_mind_are_significant_and_seven_of_eight_are_not():
    ones = [1.0] * 8
    found = [
        paired_difference(ones, second, ones, Direction.HIGHER).sign_test
        for second in ([2.0] * 8, [0.5] + [2.0] * 7)
    ]
    assert found == pytest.approx([2 / 256, 18 / 256])


def test_what_all_pairs_share_makes_no_difference_however_much_seeds_do():
    alike = paired_difference([1, 100, 1000], [2, 101, 1001], [0, 0, 0], Direction.LOWER)
    assert (alike.difference.low, alike.difference.high, alike.detectable) == (1, 1, 0)


def test_of_what_should_be_like_real_the_distance_is_compared():
    found = paired_difference([0.5, 0.9], [0.6, 0.6], [0.7, 0.7], Direction.LIKE_REAL)
    assert found.second.mean == pytest.approx(0.6)
    assert found.difference.value == pytest.approx(-0.1)
    assert (found.better, found.worse) == (2, 0)


def test_a_pair_with_a_number_that_is_none_is_left_out():
    nan = math.nan
    found = paired_difference([1, nan, 3, 4], [2, 3, nan, 5], [0, 0, 0, 0], Direction.LOWER)
    assert (found.pairs, found.difference.value) == (2, 1)
    assert paired_difference([1, nan], [2, 3], [0, 0], Direction.LOWER) is None
