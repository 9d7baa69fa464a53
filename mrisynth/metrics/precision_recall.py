"""Precision, recall, density and coverage: how two sets of images overlap in a feature space."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.feature_sets import Features, check_features, row_blocks
from mrisynth.metrics.registry import Comparison, Direction, Group, metric

NEIGHBORS = 5

_DETAIL = f"{NEIGHBORS} neighbors, features"
_PRECISION_RECALL = "Kynkäänniemi et al., Improved precision and recall, NeurIPS 2019, arXiv 1904.06991."
_DENSITY_COVERAGE = "Naeem et al., Reliable fidelity and diversity metrics, ICML 2020, arXiv 2002.09797."


@metric(
    key="precision",
    title="Precision",
    group=Group.FIDELITY,
    direction=Direction.HIGHER,
    explanation="Which part of the generated images looks like something that occurs among real ones.",
    source=_PRECISION_RECALL,
    detail=_DETAIL,
    per_channel=False,
)
@metric(
    key="recall",
    title="Recall",
    group=Group.DIVERSITY,
    direction=Direction.HIGHER,
    explanation="Which part of the variety of real images the generated ones cover.",
    source=_PRECISION_RECALL,
    detail=_DETAIL,
    per_channel=False,
)
@metric(
    key="density",
    title="Density",
    group=Group.FIDELITY,
    direction=Direction.LIKE_REAL,
    explanation="How densely generated images lie where real ones lie.",
    source=_DENSITY_COVERAGE,
    detail=_DETAIL,
    per_channel=False,
)
@metric(
    key="coverage",
    title="Coverage",
    group=Group.DIVERSITY,
    direction=Direction.HIGHER,
    explanation="Which part of the real images has a generated one nearby.",
    source=_DENSITY_COVERAGE,
    detail=_DETAIL,
    per_channel=False,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    return manifold_measures(comparison.reference.features, comparison.images.features)


def manifold_measures(real: Features, generated: Features, neighbors: int = NEIGHBORS) -> dict[str, float]:
    """What part of the generated images looks real, and what part of the real ones is covered.

    A ball around an image reaches to its k-th nearest neighbor in its own set. Distances are Euclidean,
    computed exactly in blocks; there is no table of all pairs.

    Args:
        real: [N, D].
        generated: [M, D].
        neighbors: k.

    Returns:
        - "precision": part of generated images within the ball of any real one (Kynkaanniemi et al. 2019).
        - "recall": part of the real images within the ball of any generated one (the same).
        - "density": in how many real images' balls a generated image lies, over k; may exceed 1 (Naeem et al.
          2020).
        - "coverage": part of the real images whose ball has a generated image in it (the same).

    Raises:
        UserError: If the arrays are no such features or a set has not more than k rows.
    """
    check_features(real, generated, fewest=neighbors + 1)
    real, generated = _center_together(real, generated)
    real_radii = _squared_radii(real, neighbors)
    generated_radii = _squared_radii(generated, neighbors)
    balls_around = np.zeros(len(generated), np.int64)
    recalled = covered = 0
    for rows, distances in _squared_distances(real, generated):
        within_real = distances <= real_radii[rows, None]
        balls_around += np.count_nonzero(within_real, axis=0)
        covered += np.count_nonzero(within_real.any(axis=1))
        recalled += np.count_nonzero((distances <= generated_radii).any(axis=1))
    return {
        "precision": float(np.mean(balls_around > 0)),
        "recall": float(recalled / len(real)),
        "density": float(np.sum(balls_around) / (neighbors * len(generated))),
        "coverage": float(covered / len(real)),
    }


def _center_together(first: Features, second: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Moves the mean of all rows to 0, for long rows lose more to rounding than their distances bear."""
    total = sum(np.sum(features, axis=0, dtype=np.float64) for features in (first, second))
    mean = total / (len(first) + len(second))
    first, second = (features - mean.astype(features.dtype) for features in (first, second))
    return first.astype(np.float32, copy=False), second.astype(np.float32, copy=False)


def _squared_distances(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Squared Euclidean distances of all pairs: blocks of first's rows, each with its distances [rows, M]."""
    first_squares, second_squares = (np.einsum("nd,nd->n", rows, rows) for rows in (first, second))
    for rows in row_blocks(len(first), len(second)):
        distances = first[rows] @ second.T
        distances *= -2
        distances += first_squares[rows, None]
        distances += second_squares
        yield rows, distances


def _squared_radii(features: NDArray[np.float32], neighbors: int) -> NDArray[np.float32]:
    """Squared distance of every row to its k-th nearest other row, [N]."""
    radii = np.empty(len(features), np.float32)
    for rows, distances in _squared_distances(features, features):
        own = np.arange(rows.start, rows.stop)
        distances[own - rows.start, own] = np.inf
        distances.partition(neighbors - 1, axis=1)
        radii[rows] = distances[:, neighbors - 1]
    return radii
