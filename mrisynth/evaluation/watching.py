"""The numbers that are watched while a run is trained."""

from __future__ import annotations

import pathlib

from mrisynth.errors import UserError
from mrisynth.evaluation.configuration import DURING
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.generators import sampler_of
from mrisynth.evaluation.real import SMALLEST_RESOLUTION, load_real
from mrisynth.networks import Generator
from mrisynth.networks.config import resolution_of


class Watch:
    """Evaluates a generator in training at whatever resolution it has reached.

    Args:
        data_dir: The run's data set.
    """

    def __init__(self, data_dir: pathlib.Path) -> None:
        self._data_dir = data_dir
        self._evaluators: dict[int, Evaluator] = {}

    def __call__(self, generator: Generator, level: int, alpha: float) -> dict[str, float]:
        """The short form's numbers by name.

        Returns:
            None where images are too small, or as yet cannot be compared with anything.
        """
        resolution = resolution_of(level)
        if resolution < SMALLEST_RESOLUTION:
            return {}
        if resolution not in self._evaluators:
            # Of the resolutions before, nothing is needed any more.
            self._evaluators = {resolution: Evaluator(load_real(self._data_dir, resolution), DURING)}
        try:
            return self._evaluators[resolution].scalars(sampler_of(generator, level, alpha))
        except UserError:
            return {}
