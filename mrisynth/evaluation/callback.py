"""The numbers that are watched while a run is trained."""

from __future__ import annotations

import pathlib

from mrisynth import screen
from mrisynth.data import read_manifest
from mrisynth.data.conditions.cells import label_distribution
from mrisynth.errors import UserError
from mrisynth.evaluation.config import DURING, FEWEST_EVALUATED, SMALLEST_RESOLUTION
from mrisynth.evaluation.evaluator import FAULTS, Evaluator, reason
from mrisynth.evaluation.reference import load_reference
from mrisynth.networks import Generator
from mrisynth.networks.config import resolution_of
from mrisynth.sampling.generators import sampler_of

_AT_MOST = 16


class EvaluationCallback:
    """Evaluates a generator in training at whatever resolution it has reached.

    Args:
        data_dir: The run's data set.

    Raises:
        UserError: If there are too few slices on one of its sides.
    """

    def __init__(self, data_dir: pathlib.Path) -> None:
        for name, split in read_manifest(data_dir).splits.items():
            if split.slices < FEWEST_EVALUATED:
                raise UserError(
                    f"--eval_interval needs {FEWEST_EVALUATED} slices on each side of --data_dir: {data_dir} "
                    f"has {split.slices} on the {name} side; prepare it with another --holdout, or leave "
                    "--eval_interval out"
                )
        self._data_dir = data_dir
        self._evaluators: dict[int, Evaluator] = {}
        self._said: set[str] = set()

    def __call__(
        self, generator: Generator, level: int, alpha: float, label_weight: float = 1.0
    ) -> dict[str, float]:
        """The short form's numbers by name.

        Returns:
            An empty dictionary where images are too small, or cannot be evaluated, which is said once for
            every reason.
        """
        resolution = resolution_of(level)
        if resolution < SMALLEST_RESOLUTION:
            return {}
        try:
            if resolution not in self._evaluators:
                # Of the resolutions before, nothing is needed any more.
                self._evaluators = {resolution: Evaluator(load_reference(self._data_dir, resolution), DURING)}
            # A few at a time: the device's memory was planned for the training batch.
            sampler = sampler_of(
                generator,
                level,
                alpha,
                at_most=_AT_MOST,
                labels=label_distribution(self._data_dir, generator.label_schema),
                label_weight=label_weight,
            )
            return self._evaluators[resolution].scalars(sampler)
        except FAULTS as fault:
            self._say_once(reason(fault))
            return {}

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            screen.say(f"Evaluations of --eval_interval are left out: {words}.")
