"""Train on generated images, test on real ones: how far networks come that never saw a scan, or few.

All networks take the same number of training steps, and each is tested as it is after its last one. A score
is that of a held-out subject, over all its slices together; intervals count subjects (see
`mrisynth.privacy.bootstrap`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.metrics.estimates import Interval
from mrisynth.privacy.bootstrap import Bootstrap, Weights
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.utility.learner import BATCH, Examples, Learner
from mrisynth.utility.networks import classifier, u_net

SEEDS = 3
"""How often every network is trained."""

MANY = 5
"""How many times as many generated images as real ones the largest set has."""

REAL = "real"
GENERATED = "generated"
GENERATED_MANY = "generated_fivefold"
BOTH = "real_and_generated"
AUGMENTED = "real_augmented"
BOTH_AUGMENTED = "real_and_generated_augmented"
BLIND = "without_images"


@dataclasses.dataclass(frozen=True)
class Row:
    """What was reached by training on one set of images.

    Attributes:
        images: Images in the set.
        score: Mean over held-out subjects and over the repeats, with the interval over subjects.
        of_real: The same as a part of what real images reach; None if that is nothing.
        repeats: Mean over held-out subjects of every repeat, whose networks began with other weights.
    """

    images: int
    score: Interval
    of_real: Interval | None
    repeats: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Utility:
    """What networks reach on held-out subjects.

    Attributes:
        task: "segmentation" or "classification".
        target: The mask, or the label, that networks are to see.
        measure: "Dice" or "accuracy".
        resolution: Pixels along an edge of the images that networks see.
        steps: Training steps of every network.
        batch: Images in a step.
        subjects: Held-out subjects with a score.
        rows: What was reached, by what was trained on.
    """

    task: str
    target: str
    measure: str
    resolution: int
    steps: int
    batch: int
    subjects: int
    rows: Mapping[str, Row]


def generated_wanted(real: int, steps: int) -> int:
    """How many generated images are of use beside so many real ones: no more than training steps show."""
    return min(MANY * real, steps * BATCH)


def measure_utility(
    real: Examples,
    generated: Examples,
    heldout: Examples,
    subjects: NDArray,
    *,
    target: str,
    categories: int = 0,
    steps: int,
    bootstrap: Bootstrap,
    dtype: str = "float32",
) -> Utility:
    """Trains networks on every set of images and tests them on held-out subjects.

    Args:
        real: Slices of the training subjects.
        generated: `generated_wanted` generated images.
        heldout: Slices of held-out subjects.
        subjects: Whose those are, [N].
        target: What networks are to see.
        categories: How many categories there are; 0 where the targets are masks.
        steps: Training steps of every network.
        bootstrap: How intervals are found; its seed is that of the first repeat, and each next adds 1.
        dtype: Policy of what is computed in.

    Returns:
        What was reached. A subject without the mask in truth and in what the network sees has no Dice and is
        left out of the mean, as in nnU-Net (Isensee et al. 2021); one that the network sees it in has 0.
    """
    resolution, channels = real.images.shape[2:]
    if categories:
        learner = Learner(classifier(resolution, channels, categories, dtype), steps)
    else:
        learner = Learner(u_net(resolution, channels, dtype), steps)
    groups = Groups.of(subjects)
    score = _accuracy if categories else _dice
    sets = _sets(real, generated)
    scores = {}
    title = "training networks on real and generated images"
    with screen.Bar(title, len(sets) * SEEDS * steps, unit="steps") as bar:
        for name, (examples, augmented) in sets.items():
            for seed in range(bootstrap.seed, bootstrap.seed + SEEDS):
                learner.fit(examples, seed, augmented, bar.update)
                seen = learner.predict(heldout.images)
                scores.setdefault(name, []).append(score(seen, heldout.targets, groups))
    blind = np.broadcast_to(_blind_answer(real.targets), heldout.targets.shape)
    scores[BLIND] = [score(blind, heldout.targets, groups)] * SEEDS
    images = {name: len(examples) for name, (examples, _) in sets.items()}
    means = {name: _without_nan(repeats) for name, repeats in scores.items()}
    return Utility(
        task="classification" if categories else "segmentation",
        target=target,
        measure="accuracy" if categories else "Dice",
        resolution=resolution,
        steps=steps,
        batch=BATCH,
        subjects=int(np.isfinite(means[REAL]).sum()),
        rows={
            name: _row(images.get(name, 0), repeats, means[name], means[REAL], bootstrap)
            for name, repeats in scores.items()
        },
    )


def _sets(real: Examples, generated: Examples) -> dict[str, tuple[Examples, bool]]:
    """What networks are trained on, and whether the images are changed in each step."""
    as_many = generated[: len(real)]
    return {
        REAL: (real, False),
        GENERATED: (as_many, False),
        GENERATED_MANY: (generated, False),
        BOTH: (real + as_many, False),
        AUGMENTED: (real, True),
        BOTH_AUGMENTED: (real + as_many, True),
    }


def _dice(seen: NDArray[np.integer], truth: NDArray[np.integer], subjects: Groups) -> NDArray[np.float64]:
    """Dice of every subject's masks, all slices together, [S]; NaN where there are none, nor seen any."""
    both, either = (
        np.bincount(subjects.numbers, counted.reshape(len(counted), -1).sum(axis=1, dtype=np.int64))
        for counted in (seen & truth, np.stack([seen, truth], axis=1))
    )
    return np.divide(2 * both, either, out=np.full(subjects.count, np.nan), where=either > 0)


def _accuracy(seen: NDArray[np.integer], truth: NDArray[np.integer], subjects: Groups) -> NDArray[np.float64]:
    """The part of every subject's slices whose category is seen, [S]."""
    return subjects.means(seen == truth)


def _blind_answer(targets: NDArray[np.integer]) -> NDArray[np.integer]:
    """The most frequent category; or the mask that has the best Dice with all masks together."""
    if targets.ndim == 1:
        return np.bincount(targets).argmax()
    often = targets.mean(axis=0)
    order = np.argsort(-often, axis=None, kind="stable")
    dice = 2 * np.cumsum(often.ravel()[order]) / (np.arange(1, often.size + 1) + often.sum())
    answer = np.zeros(often.size, targets.dtype)
    answer[order[: dice.argmax() + 1]] = 1
    return answer.reshape(often.shape)


def _without_nan(repeats: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of every subject over the repeats that have a score of it, [S]; NaN where none has."""
    scores = np.stack(repeats)
    count = np.isfinite(scores).sum(axis=0)
    return np.divide(np.nansum(scores, axis=0), count, out=np.full(len(count), np.nan), where=count > 0)


def _row(
    images: int,
    repeats: list[NDArray[np.float64]],
    scores: NDArray[np.float64],
    real: NDArray[np.float64],
    bootstrap: Bootstrap,
) -> Row:
    subjects, everybody = Groups.of(np.arange(len(scores))), np.ones(len(scores))

    def part(weights: Weights) -> float:
        whole = _mean(real, weights)
        return _mean(scores, weights) / whole if whole > 0 else np.nan

    return Row(
        images,
        bootstrap.interval(lambda weights: _mean(scores, weights), subjects),
        bootstrap.interval(part, subjects) if _mean(real, everybody) > 0 else None,
        tuple(_mean(each, everybody) for each in repeats),
    )


def _mean(scores: NDArray[np.float64], weights: Weights) -> float:
    """Mean over the subjects that have a score; NaN if none has."""
    known = np.isfinite(scores)
    weight = weights[known].sum()
    return float(scores[known] @ weights[known] / weight) if weight > 0 else np.nan
