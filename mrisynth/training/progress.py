"""The progress bar of a phase, with the time left for the whole run."""

from __future__ import annotations

import datetime
import math
import sys
import time

import tqdm

from mrisynth.networks.config import NetworkConfig
from mrisynth.training import throughput
from mrisynth.training.schedule import GrowthSchedule, Phase, Position

_SETTLING_SECONDS = 3.0
_COUNTDOWN_SECONDS = 48 * 3600


def _countdown(seconds: float) -> str:
    """Time left: to the second, as in 1:02:03, where it is less than two days."""
    if seconds < _COUNTDOWN_SECONDS:
        return str(datetime.timedelta(seconds=round(seconds)))
    return throughput.duration(seconds)


class Progress:
    """Measures images/s and foretells the rest of the run, from before its first iteration on.

    A run that would take months says so once, when the first measurement has settled.

    Args:
        schedule: Of the run.
        network: Whose multiplications are counted.
        matrix_rate: Operations/s of a large matrix product on all replicas together.
        shown: Whether the bar is on the screen; of several workers only the first shows it.

    Attributes:
        images_per_second: Of the phase, its first iteration left out.
    """

    def __init__(
        self, schedule: GrowthSchedule, network: NetworkConfig, matrix_rate: float, shown: bool = True
    ) -> None:
        self._schedule = schedule
        self._shown = shown
        self._pace = throughput.Pace(network, matrix_rate)
        self._warned = False
        self._phase: Phase | None = None
        self._bar: tqdm.tqdm | None = None
        self._start_time: float | None = None
        self._start_image = 0
        self.images_per_second = 0.0

    def start_phase(self, position: Position) -> None:
        """Opens the bar of the phase that the next iteration belongs to."""
        phase = position.phase
        self._phase = phase
        self._bar = tqdm.tqdm(
            total=phase.images,
            initial=position.image - phase.first_image,
            desc=f"{phase.name:>14}",
            unit=" images",
            bar_format="{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}",
            dynamic_ncols=True,
            disable=not self._shown,
        )
        self._start_time = None
        # An iteration may take minutes: what can be said before the first has ended is said now.
        seconds = self.seconds_left(position)
        if math.isfinite(seconds):
            self._bar.set_postfix_str(f"about {throughput.duration(seconds)} left for the whole run")

    def update(self, position: Position) -> None:
        """Shows that the run has come to a position, the phase's end included."""
        now = time.monotonic()
        if self._start_time is None:
            # The first iteration, which compiles, is not counted.
            self._start_time, self._start_image = now, position.image
        elapsed = now - self._start_time
        if elapsed > 0 and position.image > self._start_image:
            self.images_per_second = (position.image - self._start_image) / elapsed
            settled = elapsed > _SETTLING_SECONDS
            if settled or not self._pace.is_measured(self._phase.level):
                self._pace.measure(self._phase.level, self.images_per_second)
            seconds = self.seconds_left(position)
            if settled:
                self._warn_once(seconds)
            speed = f"{self.images_per_second:,.{0 if self.images_per_second >= 10 else 2}f} images/s"
            text = f"{speed}, {_countdown(seconds)} left for the whole run"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(position.image - self._phase.first_image - self._bar.n)

    def seconds_left(self, position: Position) -> float:
        """Foretold seconds from a position to the end of the run; infinite if nothing is known yet."""
        return self._pace.seconds(
            (phase.level, self._images_left(phase, position))
            for phase in self._schedule.phases
            if phase.last_iteration > position.iteration
        )

    @staticmethod
    def _images_left(phase: Phase, position: Position) -> int:
        return phase.images - max(0, position.image - phase.first_image)

    def _warn_once(self, seconds_left: float) -> None:
        """Says what is too long for this machine, the first time that it is known."""
        sentence = throughput.too_long(seconds_left, self._pace.operations_per_second())
        if sentence and self._shown and not self._warned:
            tqdm.tqdm.write(sentence, file=sys.stderr)
            self._warned = True

    def end_phase(self) -> None:
        """Closes the bar, if one is open."""
        if self._bar is not None:
            self._bar.close()
