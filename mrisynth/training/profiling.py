"""Records some iterations for TensorBoard's profiler."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from mrisynth.run_folder import RunFolder


class Profiler:
    """Runs TensorFlow's profiler from one iteration to another.

    Args:
        folder: The run's folder, where the profile goes beside TensorBoard's events.
        steps: First and last iteration of the run to record; none if empty.
    """

    def __init__(self, folder: RunFolder, steps: Sequence[int]) -> None:
        self._folder = str(folder.tensorboard)
        self._steps = steps
        self._running = False

    def before(self, iteration: int) -> None:
        """Starts recording where this iteration is the first."""
        if self._steps and iteration == self._steps[0] and not self._running:
            tf.profiler.experimental.start(self._folder)
            self._running = True

    def after(self, iterations_done: int) -> None:
        """Ends recording where the last iteration is over."""
        if self._running and iterations_done > self._steps[1]:
            self.close()

    def close(self) -> None:
        """Writes what was recorded."""
        if self._running:
            self._running = False
            tf.profiler.experimental.stop()
