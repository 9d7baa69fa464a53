"""Confidence intervals that count subjects, not slices: a subject's slices are no independent witnesses.

Bootstrap over subjects (Efron and Tibshirani 1993, chapter 8): subjects are drawn with replacement, each with
all its slices; the 2.5th and the 97.5th percentile of what is then measured are the interval.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.nearest_neighbors import Groups

_PERCENTILES = (2.5, 97.5)

Weights = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Bootstrap:
    """Draws subjects with replacement.

    Attributes:
        draws: How often.
        seed: The same seed gives the same intervals.
    """

    draws: int = 1000
    seed: int = 0

    def interval(self, measure: Callable[..., float], *groups: Groups) -> Interval:
        """Measures something, and again with every draw of the subjects.

        Args:
            measure: Takes one array of weights for each of `groups`, the weight of every row, [M]: 1 for the
                measure itself, then how often the row's subject was drawn.
            *groups: The rows of each set by subject.

        Returns:
            The measure and its interval.
        """
        random = np.random.RandomState(self.seed)
        value = measure(*(np.ones(len(group.numbers)) for group in groups))
        draws = screen.counted(range(self.draws), "confidence interval", delay=2)
        drawn = [measure(*(_draw(group, random) for group in groups)) for _ in draws]
        low, high = np.nanpercentile(drawn, _PERCENTILES)
        return Interval(float(value), float(low), float(high))


def _draw(groups: Groups, random: np.random.RandomState) -> Weights:
    """How often the subject of every row is drawn."""
    times = random.multinomial(groups.count, np.full(groups.count, 1 / groups.count))
    return times[groups.numbers].astype(np.float64)


def weighted_quantile(sorted_values: NDArray[np.floating], weights: Weights, part: float) -> float:
    """The smallest value that at least `part` of the weight does not exceed; values ascending."""
    cumulated = np.cumsum(weights)
    return float(sorted_values[np.searchsorted(cumulated, part * cumulated[-1] * (1 - 1e-12))])
