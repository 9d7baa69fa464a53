"""A number and how sure one is of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Spread:
    """A measure over repeats.

    Attributes:
        mean: Over the repeats.
        standard_deviation: Of single repeats (divided by repeats - 1).
    """

    mean: float
    standard_deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of repeated values, of which there must be two."""
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)))


@dataclasses.dataclass(frozen=True)
class Interval:
    """A measure and its 95 % confidence interval.

    Attributes:
        value: Of all there is.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float
