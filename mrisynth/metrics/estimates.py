"""A number, how sure one is of it, and how it is written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

NOT_A_NUMBER = "not a number"
"""What stands in the place of a number that is not finite."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """A measure over repeats.

    Attributes:
        mean: Over the repeats.
        standard_deviation: Spread of single repeats (divided by repeats - 1).
    """

    mean: float
    standard_deviation: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """The spread of repeated values, of which there must be two."""
        return cls(float(np.mean(values)), float(np.std(values, ddof=1)))

    @classmethod
    def from_json(cls, values: Mapping[str, float | None]) -> Spread:
        """A spread as results.json has it, with null for what is not a number."""
        return cls(
            *(
                math.nan if values[field.name] is None else values[field.name]
                for field in dataclasses.fields(cls)
            )
        )

    def __str__(self) -> str:
        """Mean ± standard deviation, to two digits of the latter but at most five of the former."""
        mean, deviation = self.mean, self.standard_deviation
        if not math.isfinite(mean):
            return format_number(mean)
        if not (mean and deviation and math.isfinite(mean * deviation)) or abs(mean) < 1e-4:
            return f"{format_number(mean)} ± {format_number(deviation, 2)}"
        finest = 4 - math.floor(math.log10(abs(mean)))
        wanted = 1 - math.floor(math.log10(deviation))
        decimals = max(0, min(wanted, finest))
        return f"{mean:,.{decimals}f} ± {deviation:,.{decimals}f}"


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure, of generated images and of real ones.

    Attributes:
        generated: Generated images, against held-out ones if it compares two sets.
        real: Training images in the place of the generated ones.
    """

    generated: Spread
    real: Spread


@dataclasses.dataclass(frozen=True)
class Interval:
    """A measure and its 95 % confidence interval.

    Attributes:
        value: The measure of all that there is.
        low: Lower end of the interval.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def format_number(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, its whole part never rounded."""
    if not math.isfinite(value):
        return NOT_A_NUMBER
    if value == 0:
        return "0"
    magnitude = math.floor(math.log10(abs(value)))
    if not -4 <= magnitude < 9:
        return f"{value:.{digits - 1}e}"
    return f"{value:,.{max(0, digits - 1 - magnitude)}f}"


def percent(part: float) -> str:
    """A part of all as a percentage, to three significant digits."""
    return f"{100 * part:.3g} %"
