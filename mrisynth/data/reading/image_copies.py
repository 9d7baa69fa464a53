"""Whether two scans show the same image, whatever scale its intensities have and however it is mirrored.

Rescaled, rounded or mirrored in storage, a scan has another checksum of its voxels, but is no other scan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCKS = 15
"""Along each axis; an odd number, so that blocks can be symmetric however many voxels there are."""

_LEAST_CORRELATION = 1 - 1e-6
"""Rounding to whole numbers leaves more; the noise of a second scan leaves less."""

_SLACK = (0.003, 0.02)
"""How far `_invariants` of two scans may differ at that correlation."""


def block_means(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Takes the means of a scan's blocks, and their own mean and scale from them.

    Args:
        voxels: Float32 [I, J, K], finite and not all the same, turned to the nearest RAS axes.

    Returns:
        Float32 array of up to 15 blocks along each axis, of mean 0 and norm 1.
    """
    means: NDArray = voxels
    # What lies furthest apart in memory is summed first, so that the first and longest sums run along memory.
    for axis in np.argsort(voxels.strides)[::-1]:
        edges = _edges(voxels.shape[axis])
        sums = np.add.reduceat(means, edges[:-1], axis=axis, dtype=np.float64)
        means = sums / np.diff(edges).reshape(np.roll([-1, 1, 1], axis))
    means = means - means.mean()
    norm = np.linalg.norm(means)
    return (means / norm if norm > 0 else means).astype(np.float32)


def same_images(means_of_blocks: Mapping[int, Sequence[NDArray[np.float32]]]) -> list[tuple[int, int]]:
    """Finds scans that show the same image, in whatever channels.

    Args:
        means_of_blocks: What `block_means` gives for each channel, by the number of the scan.

    Returns:
        Pairs of numbers, the lower one first.
    """
    images = [(number, means) for number in sorted(means_of_blocks) for means in means_of_blocks[number]]
    invariants = np.array([_invariants(means) for _, means in images]).reshape(-1, 2)
    pairs = set()
    for position, (first, means) in enumerate(images):
        is_near = (np.abs(invariants[position + 1 :] - invariants[position]) < _SLACK).all(axis=1)
        seconds = [images[position + 1 + offset] for offset in np.flatnonzero(is_near)]
        pairs |= {(first, second) for second, other in seconds if second > first and _is_same(means, other)}
    return sorted(pairs)


def _edges(size: int) -> NDArray[np.int64]:
    """Where blocks begin and end, symmetrically about the middle of an axis."""
    blocks = min(_BLOCKS, size - 1 + size % 2)
    lower = np.arange((blocks + 1) // 2) * size // blocks
    return np.concatenate([lower, size - lower[::-1]])


def _invariants(means: NDArray[np.float32]) -> tuple[float, float]:
    """What mirroring does not change, to tell most images apart at once: mean deviation and skewness."""
    values = means.astype(np.float64)
    return float(np.abs(values).sum() / values.size**0.5), float((values**3).sum() * values.size**0.5)


def _is_same(one: NDArray[np.float32], other: NDArray[np.float32]) -> bool:
    if one.shape != other.shape:
        return False
    one, other = one.astype(np.float64), other.astype(np.float64)
    mirrored = (other[::x, ::y, ::z] for x in (1, -1) for y in (1, -1) for z in (1, -1))
    return any(np.sum(one * each) > _LEAST_CORRELATION for each in mirrored)
