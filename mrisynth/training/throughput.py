"""How long a run takes, foretold: pure arithmetic, no TensorFlow."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import training_operations
from mrisynth.training.schedule import Phase

_EXPECTED_UTILIZATION = 0.3
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# (less than so many seconds, seconds in a unit, its name)
_UNITS = (
    (90, 1, "s"),
    (90 * _MINUTE, _MINUTE, "minutes"),
    (48 * _HOUR, _HOUR, "hours"),
    (60 * _DAY, _DAY, "days"),
    (730 * _DAY, 30.4 * _DAY, "months"),
)
_LONGEST_RUN = 30 * _DAY
"""Seconds that a run may take before it is called too long for the machine."""


@dataclasses.dataclass(frozen=True)
class ShippedRun:
    """A run that a flagfile of this repository describes.

    Attributes:
        flagfile: Its path from the repository's root.
        operations: Floating-point operations of the whole run, as `run_operations` counts them.
    """

    flagfile: str
    operations: float


SHIPPED_RUNS = (
    ShippedRun("flags/multi_gpu.flags", 7.4e18),
    ShippedRun("flags/paper_c.flags", 7.4e18),
    ShippedRun("flags/paper_d.flags", 5.4e18),
    ShippedRun("flags/paper_b.flags", 5.3e18),
    ShippedRun("flags/paper_a.flags", 5.0e18),
    ShippedRun("flags/cpu_64.flags", 1.31e15),
    ShippedRun("flags/quickstart.flags", 4.8e13),
)
"""Runs to choose from, the largest first; a test holds them against their flagfiles."""


class Pace:
    """The speed of every level: as measured, else foretold.

    The speed of a level that has not been measured yet is foretold from the number of multiplications it
    needs and the rate at which the largest measured level does them. The smallest levels are slower at that
    than any that follow, so no less is expected than a part of what a matrix product reaches.

    Args:
        network: Whose multiplications are counted.
        matrix_rate: Operations/s of a large matrix product on all replicas together.
    """

    def __init__(self, network: NetworkConfig, matrix_rate: float) -> None:
        self._network = network
        self._expected_rate = _EXPECTED_UTILIZATION * matrix_rate
        self._measured: dict[int, float] = {}

    def measure(self, level: int, images_per_second: float) -> None:
        """Takes down what a level was measured to do."""
        self._measured[level] = images_per_second

    def is_measured(self, level: int) -> bool:
        """Whether a level's speed has been measured rather than foretold."""
        return level in self._measured

    def operations_per_second(self) -> float:
        """At which levels that have not been measured are foretold to run; 0 if nothing is known."""
        if not self._measured:
            return self._expected_rate
        largest = max(self._measured)
        measured = self._measured[largest] * training_operations(self._network, largest)
        return max(measured, self._expected_rate)

    def images_per_second(self, level: int) -> float:
        """Speed of a level; 0 if nothing is known."""
        if level in self._measured:
            return self._measured[level]
        return self.operations_per_second() / training_operations(self._network, level)

    def seconds(self, images_by_level: Iterable[tuple[int, int]]) -> float:
        """Seconds for (level, images) pairs; infinite if nothing is known."""
        known = self.operations_per_second() > 0
        return sum(
            images / self.images_per_second(level) if known else float("inf")
            for level, images in images_by_level
        )


def run_operations(network: NetworkConfig, phases: Iterable[Phase]) -> float:
    """Floating-point operations of a whole run."""
    return float(sum(phase.images * training_operations(network, phase.level) for phase in phases))


def duration(seconds: float) -> str:
    """A duration in the words a person would use, such as "45 s", "3.5 hours" or "14 months"."""
    unit, name = next(
        ((unit, name) for limit, unit, name in _UNITS if seconds < limit), (365.25 * _DAY, "years")
    )
    count = seconds / unit
    return f"{count:,.1f} {name}" if 0 < count < 9.95 else f"{count:,.0f} {name}"


def too_long(seconds: float, operations_per_second: float) -> str | None:
    """One sentence for a run that would take months, naming the flagfile of one that would not.

    Args:
        seconds: That the run, or the rest of it, is foretold to take on this machine.
        operations_per_second: Of the machine in training.

    Returns:
        None where the run takes less than 30 days.
    """
    if seconds <= _LONGEST_RUN:
        return None
    fitting = (run for run in SHIPPED_RUNS if run.operations < operations_per_second * _LONGEST_RUN)
    other = next(fitting, SHIPPED_RUNS[-1])
    other_seconds = other.operations / operations_per_second
    in_words = "less than a day" if other_seconds < _DAY else f"about {duration(other_seconds)}"
    return (
        f"this run takes about {duration(seconds)} on this machine; "
        f"--flagfile={other.flagfile} takes {in_words}"
    )
