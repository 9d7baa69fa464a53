"""The numbers that are watched while a run is trained."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

from mrisynth import screen
from mrisynth.data import read_manifest
from mrisynth.data.conditions.cells import label_distribution
from mrisynth.errors import UserError
from mrisynth.evaluation.config import DURING, FEWEST_EVALUATED, SMALLEST_RESOLUTION
from mrisynth.evaluation.evaluator import FAULTS, Evaluator, reason
from mrisynth.evaluation.reference import load_reference
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Measure
from mrisynth.metrics.registry import Direction
from mrisynth.networks import Generator
from mrisynth.networks.config import resolution_of
from mrisynth.privacy.copying import NotExamined, Privacy
from mrisynth.sampling.generators import sampler_of
from mrisynth.training.summaries import Scalar

_AT_MOST = 16
_GOOD = {
    Direction.LOWER: "Lower is better.",
    Direction.HIGHER: "Higher is better.",
    Direction.LIKE_REAL: "Best where real images have it.",
}


def scalars(
    measures: Mapping[str, Measure], privacy: Privacy | NotExamined, images: int
) -> dict[str, Scalar]:
    """What an evaluation has found as numbers for TensorBoard: quality by measure, and copying.

    Args:
        measures: Measures by key.
        privacy: What is known of copies.
        images: How many generated images were looked at.
    """
    found = {}
    for key, measure in measures.items():
        described, title = registry.find(key)[0], registry.full_title(key)
        said = f"{title}. {described.explanation} {_GOOD[described.direction]}"
        found[f"quality/{key}"] = Scalar(measure.generated.mean, said)
        said = f"{title}, of training images in the place of generated ones."
        found[f"quality/{key}_real"] = Scalar(measure.real.mean, said)
    if isinstance(privacy, NotExamined):
        return found
    said = "Part of the generated images that count as copies of a training slice. Lower is better."
    found["copying/copies"] = Scalar(privacy.copies / images, said)
    for distance, figures in privacy.closeness.items():
        by = distance.replace("_", " ")
        found[f"copying/closer_share_{distance}"] = Scalar(
            figures.closer_share.value,
            f"Part of the generated images that are closer to a training slice, by {by}, than the closest "
            f"slices of new subjects. {figures.expected_share:.1%} are expected.",
        )
        found[f"copying/membership_auc_{distance}"] = Scalar(
            figures.membership_auc.value,
            "How often somebody who has the generated images guesses right which of two subjects was trained "
            f"on, by {by}. 0.5 is guessing, 1 certainty.",
        )
    return found


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
    ) -> dict[str, Scalar]:
        """The short form's numbers by name (see `scalars`).

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
            measures, privacy = self._evaluators[resolution].watch(sampler)
            return scalars(measures, privacy, DURING.images)
        except FAULTS as fault:
            self._say_once(reason(fault))
            return {}

    def _say_once(self, words: str) -> None:
        if words not in self._said:
            self._said.add(words)
            screen.say(f"Evaluations of --eval_interval are left out: {words}.")
