"""The classifier two-sample test: whether a classifier can tell one set of images from another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.feature_sets import Features, check_features
from mrisynth.metrics.registry import Comparison, Direction, Group, metric

_SHRINKAGE = 0.001


@metric(
    key="classifier_accuracy",
    title="Classifier two-sample test",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation="How often a classifier is right that says which is generated: 0.5 is guessing, 1 is always.",
    source="Lopez-Paz and Oquab, Revisiting classifier two-sample tests, ICLR 2017, arXiv 1610.06545.",
    detail="accuracy, features",
    per_channel=False,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    sides = comparison.reference, comparison.images
    return {"classifier_accuracy": classifier_accuracy(*(side.features for side in sides))}


def classifier_accuracy(first: Features, second: Features) -> float:
    """How often a linear classifier tells which of two sets a row is from that it has not seen.

    It learns from the first half of each set and is tested on the second, then the other way round. Of sets
    in the order of subjects no subject but the middle one is in both halves, so that it is of no use to know
    subjects again: between real images of different subjects, half of the answers are right.

    The classifier is Fisher's linear discriminant of standardized features, with 0.001 added to the diagonal
    of their correlation matrix, so that there may be more features than images. It learns better from more
    images, so compare sets of one size only.

    Args:
        first: [N, D], rows of one subject one after the other.
        second: [M, D], likewise.

    Returns:
        The mean of the parts of both sets that are recognized, 0 to 1.

    Raises:
        UserError: If the arrays are no such features or have fewer than four rows.
    """
    check_features(first, second, fewest=4)
    halves = [np.array_split(np.asarray(features, np.float64), 2) for features in (first, second)]
    right = []
    for learned in (0, 1):
        weights, threshold = _discriminant(*(half[learned] for half in halves))
        in_first, in_second = (half[1 - learned] @ weights > threshold for half in halves)
        right += [in_first.mean(), 1 - in_second.mean()]
    return float(np.mean(right))


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
    correlation[np.diag_indices_from(correlation)] += _SHRINKAGE
    weights = np.linalg.solve(correlation, (means[0] - means[1]) / scale) / scale
    return weights, float(weights @ (means[0] + means[1]) / 2)
