"""How long training takes, from what has been measured: pure arithmetic, no TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

from mrisynth.screen import duration

_DAY = 86_400
_LONGEST_RUN = 30 * _DAY
"""Seconds that a run may take before it is called too long for the machine."""

SHIPPED_RUNS: Mapping[str, float] = {
    "flags/multi_gpu.flags": 7.4e18,
    "flags/paper_c.flags": 7.4e18,
    "flags/paper_d.flags": 5.4e18,
    "flags/paper_b.flags": 5.3e18,
    "flags/paper_a.flags": 5.0e18,
    "flags/cpu_64.flags": 1.31e15,
    "flags/head_phantom.flags": 7.76e14,
    "flags/compare_64.flags": 7.53e13,
    "flags/quickstart.flags": 3.67e13,
}
"""Operations of the run that each flagfile describes, the largest first; a test counts them."""


class CostPerImage:
    """What an image costs in training at every level: as measured, else in proportion to a size.

    Args:
        size: Size of a level that the cost grows with, for instance the operations of one image.
        most: Cost of a unit of that size that no level is expected to exceed before it is measured. Small
            levels, which are measured first, use a machine worse than large ones.
    """

    def __init__(self, size: Callable[[int], float], most: float = math.inf) -> None:
        self.size = size
        self._most = most
        self._measured: dict[int, float] = {}

    def measure(self, level: int, cost: float) -> None:
        """Takes down what an image was measured to cost at a level."""
        self._measured[level] = cost

    def is_measured(self, level: int) -> bool:
        """Whether the cost at a level was measured."""
        return level in self._measured

    def of_a_unit(self) -> float:
        """Cost of a unit of size at levels that were not measured; infinite if nothing is known."""
        if not self._measured:
            return self._most
        largest = max(self._measured)
        return min(self._measured[largest] / self.size(largest), self._most)

    def at(self, level: int) -> float:
        """Cost of an image at a level; infinite if nothing is known."""
        return self._measured[level] if level in self._measured else self.of_a_unit() * self.size(level)


def too_long(seconds: float, operations_per_second: float) -> str | None:
    """One sentence for a run that would take months, naming the flagfile of one that would not.

    Args:
        seconds: What the run, or the rest of it, is expected to take on this machine; may be infinite.
        operations_per_second: Of the machine in training.

    Returns:
        None where the run takes less than 30 days, or nothing is known.
    """
    if not _LONGEST_RUN < seconds < math.inf:
        return None
    *larger, smallest = SHIPPED_RUNS
    fitting = (name for name in larger if SHIPPED_RUNS[name] < operations_per_second * _LONGEST_RUN)
    flagfile = next(fitting, smallest)
    other_seconds = SHIPPED_RUNS[flagfile] / operations_per_second
    in_words = "less than a day" if other_seconds < _DAY else f"about {duration(other_seconds)}"
    return f"this run takes about {duration(seconds)} on this machine; --flagfile={flagfile} takes {in_words}"
