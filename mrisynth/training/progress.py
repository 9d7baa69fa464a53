"""The progress bar of a phase, with the time left for the whole run."""

from __future__ import annotations

import datetime
import time

import tqdm

from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.operations import training_operations
from mrisynth.training.schedule import GrowthSchedule, Phase, Position

_SETTLING_SECONDS = 3.0
_EXPECTED_UTILISATION = 0.3


class Progress:
    """Measures images/s and foretells the rest of the run.

    The speed of resolutions that have not been trained yet is foretold from the number of multiplications
    they need and the rate at which the newest measured resolution does them. The smallest ones are slower at
    that than any that follow, so no less is expected than a part of what a matrix product reaches.

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
        self._network = network
        self._expected_rate = _EXPECTED_UTILISATION * matrix_rate
        self._shown = shown
        self._rates: dict[int, float] = {}
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

    def update(self, position: Position) -> None:
        """Shows that the run has come to a position, the phase's end included."""
        now = time.monotonic()
        if self._start_time is None:
            # The first iteration, which compiles, is not counted.
            self._start_time, self._start_image = now, position.image
        elapsed = now - self._start_time
        if elapsed > 0 and position.image > self._start_image:
            self.images_per_second = (position.image - self._start_image) / elapsed
            if elapsed > _SETTLING_SECONDS or self._phase.level not in self._rates:
                self._rates[self._phase.level] = self.images_per_second
            left = datetime.timedelta(seconds=round(self.seconds_left(position)))
            text = f"{self.images_per_second:,.0f} images/s, {left} left for the whole run"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(position.image - self._phase.first_image - self._bar.n)

    def seconds_left(self, position: Position) -> float:
        """Foretold seconds from a position to the end of the run."""
        return sum(
            self._images_left(phase, position) / self._foretold_rate(phase.level)
            for phase in self._schedule.phases
            if phase.last_iteration > position.iteration
        )

    @staticmethod
    def _images_left(phase: Phase, position: Position) -> int:
        return phase.images - max(0, position.image - phase.first_image)

    def _foretold_rate(self, level: int) -> float:
        if level in self._rates:
            return self._rates[level]
        newest = max(self._rates)
        measured = self._rates[newest] * training_operations(self._network, newest)
        return max(measured, self._expected_rate) / training_operations(self._network, level)

    def end_phase(self) -> None:
        """Closes the bar, if one is open."""
        if self._bar is not None:
            self._bar.close()
