"""The progress bar of a phase, with the time left for the whole run."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Hashable, Mapping

import tensorflow as tf

from mrisynth import screen
from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import generator_operations, training_operations
from mrisynth.screen import duration
from mrisynth.training.schedule import GrowthSchedule, Phase, Position
from mrisynth.training.throughput import CostPerImage, too_long

_SETTLING_SECONDS = 3.0
_MOST_CALLS = 10
_TIMED_SECONDS = 1.0


def seconds_per_operation(generator: Generator, images: int) -> float:
    """Seconds that this device takes for an operation of the generator at its full resolution.

    Args:
        generator: The network, which is compiled as in training; the fastest of a few calls counts.
        images: Number of images in a call.
    """
    latents = tf.zeros([images, generator.latent_size])
    compiled = tf.function(lambda latents: generator(latents))
    compiled(latents).numpy()
    calls: list[float] = []
    while len(calls) < _MOST_CALLS and sum(calls) < _TIMED_SECONDS:
        start = time.perf_counter()
        compiled(latents).numpy()
        calls.append(time.perf_counter() - start)
    return min(calls) / (images * generator_operations(generator.network_config(), generator.top_level))


class Progress:
    """Measures images/s and shows the time left for the whole run, from before its first iteration on.

    A run that would take months says so once, when the first measurement has settled.

    Args:
        schedule: Growth of the run.
        network: Size of the networks, whose operations are counted.
        seconds_per_operation: What an operation is expected to take at most, on all replicas together, at
            levels that have not been trained yet; infinite if nothing is known.
        ending_seconds: What follows the last iteration, export and evaluation, is expected to take.
        shown: Whether the bar is on the screen; of several workers only the first shows it.

    Attributes:
        ending_seconds: As given.
        images_per_second: Throughput of the phase, without the iterations that compile.
    """

    def __init__(
        self,
        schedule: GrowthSchedule,
        network: NetworkConfig,
        seconds_per_operation: float = math.inf,
        ending_seconds: float = 0.0,
        shown: bool = True,
    ) -> None:
        self._schedule = schedule
        self.ending_seconds = ending_seconds
        self._shown = shown
        self._seconds = CostPerImage(functools.partial(training_operations, network), seconds_per_operation)
        self._warned = False
        self._phase: Phase | None = None
        self._bar: screen.Bar | None = None
        self._kinds: set[Hashable] = set()
        self._start_time = 0.0
        self._start_image = self._image = 0
        self.images_per_second = 0.0

    def start_phase(self, position: Position) -> None:
        """Opens the bar of the phase that the next iteration belongs to."""
        phase = position.phase
        self._phase = phase
        self._image = position.image
        self._bar = screen.Bar(
            f"{phase.name:>14}",
            phase.images,
            unit="images",
            done=position.image - phase.first_image,
            shown=self._shown,
            stays=True,
            layout="{desc} |{bar}| {n_fmt}/{total_fmt}{postfix}",
        )
        self._kinds = set()
        # An iteration may take minutes: what can be said before the first has ended is said now.
        seconds = self.seconds_left(position)
        if math.isfinite(seconds):
            self._bar.note(f"about {duration(seconds)} left for the whole run")

    def update(self, position: Position, metrics: Mapping[str, tf.Tensor], kind: Hashable = None) -> None:
        """Shows that the run has come to a position, the phase's end included.

        Args:
            position: Where the run stands.
            metrics: What the newest iterations measured, losses among it.
            kind: What the newest iteration did. The first of each kind in a phase compiles: throughput is
                measured from there on.
        """
        note = ""
        now = time.monotonic()
        if kind not in self._kinds:
            self._kinds.add(kind)
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
            note = f"{speed}, {duration(seconds)} left for the whole run"
        self._bar.update(position.image - self._image, note, functools.partial(_losses, metrics))
        self._image = position.image

    def seconds_left(self, position: Position) -> float:
        """Expected seconds from a position to the end of the run; infinite if nothing is known yet."""
        training = sum(
            (phase.images - max(0, position.image - phase.first_image)) * self._seconds.at(phase.level)
            for phase in self._schedule.phases
            if phase.last_iteration > position.iteration
        )
        return training + self.ending_seconds

    def _warn_once(self, seconds_left: float) -> None:
        """Says what is too long for this machine, the first time that it is known."""
        sentence = too_long(seconds_left, 1 / self._seconds.of_a_unit())
        if sentence and self._shown and not self._warned:
            screen.say(sentence)
            self._warned = True

    def end_phase(self) -> None:
        """Closes the bar, if one is open."""
        if self._bar is not None:
            self._bar.close()


def _losses(metrics: Mapping[str, tf.Tensor]) -> str:
    """The losses in words; reading them waits for the device."""
    losses = {name: value for name, value in metrics.items() if name.startswith("loss/")}
    return ", ".join(f"{name.replace('/', ' of the ')} {float(value):.3g}" for name, value in losses.items())
