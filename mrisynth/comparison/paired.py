"""The arithmetic of pairs: whatever a seed makes of both runs of a pair drops out of their difference."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import scipy.stats

from mrisynth.metrics.estimates import Interval, Spread
from mrisynth.metrics.registry import Direction

FEWEST_PAIRS = 2
"""Fewer have no spread."""

_CONFIDENCE, _POWER = 0.95, 0.8


@dataclasses.dataclass(frozen=True)
class PairedDifference:
    """What pairs of runs say about one measure.

    Attributes:
        pairs: Pairs of which both numbers are known.
        real: What real images have in place of generated ones.
        first: The first model's numbers.
        second: The second model's.
        difference: How much more the second has than the first, by Student's t over the pairs. Of a measure
            that should be like that of real images it is the distance to theirs that is compared.
        detectable: The difference that as many pairs, as far apart as these, would tell from none 4 times of
            5.
        better: Pairs in which the second model is better.
        worse: Pairs in which the first one is.
        sign_test: How often chance alone would divide the pairs as unevenly (two-sided; ties are left out).
    """

    pairs: int
    real: float
    first: Spread
    second: Spread
    difference: Interval
    detectable: float
    better: int
    worse: int
    sign_test: float


def paired_difference(
    first: Sequence[float], second: Sequence[float], real: Sequence[float], direction: Direction
) -> PairedDifference | None:
    """Compares two models by one measure.

    Args:
        first: The first model's numbers, one a pair; not a number where it is not known.
        second: The second model's.
        real: What the measure is of real images.
        direction: Which values are good.

    Returns:
        The difference; None if fewer than `FEWEST_PAIRS` pairs are known.
    """
    numbers = np.array([first, second, real], np.float64)
    numbers = numbers[:, np.isfinite(numbers).all(axis=0)]
    pairs = numbers.shape[1]
    if pairs < FEWEST_PAIRS:
        return None
    sides = np.abs(numbers[:2] - numbers[2]) if direction is Direction.LIKE_REAL else numbers[:2]
    differences = sides[1] - sides[0]
    gains = differences if direction is Direction.HIGHER else -differences
    better, worse = int(np.sum(gains > 0)), int(np.sum(gains < 0))
    mean, error = float(np.mean(differences)), float(np.std(differences, ddof=1)) / math.sqrt(pairs)
    sure, often = scipy.stats.t.ppf([(1 + _CONFIDENCE) / 2, _POWER], pairs - 1)
    return PairedDifference(
        pairs=pairs,
        real=float(np.mean(numbers[2])),
        first=Spread.of(numbers[0]),
        second=Spread.of(numbers[1]),
        difference=Interval(mean, float(mean - sure * error), float(mean + sure * error)),
        detectable=float((sure + often) * error),
        better=better,
        worse=worse,
        sign_test=_sign_test(better, worse),
    )


def _sign_test(better: int, worse: int) -> float:
    """The probability that a fair coin falls at least as unevenly."""
    return float(scipy.stats.binomtest(better, better + worse).pvalue) if better + worse else 1.0
