import numpy as np
import pytest

from mrisynth.metrics.estimates import Spread, format_number


def test_the_spread_is_that_of_single_repeats():
    """1, 2 and 6 lie 2, 1 and 3 from their mean: (4 + 1 + 9) / 2 = 7."""
    assert Spread.of([1.0, 2.0, 6.0]) == Spread(3.0, pytest.approx(7**0.5))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-4.831, "-4.83"),
        (1234.5, "1,234"),
        (0.01234, "0.0123"),
        (3.2e-7, "3.20e-07"),
        (np.nan, "not a number"),
    ],
)
def test_numbers(value, text):
    assert format_number(value) == text


@pytest.mark.parametrize(
    ("mean", "deviation", "text"),
    [
        (21.37, 0.412, "21.37 ± 0.41"),
        (1234.56, 18.3, "1,235 ± 18"),
        (0.0, 0.0, "0 ± 0"),
        (5.0, 1e-9, "5.0000 ± 0.0000"),
        (np.nan, np.nan, "not a number"),
        (5.0, np.inf, "5.00 ± not a number"),
    ],
)
def test_spreads(mean, deviation, text):
    assert str(Spread(mean, deviation)) == text


def test_what_results_have_null_for_is_not_a_number():
    spread = Spread.from_json({"mean": 0.5, "standard_deviation": None})
    assert spread.mean == 0.5
    assert np.isnan(spread.standard_deviation)
