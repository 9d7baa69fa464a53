"""Whether the parts of an image go together: what [ABS] claims of attention, as a number.

A generator that draws each region well, but not the same head in all of them, passes measures of small
patches. Here one half of an image is held against the other: of real images, left and right are much alike,
and what is in front says what is behind.
"""

from __future__ import annotations

import concurrent.futures

import numpy as np
from numpy.typing import NDArray

from mrisynth.cores import available_cores
from mrisynth.errors import UserError
from mrisynth.metrics.feature_sets import row_blocks
from mrisynth.metrics.registry import Comparison, Direction, Group, metric, random_stream
from mrisynth.metrics.swd import draw_directions, sliced_distances

LAYOUT = 16
"""Pixels along an edge that images are averaged down to."""

_HALF = 4
"""Averages along both edges of a half."""
_RIDGE = 0.1
"""Part of the largest variance that is added to all of them, so that noise is not blown up."""
_SMALLEST_DEVIATION = 1e-4
"""In gray values; an image of less than this shows nothing."""

_PARTS = {"halves": "halves of an image together", "layout": f"whole images at {LAYOUT}x{LAYOUT}"}


@metric(
    key="global_consistency",
    title="Global consistency",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation=(
        "How much generated images differ from real ones as wholes: in how their halves, left and right, top "
        "and bottom, go together."
    ),
    part_title=lambda part: _PARTS.get(part, part),
)
def _measure(comparison: Comparison) -> dict[str, float]:
    real, measured = (each.images[..., 0] for each in (comparison.reference, comparison.images))
    distances = global_consistency(real, measured, comparison.seed)
    return {f"global_consistency/{part}": distance for part, distance in distances.items()}


def global_consistency(
    real: NDArray[np.uint8], generated: NDArray[np.uint8], seed: int = 0
) -> dict[str, float]:
    """Sliced Wasserstein distances of what describes images as wholes.

    Images are averaged down to 16x16, and each is shifted and scaled to mean 0 and standard deviation 1: else
    the brightness of the patients would outweigh everything. "layout" compares these 256 pixels. "halves"
    compares products of the 4x4 averages of the left half and of the right, and of the upper and the lower.
    Of all products it takes those of what belongs together: combinations of the averages of one half and of
    the other that rise and fall with each other over the real images (canonical correlations, with a ridge).

    Args:
        real: [N, H, H], H a multiple of 16; as many as of the generated ones, of subjects that these do not
            know. They decide which averages belong together.
        generated: [N, H, H].
        seed: Decides the random directions.

    Returns:
        {"halves": ..., "layout": ...}, in standard deviations of the real images.

    Raises:
        UserError: If the arrays are no such images.
        ValueError: If the real images show nothing.
    """
    layouts = [layout(images) for images in (real, generated)]
    if real.shape != generated.shape:
        raise UserError(
            f"real images have shape {list(real.shape)} and generated ones {list(generated.shape)}; compare "
            "as many of the same size"
        )
    products: tuple[list, list] = ([], [])
    for halves in (_left_and_right, _top_and_bottom):
        sides = [halves(images) for images in layouts]
        pairing = _belonging_together(*sides[0])
        both = [_products(*side, *pairing) for side in sides]
        deviation = np.std(both[0])
        for found, values in zip(products, both, strict=True):
            found.append(values / deviation)
    described = {
        "halves": [np.concatenate(found, axis=1) for found in products],
        "layout": [images.reshape(len(images), -1) for images in layouts],
    }
    with concurrent.futures.ThreadPoolExecutor(min(available_cores(), 8)) as pool:
        return {
            part: _distance(*clouds, random_stream(seed, part), pool) for part, clouds in described.items()
        }


def layout(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Images [N, H, H] averaged down to 16x16, each with mean 0 and deviation 1, or 0 if it is constant.

    Raises:
        UserError: If H is no multiple of 16.
    """
    shape = images.shape
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < LAYOUT or shape[1] % LAYOUT:
        raise UserError(
            f"images have shape {list(shape)}; global consistency is of [N, H, H], H a multiple of {LAYOUT}"
        )
    cell = shape[1] // LAYOUT
    averages = np.empty((len(images), LAYOUT, LAYOUT))
    for rows in row_blocks(len(images), shape[1] ** 2):
        block = images[rows].reshape(-1, LAYOUT, cell, LAYOUT, cell)
        averages[rows] = np.einsum("nicjd->nij", block, dtype=np.float32, casting="unsafe") / cell**2
    averages -= averages.mean(axis=(1, 2), keepdims=True)
    deviations = averages.std(axis=(1, 2), keepdims=True)
    return np.divide(
        averages, deviations, out=np.zeros_like(averages), where=deviations > _SMALLEST_DEVIATION
    )


def _left_and_right(layouts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 4x4 averages of both halves, [N, 16] each."""
    count, cell = len(layouts), LAYOUT // _HALF
    averages = layouts.reshape(count, _HALF, cell, 2 * _HALF, cell // 2).mean(axis=(2, 4))
    left, right = averages[:, :, :_HALF], averages[:, :, _HALF:]
    return left.reshape(count, -1), right.reshape(count, -1)


def _top_and_bottom(layouts: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return _left_and_right(layouts.transpose(0, 2, 1))


Pairing = tuple[tuple[NDArray[np.float64], NDArray[np.float64]], tuple[NDArray[np.float64], ...]]


def _belonging_together(first: NDArray[np.float64], second: NDArray[np.float64]) -> Pairing:
    """Regularized canonical correlation analysis: the means of both sides [16], and their axes [16, 16].

    Number k of the first side's axes belongs to number k of the second's.
    """
    means = (first.mean(axis=0), second.mean(axis=0))
    centered = (first - means[0], second - means[1])
    whitening = [_whitening(side) for side in centered]
    white = [side @ axes for side, axes in zip(centered, whitening, strict=True)]
    left, _, right = np.linalg.svd(white[0].T @ white[1] / len(first))
    return means, (whitening[0] @ left, whitening[1] @ right.T)


def _whitening(centered: NDArray[np.float64]) -> NDArray[np.float64]:
    variances, axes = np.linalg.eigh(centered.T @ centered / len(centered))
    if not variances[-1] > 0:
        raise ValueError("the halves of real images are constant")
    return axes / np.sqrt(np.maximum(variances, 0) + _RIDGE * variances[-1])


def _products(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    means: tuple[NDArray[np.float64], ...],
    axes: tuple[NDArray[np.float64], ...],
) -> NDArray[np.float64]:
    return ((first - means[0]) @ axes[0]) * ((second - means[1]) @ axes[1])


def _distance(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    random: np.random.RandomState,
    pool: concurrent.futures.ThreadPoolExecutor,
) -> float:
    clouds = (np.ascontiguousarray(cloud.T, np.float32) for cloud in (first, second))
    directions = draw_directions(random, first.shape[1])
    return float(np.mean(sliced_distances(*clouds, directions, pool)))
