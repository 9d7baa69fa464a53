"""The kernel distance between the features of two sets of images."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.feature_sets import Features, check_features
from mrisynth.metrics.registry import Comparison, Direction, Group, metric, random_stream

SUBSETS = 100
SUBSET_SIZE = 1000

_SUBSETS_OF_A_REPEAT = 25


@metric(
    key="kernel",
    title="Kernel distance",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation=(
        "How much generated and real images differ as a whole, as their features describe them, without the "
        "bias that few images cause."
    ),
    source="Bińkowski et al., Demystifying MMD GANs, ICLR 2018, arXiv 1801.01401.",
    detail="of features",
    per_channel=False,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    first, second = comparison.reference.features, comparison.images.features
    # Smaller sets are each their only subset.
    subsets = _SUBSETS_OF_A_REPEAT if len(first) > SUBSET_SIZE else 1
    return {"kernel": float(np.mean(kernel_distance(first, second, comparison.seed, subsets=subsets)))}


def kernel_distance(
    first: Features,
    second: Features,
    seed: int = 0,
    *,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
) -> NDArray[np.float64]:
    """Squared maximum mean discrepancy with the kernel (x.y / D + 1)^3 (Binkowski et al. 2018).

    The unbiased estimate: sets of different sizes compare, and sets of one distribution average to 0, so that
    single values may be negative.

    Args:
        first: [N, D].
        second: [M, D].
        seed: The same seed gives the same subsets.
        subsets: How often to draw a subset of each set.
        subset_size: Rows of a subset, drawn without repeating one; fewer where a set has fewer.

    Returns:
        A value for each pair of subsets, [subsets].

    Raises:
        UserError: If the arrays are no such features or have fewer than two rows.
    """
    check_features(first, second, fewest=2)
    random = random_stream(seed, "kernel distance")
    size = min(subset_size, len(first), len(second))
    values = np.empty(subsets)
    for subset in range(subsets):
        x, y = (
            features[random.permutation(len(features))[:size]].astype(np.float64)
            for features in (first, second)
        )
        values[subset] = _unbiased_discrepancy(x, y)
    return values


def _unbiased_discrepancy(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean kernel of different rows of x, and of y, less twice that of rows of x with rows of y."""
    size, dimensions = x.shape
    bases = (a @ b.T / dimensions + 1 for a, b in ((x, x), (y, y), (x, y)))
    # A general power takes twelve times as long as two products.
    within_x, within_y, between = (base * base * base for base in bases)
    within = sum(np.sum(kernel) - np.trace(kernel) for kernel in (within_x, within_y)) / (size * (size - 1))
    return float(within - 2 * np.mean(between))
