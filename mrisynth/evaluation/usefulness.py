"""Tries out what generated images are good for: what networks are to see in them, and on which of them."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.finding.channels import mask_channels
from mrisynth.data.labels import LabelKind
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationSettings, UtilityTask
from mrisynth.evaluation.reference import ZERO
from mrisynth.image_io import average_down
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.searches import ReferenceImages, Slices, without_masks
from mrisynth.sampling.generators import Sampler
from mrisynth.training.config import Precision
from mrisynth.training.strategies import dtype_policy
from mrisynth.utility.experiment import Utility, generated_wanted, measure_utility
from mrisynth.utility.learner import Examples

LARGEST = 64
"""Larger images are averaged down to so many pixels along an edge."""

_AT_ONCE = 1024
_NEEDED = {
    UtilityTask.SEGMENTATION: "a mask among the channels, with lesions on both sides of --data_dir",
    UtilityTask.CLASSIFICATION: "a generator that knows a label of several categories, two of which at least "
    "are on the training side of --data_dir",
}


@dataclasses.dataclass(frozen=True)
class Target:
    """What networks are to see: a mask, or the category that a label has.

    Attributes:
        name: The mask's channel, or the label.
        channels: Names of the images' channels.
        mask: Index of the mask's channel; None where it is a label.
        columns: Columns of the label; None where it is a mask.
        categories: How many categories the label has; 0 where it is a mask.
    """

    name: str
    channels: tuple[str, ...]
    mask: int | None = None
    columns: slice | None = None
    categories: int = 0

    def known(self, slices: Slices) -> Slices:
        """The slices of which it is known."""
        if self.mask is None:
            known = slices.labels[:, self.columns][:, -1] > 0
        elif slices.lacking is None:
            return slices
        else:
            known = ~slices.lacking[:, self.mask]
        labels = None if slices.labels is None else slices.labels[known]
        return Slices(slices.images[known], slices.subjects[known], labels)

    def examples(self, slices: Slices) -> Examples:
        """Images without masks, averaged down, and what is to be seen in them."""
        images = average_down(slices.images, LARGEST)
        if self.mask is None:
            targets = slices.labels[:, self.columns][:, :-1].argmax(axis=1).astype(np.int32)
        else:
            targets = (images[..., [self.mask]] > ZERO).astype(np.uint8)
        return Examples(without_masks(images, self.channels), targets)


def find_target(task: UtilityTask, sampler: Sampler, real: ReferenceImages) -> Target | None:
    """What networks are to see.

    Args:
        task: What is asked for.
        sampler: The generator.
        real: The data set; its labels are encoded by the generator's schema.

    Returns:
        None where nothing is asked for, or where nothing is there and AUTO is asked for.

    Raises:
        UserError: If what is asked for is not there.
    """
    mask = label = None
    if task in (UtilityTask.AUTO, UtilityTask.SEGMENTATION):
        mask = _find_mask(real)
    if mask is None and task in (UtilityTask.AUTO, UtilityTask.CLASSIFICATION):
        label = _find_label(sampler, real)
    if mask is None and label is None and task in _NEEDED:
        raise UserError(f"--utility={task} needs {_NEEDED[task]}; leave it out")
    return mask or label


def _find_mask(real: ReferenceImages) -> Target | None:
    """The first mask beside an image that has lesions on both sides."""
    sides = (real.training.images, real.heldout.images)
    for index in mask_channels(real.channels):
        if all((side[..., index] > ZERO).any() for side in sides):
            return Target(real.channels[index], real.channels, mask=index)
    return None


def _find_label(sampler: Sampler, real: ReferenceImages) -> Target | None:
    """The first label of several categories that is known of real and of generated images."""
    if sampler.labels is None or real.training.labels is None:
        return None
    drawn = sampler.labels.encode(0, _AT_ONCE)
    for label, columns in sampler.label_schema.columns():
        shown = (
            labels[:, columns].any(axis=0) for labels in (real.training.labels, real.heldout.labels, drawn)
        )
        training, heldout, generated = (int(categories[:-1].sum()) for categories in shown)
        if label.kind is LabelKind.CATEGORICAL and training > 1 and heldout and generated:
            return Target(label.name, real.channels, columns=columns, categories=len(label.vocabulary))
    return None


def measure_usefulness(
    target: Target,
    sampler: Sampler,
    images: NDArray[np.uint8],
    real: ReferenceImages,
    settings: EvaluationSettings,
) -> Utility:
    """Trains networks on real and on generated images and tests them on held-out subjects.

    Args:
        target: What networks are to see.
        sampler: The generator.
        images: What was drawn of it already, uint8 [N, H, H, C], from the settings' seed on; more are drawn
            where more are of use.
        real: The data set.
        settings: The first seed, the training steps and the draws for intervals.
    """
    training, heldout = target.known(real.training), target.known(real.heldout)
    count = generated_wanted(len(training.images), settings.utility_steps)
    parts = [average_down(images[:count], LARGEST)]
    for first in range(len(images), count, _AT_ONCE):
        more = sampler.draw_gray(settings.seed + first, min(_AT_ONCE, count - first))
        parts.append(average_down(more, LARGEST))
    labels = sampler.labels.encode(settings.seed, count) if target.categories else None
    generated = target.known(Slices(np.concatenate(parts), np.arange(count), labels))
    return measure_utility(
        *(target.examples(each) for each in (training, generated, heldout)),
        heldout.subjects,
        target=target.name,
        categories=target.categories,
        steps=settings.utility_steps,
        bootstrap=Bootstrap(settings.draws, settings.seed),
        dtype=dtype_policy(Precision.AUTO),
    )
