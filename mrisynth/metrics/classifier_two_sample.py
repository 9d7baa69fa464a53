"""The classifier two-sample test: whether a classifier can tell one set of images from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.feature_sets import Features, check_features
from mrisynth.metrics.registry import Comparison, Direction, Group, metric, random_stream

_DEALS = 10
_SHRINKAGE = 0.1
"""What is added to the diagonal of the correlation matrix if there are as many rows as features.

Without it, the classifier is at its worst then."""


@metric(
    key="classifier_accuracy",
    title="Classifier two-sample test",
    group=Group.FIDELITY,
    direction=Direction.LIKE_REAL,
    explanation="How often a classifier is right that says which is generated: 0.5 is guessing, 1 is always.",
    source="Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017, arXiv 1610.06545.",
    detail="accuracy, features",
    per_channel=False,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    sides = comparison.reference, comparison.images
    groups = [np.arange(len(side.images)) if side.subjects is None else side.subjects for side in sides]
    if any(len(np.unique(group)) < 2 for group in groups):
        # Who is known again would count, and nothing else.
        return {}
    accuracy = classifier_accuracy(*(side.features for side in sides), *groups, comparison.seed)
    return {"classifier_accuracy": accuracy}


def classifier_accuracy(
    first: Features, second: Features, first_subjects: NDArray, second_subjects: NDArray, seed: int = 0
) -> float:
    """How often a linear classifier tells which of two sets a row is from that it has not seen.

    It learns from about half of each set and is tested on the other, then the other way round, for ten ways
    to deal the subjects. All rows of a subject are in one half, so that it is of no use to know subjects
    again: between two sets of real images, half of the answers are right, or less if subjects are few, since
    who is in one half is missing in the other.

    The classifier is Fisher's linear discriminant of standardized features. To the diagonal of their
    correlation matrix a tenth of the features for every row is added, so that there may be more features than
    rows. How much it learns depends on how many rows there are, so compare sets of one size only.

    Args:
        first: [N, D].
        second: [M, D].
        first_subjects: Whose the rows are, [N], of two subjects at least; every generated image is its own.
        second_subjects: The same of the second set, [M].
        seed: Decides which subjects are in which half.

    Returns:
        The mean of the parts of both sets that are recognized, 0 to 1.

    Raises:
        UserError: If the arrays are no such features or have fewer than two rows.
    """
    check_features(first, second, fewest=2)
    random = random_stream(seed, "classifier_accuracy")
    sets = [np.asarray(features, np.float64) for features in (first, second)]
    right = []
    for _ in range(_DEALS):
        dealt = [_deal(subjects, random) for subjects in (first_subjects, second_subjects)]
        halves = [(rows[half], rows[~half]) for rows, half in zip(sets, dealt, strict=True)]
        for learned, tested in ((0, 1), (1, 0)):
            weights, threshold = _discriminant(*(half[learned] for half in halves))
            in_first, in_second = (half[tested] @ weights > threshold for half in halves)
            right += [in_first.mean(), 1 - in_second.mean()]
    return float(np.mean(right))


def _deal(subjects: NDArray, random: np.random.RandomState) -> NDArray[np.bool_]:
    """Whether a row is in the first half, [N]; subjects are dealt at random, each with all its rows."""
    _, numbers, counts = np.unique(subjects, return_inverse=True, return_counts=True)
    order = random.permutation(len(counts))
    middles = np.cumsum(counts[order]) - counts[order] / 2
    in_first = np.empty(len(counts), bool)
    in_first[order] = middles <= len(numbers) / 2
    return in_first[numbers]


def _discriminant(
    first: NDArray[np.float64], second: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    """Weights [D] and the threshold that the first set's sums are above, those of the second below."""
    means = [first.mean(axis=0), second.mean(axis=0)]
    residuals = np.concatenate([first - means[0], second - means[1]])
    scale = residuals.std(axis=0)
    scale[scale == 0] = 1
    residuals /= scale
    correlation = residuals.T @ residuals / len(residuals)
    correlation[np.diag_indices_from(correlation)] += _SHRINKAGE * len(correlation) / len(residuals)
    weights = np.linalg.solve(correlation, (means[0] - means[1]) / scale) / scale
    return weights, float(weights @ (means[0] + means[1]) / 2)
