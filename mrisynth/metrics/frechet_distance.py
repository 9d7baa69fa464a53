"""The Frechet distance between the features of two sets of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.feature_sets import Features, check_features, row_blocks
from mrisynth.metrics.registry import Comparison, Direction, Group, metric


@metric(
    key="frechet",
    title="Fréchet distance",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation="How much generated and real images differ as a whole, as their features describe them.",
    source="Heusel et al., Two time-scale update rule, NeurIPS 2017, arXiv 1706.08500.",
    detail="of features",
    per_channel=False,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    return {"frechet": frechet_distance(comparison.reference.features, comparison.images.features)}


def frechet_distance(first: Features, second: Features) -> float:
    """Squared Wasserstein-2 distance of the normal distributions fitted to two sets (Heusel et al. 2017).

    |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), the formula of the Frechet inception distance. It is biased:
    it falls as the number of images rises, so compare sets of one size only.

    Args:
        first: [N, D].
        second: [M, D]. N and M may be less than D.

    Returns:
        From 0 (the same means and covariances).

    Raises:
        UserError: If the arrays are no such features or have fewer than two rows.
    """
    check_features(first, second, fewest=2)
    (first_mean, first_covariance), (second_mean, second_covariance) = map(_moments, (first, second))
    # The singular values of the roots' product are the roots of the eigenvalues of C1 C2, but are found to
    # full precision where these are only to half of it.
    product = _root(first_covariance) @ _root(second_covariance)
    overlap = np.sum(np.linalg.svd(product, compute_uv=False))
    spreads = np.trace(first_covariance) + np.trace(second_covariance)
    distance = np.sum((first_mean - second_mean) ** 2) + spreads - 2 * overlap
    return max(0.0, float(distance))


def _moments(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and covariance [D, D] (divided by N - 1), in float64 whatever the features are in."""
    mean = np.mean(features, axis=0, dtype=np.float64)
    products = np.zeros((features.shape[1],) * 2)
    for block in row_blocks(len(features), features.shape[1]):
        centered = features[block] - mean
        products += centered.T @ centered
    return mean, products / (len(features) - 1)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric root of a matrix that is positive semidefinite up to rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
