"""How alike two sets of images are as clouds of points in a feature space.

All measures take features, float [N, D], one row an image (see `mrisynth.metrics.features`). Numbers compare
only where the features are the same; that between two sets of real images says what perfect would be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UserError

NEIGHBORS = 5
SUBSETS = 100
SUBSET_SIZE = 1000

_BLOCK_VALUES = 2**23
"""Of float64: 64 MiB."""
_SEED_PERIOD = 2**32

Features = NDArray[np.floating]


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
    _check(first, second, fewest=2)
    (first_mean, first_covariance), (second_mean, second_covariance) = map(_moments, (first, second))
    # The singular values of the roots' product are the roots of the eigenvalues of C1 C2, but are found to
    # full precision where these are only to half of it.
    product = _root(first_covariance) @ _root(second_covariance)
    overlap = np.sum(np.linalg.svd(product, compute_uv=False))
    spreads = np.trace(first_covariance) + np.trace(second_covariance)
    distance = np.sum((first_mean - second_mean) ** 2) + spreads - 2 * overlap
    return max(0.0, float(distance))


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
    _check(first, second, fewest=2)
    random = np.random.RandomState([seed % _SEED_PERIOD, *b"kernel distance"])
    size = min(subset_size, len(first), len(second))
    values = np.empty(subsets)
    for subset in range(subsets):
        x, y = (
            features[random.permutation(len(features))[:size]].astype(np.float64)
            for features in (first, second)
        )
        values[subset] = _unbiased_discrepancy(x, y)
    return values


@dataclasses.dataclass(frozen=True)
class ManifoldMeasures:
    """What part of the generated images looks real, and what part of the real ones is covered.

    A ball around an image reaches to its k-th nearest neighbor in its own set.

    Attributes:
        precision: Part of the generated images within the ball of any real one (Kynkaanniemi et al. 2019).
        recall: Part of the real images within the ball of any generated one (the same).
        density: In how many real images' balls a generated image lies, over k; may exceed 1 (Naeem et al.
            2020).
        coverage: Part of the real images whose ball has a generated image in it (the same).
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold_measures(real: Features, generated: Features, neighbors: int = NEIGHBORS) -> ManifoldMeasures:
    """Precision, recall, density and coverage by nearest neighbors.

    Distances are Euclidean, computed exactly in blocks; there is no table of all pairs.

    Args:
        real: [N, D].
        generated: [M, D].
        neighbors: k.

    Returns:
        The four measures.

    Raises:
        UserError: If the arrays are no such features or a set has not more than k rows.
    """
    _check(real, generated, fewest=neighbors + 1)
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
    return ManifoldMeasures(
        precision=float(np.mean(balls_around > 0)),
        recall=float(recalled / len(real)),
        density=float(np.sum(balls_around) / (neighbors * len(generated))),
        coverage=float(covered / len(real)),
    )


def _check(first: Features, second: Features, fewest: int) -> None:
    for features in (first, second):
        if features.ndim != 2:
            raise UserError(f"features have shape {list(features.shape)}; use [N, D], one row an image")
        if len(features) < fewest:
            raise UserError(f"features of {len(features)} images are too few; use those of at least {fewest}")
        if not np.isfinite(features).all():
            raise UserError(
                "features are not all finite; use an extractor that yields numbers for every image"
            )
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"features have {first.shape[1]} and {second.shape[1]} dimensions; use one extractor for both"
        )


# ------------------------------------------------------------------------------------- moments and kernel


def _moments(features: Features) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [D] and covariance [D, D] (divided by N - 1), in float64 whatever the features are in."""
    mean = np.mean(features, axis=0, dtype=np.float64)
    products = np.zeros((features.shape[1],) * 2)
    for block in _blocks(len(features), features.shape[1]):
        centered = features[block] - mean
        products += centered.T @ centered
    return mean, products / (len(features) - 1)


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """The symmetric root of a matrix that is positive semidefinite up to rounding."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def _unbiased_discrepancy(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean kernel of different rows of x, and of y, less twice that of rows of x with rows of y."""
    size, dimensions = x.shape
    bases = (a @ b.T / dimensions + 1 for a, b in ((x, x), (y, y), (x, y)))
    # A general power takes twelve times as long as two products.
    within_x, within_y, between = (base * base * base for base in bases)
    within = sum(np.sum(kernel) - np.trace(kernel) for kernel in (within_x, within_y)) / (size * (size - 1))
    return float(within - 2 * np.mean(between))


# ----------------------------------------------------------------------------------------------- distances


def _center_together(first: Features, second: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Moves the mean of all rows to 0, for long rows lose more to rounding than their distances bear."""
    total = sum(np.sum(features, axis=0, dtype=np.float64) for features in (first, second))
    mean = total / (len(first) + len(second))
    first, second = (features - mean.astype(features.dtype) for features in (first, second))
    return first.astype(np.float32, copy=False), second.astype(np.float32, copy=False)


def _blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows, such that each has no more than so many values if rows are `width` wide."""
    step = max(1, _BLOCK_VALUES // width)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))


def _squared_distances(
    first: NDArray[np.float32], second: NDArray[np.float32]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Squared Euclidean distances of all pairs, a block of first's rows after the other.

    Yields:
        The block and its distances, [rows of the block, M].
    """
    first_squares, second_squares = (np.einsum("nd,nd->n", rows, rows) for rows in (first, second))
    for rows in _blocks(len(first), len(second)):
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
