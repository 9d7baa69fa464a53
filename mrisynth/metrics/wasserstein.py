"""The Wasserstein distance of two samples on a line, exactly but mostly without sorting them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FEWEST_TO_BIN = 2**14
_SAMPLES_PER_BIN = 8
_CENTER_SAMPLES = 4096


def wasserstein_distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean absolute differences of sorted samples: the 1-Wasserstein distances of K pairs of samples.

    Args:
        first: [K, N].
        second: [K, N].

    Returns:
        [K], by whichever way is faster for N samples.
    """
    if first.shape[1] < _FEWEST_TO_BIN:
        distances = [distance_by_sorting(*pair) for pair in zip(first, second, strict=True)]
    else:
        distance = BinnedDistance(first.shape[1])
        distances = [distance(*pair) for pair in zip(first, second, strict=True)]
    return np.array(distances, np.float64)


def distance_by_sorting(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The distance of two samples [N] as it is defined."""
    return float(np.mean(np.abs(np.sort(first) - np.sort(second)), dtype=np.float64))


class BinnedDistance:
    """The distance from counts and sums in bins; samples are sorted only where these do not decide.

    The distance is the integral of |D| / N, where D(x) is how many more samples of the first than of the
    second are at most x. Within a bin, D falls by no more than the bin's samples of the second and rises by
    no more than those of the first. Where it thus cannot change its sign, the integral of |D| over the bin is
    |right D(right) - left D(left) - (sum of the first's samples - sum of the second's)|, in whatever order
    the samples are. The other bins are sorted; with many bins, these are few.

    Bins are of equal width in t = (x - m) / (|x - m| + c), narrow around the center m and wide in the tails,
    as suits what is filtered from images. The outermost ones reach to infinity.

    Args:
        samples: N. Work arrays are kept from one call to the next, which saves more time than the bins'
            arithmetic takes; so an object belongs to one thread.
    """

    def __init__(self, samples: int) -> None:
        self._bins = max(2, samples // _SAMPLES_PER_BIN)
        # A little less than half of the bins, lest rounding goes one too far.
        self._half = np.float32(self._bins / 2 * (1 - 1e-6))
        grid = np.arange(1, self._bins) / float(self._half) - 1
        # The outermost edges, where D is 0, drop out of every formula; any numbers do.
        self._edges = np.pad(grid / (1 - np.abs(grid)), 1)
        self._position, self._divisor = np.empty((2, samples), np.float32)
        self._weights = np.empty(samples, np.float64)
        self._chosen = np.empty(samples, bool)
        self._bin_numbers = np.empty((2, samples), np.intp)

    def __call__(self, first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
        """The distance of two samples [N]."""
        pair = (first, second)
        center, spread = _center_and_spread(pair)
        if not spread > 0:
            return distance_by_sorting(first, second)
        (firsts, first_sums), (seconds, second_sums) = (
            self._fill_bins(samples, center, spread, numbers)
            for samples, numbers in zip(pair, self._bin_numbers, strict=True)
        )
        edges = (center + float(spread) * self._edges).astype(np.float32)
        excess = np.concatenate([[0], np.cumsum(firsts - seconds)])
        integrals = np.abs(np.diff(edges.astype(np.float64) * excess) - (first_sums - second_sums))
        undecided = (excess[:-1] < seconds) & (excess[:-1] > -firsts)
        total = np.sum(integrals[~undecided])
        if undecided.any():
            total += _integral_by_sorting(self._choose(pair, undecided), edges, excess, undecided)
        return float(total) / len(first)

    def _fill_bins(
        self,
        samples: NDArray[np.float32],
        center: np.float32,
        spread: np.float32,
        numbers: NDArray[np.intp],
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Writes the number of every sample's bin; returns the bins' counts and sums."""
        np.subtract(samples, center, out=self._position)
        np.abs(self._position, out=self._divisor)
        self._divisor += spread
        self._position /= self._divisor
        self._position *= self._half
        self._position += self._half
        np.copyto(numbers, self._position, casting="unsafe")
        np.copyto(self._weights, samples)
        counts = np.bincount(numbers, minlength=self._bins)
        return counts, np.bincount(numbers, self._weights, self._bins)

    def _choose(
        self, pair: tuple[NDArray[np.float32], NDArray[np.float32]], bins: NDArray[np.bool_]
    ) -> list[NDArray[np.float32]]:
        """Those samples of the first and of the second that lie in some bins."""
        chosen = []
        for samples, numbers in zip(pair, self._bin_numbers, strict=True):
            # Only with a mode other than "raise" does take write to `out` without a copy of its own.
            np.take(bins, numbers, out=self._chosen, mode="clip")
            chosen.append(samples[np.flatnonzero(self._chosen)])
        return chosen


def _center_and_spread(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> tuple[np.float32, np.float32]:
    """The median of some of the samples, and their mean distance from it."""
    step = -(-len(pair[0]) // _CENTER_SAMPLES)
    some = np.concatenate([samples[::step] for samples in pair])
    center = np.median(some)
    return center, np.mean(np.abs(some - center))


def _integral_by_sorting(
    samples: list[NDArray[np.float32]],
    edges: NDArray[np.float32],
    excess: NDArray[np.intp],
    bins: NDArray[np.bool_],
) -> float:
    """The integral of |D| over some bins.

    Samples that have their partners of equal rank before the bin meet copies of its left edge, those that
    have them behind it meet copies of its right edge. Then every bin holds as many of the first as of the
    second, and all bins are sorted together.

    Args:
        samples: Those of the first and of the second that lie in the bins.
        edges: Edges of all bins, [B + 1].
        excess: D at the edges, [B + 1].
        bins: Which ones, [B].
    """
    left = np.flatnonzero(bins)
    right = left + 1
    filled = []
    for own, lead in zip(samples, (excess, -excess), strict=True):
        before = np.repeat(edges[left], np.maximum(lead[left], 0))
        behind = np.repeat(edges[right], np.maximum(-lead[right], 0))
        filled.append(np.sort(np.concatenate([own, before, behind])))
    return float(np.sum(np.abs(filled[0] - filled[1]), dtype=np.float64))
