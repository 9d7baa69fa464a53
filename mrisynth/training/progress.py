"""The progress bar of a phase, with the time left for the whole run."""

from __future__ import annotations

import functools
import math
import sys
import time

import tensorflow as tf
import tqdm

from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import generator_operations, training_operations
from mrisynth.training.schedule import GrowthSchedule, Phase, Position
from mrisynth.training.throughput import CostPerImage, duration, too_long

_SETTLING_SECONDS = 3.0


def seconds_per_operation(generator: Generator, images: int) -> float:
    """Seconds that this device takes for an operation of the generator at its full resolution.

    Args:
        generator: The network, which is called twice and timed once.
        images: Number of images in a call.
    """
    latents = tf.zeros([images, generator.latent_size])
    generator(latents).numpy()
    start = time.perf_counter()
    generator(latents).numpy()
    elapsed = time.perf_counter() - start
    return elapsed / (images * generator_operations(generator.network_config(), generator.top_level))


class Progress:
    """Measures images/s and shows the time left for the whole run, from before its first iteration on.

    A run that would take months says so once, when the first measurement has settled.

    Args:
        schedule: Growth of the run.
        network: Size of the networks, whose operations are counted.
        seconds_per_operation: What an operation is expected to take at most, on all replicas together, at
            levels that have not been trained yet; infinite if nothing is known.
        shown: Whether the bar is on the screen; of several workers only the first shows it.

    Attributes:
        images_per_second: Throughput of the phase, its first iteration left out.
    """

    def __init__(
        self,
        schedule: GrowthSchedule,
        network: NetworkConfig,
        seconds_per_operation: float = math.inf,
        shown: bool = True,
    ) -> None:
        self._schedule = schedule
        self._shown = shown
        self._seconds = CostPerImage(functools.partial(training_operations, network), seconds_per_operation)
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
            self._bar.set_postfix_str(f"about {duration(seconds)} left for the whole run")

    def update(self, position: Position) -> None:
        """Shows that the run has come to a position, the phase's end included."""
        now = time.monotonic()
        if self._start_time is None:
            # The first iteration, which compiles, is not counted.
            self._start_time, self._start_image = now, position.image
        elapsed, images = now - self._start_time, position.image - self._start_image
        if elapsed > 0 and images > 0:
            self.images_per_second = images / elapsed
            settled = elapsed > _SETTLING_SECONDS
            if settled or not self._seconds.is_measured(self._phase.level):
                self._seconds.measure(self._phase.level, elapsed / images)
            seconds = self.seconds_left(position)
            if settled:
                self._warn_once(seconds)
            speed = f"{self.images_per_second:,.{0 if self.images_per_second >= 10 else 2}f} images/s"
            text = f"{speed}, {duration(seconds)} left for the whole run"
            self._bar.set_postfix_str(text, refresh=False)
        self._bar.update(position.image - self._phase.first_image - self._bar.n)

    def seconds_left(self, position: Position) -> float:
        """Expected seconds from a position to the end of the run; infinite if nothing is known yet."""
        return sum(
            (phase.images - max(0, position.image - phase.first_image)) * self._seconds.at(phase.level)
            for phase in self._schedule.phases
            if phase.last_iteration > position.iteration
        )

    def _warn_once(self, seconds_left: float) -> None:
        """Says what is too long for this machine, the first time that it is known."""
        sentence = too_long(seconds_left, 1 / self._seconds.of_a_unit())
        if sentence and self._shown and not self._warned:
            tqdm.tqdm.write(sentence, file=sys.stderr)
            self._warned = True

    def end_phase(self) -> None:
        """Closes the bar, if one is open."""
        if self._bar is not None:
            self._bar.close()
