"""Multi-scale structural similarity of pairs of images (Wang, Simoncelli and Bovik 2003).

Over random pairs of one set it tells how diverse the set is ([ABS], [PG]): a generator that draws the same
few images again and again has pairs more similar than those of real images.
"""

from __future__ import annotations

import functools

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.errors import UserError
from mrisynth.metrics.registry import Comparison, Direction, Group, metric, random_stream

SMALLEST_RESOLUTION = 16
WINDOW_SIZE = 11
WINDOW_SIGMA = 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Weights of the scales, the finest first."""
DATA_RANGE = 255

_C1 = (0.01 * DATA_RANGE) ** 2
_C2 = (0.03 * DATA_RANGE) ** 2
_STRIP = 32
"""Filtered pixels that one matrix product yields along an axis: small enough to waste little on zeros."""
_CHUNK_PIXELS = 2**20
_PAIRS_AT_A_TIME = 500


def _note(resolution: int) -> str:
    scales, all_scales = scales_at(resolution), len(WEIGHTS)
    if scales == all_scales:
        return ""
    return f"{scales} of {all_scales} scales: images of {resolution}x{resolution} have no more"


@metric(
    key="ms_ssim",
    title="Multiscale structural similarity (MS-SSIM)",
    group=Group.DIVERSITY,
    direction=Direction.LIKE_REAL,
    explanation=(
        "How much two randomly chosen images resemble each other; generated images that resemble each other "
        "more than real ones do are not diverse enough."
    ),
    source="Wang, Simoncelli and Bovik, Multiscale structural similarity, Asilomar 2003.",
    detail="random pairs",
    note=_note,
)
def _measure(comparison: Comparison) -> dict[str, float]:
    images = comparison.all_images.images[..., 0]
    first, second = random_pairs(len(images), comparison.pairs, comparison.seed)
    values = []
    # Some at a time: pairs are copies of images.
    for start in range(0, comparison.pairs, _PAIRS_AT_A_TIME):
        some = slice(start, start + _PAIRS_AT_A_TIME)
        sides = (images[chosen[some]] for chosen in (first, second))
        values.append(ms_ssim_values(*sides))
    return {"ms_ssim": float(np.mean(np.concatenate(values)))}


def scales_at(resolution: int) -> int:
    """How many scales images of a resolution have room for: those with at least 11 pixels, at most five.

    Five from 176 pixels on, at 128 four, at 64 three, at 32 two, at 16 one.
    """
    halvings = range(1, len(WEIGHTS))
    return 1 + sum(resolution >> halving >= WINDOW_SIZE for halving in halvings)


def random_pairs(count: int, pairs: int, seed: int = 0) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Draws pairs of different images, every such pair being as likely.

    Args:
        count: How many images there are.
        pairs: How many pairs to draw; one may be drawn twice.
        seed: The same seed gives the same pairs.

    Returns:
        The numbers of the first and of the second images, [pairs] each.

    Raises:
        UserError: If there are fewer than two images.
    """
    if count < 2:
        raise UserError(f"pairs are drawn from at least 2 images, not {count}")
    random = random_stream(seed, "pairs")
    first = random.randint(count, size=pairs)
    return first, (first + random.randint(1, count, size=pairs)) % count


def ms_ssim(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Mean MS-SSIM of pairs of images; takes and raises what `ms_ssim_values` does."""
    return float(np.mean(ms_ssim_values(a, b)))


def ms_ssim_values(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.float64]:
    """MS-SSIM of N pairs of images, as Wang et al. 2003 define it and [PG] and [ABS] use it.

    11x11 Gaussian windows of sigma 1.5 that lie wholly inside, K1 0.01, K2 0.03, 2x2 means between scales.
    The finer scales' contrast terms and the coarsest's SSIM are averaged over the image, clipped at 0, raised
    to the powers of the scales' weights and multiplied. Where there is no room for five scales, those
    there are (`scales_at`) have their weights renormalized: numbers of different resolutions do not compare.

    Args:
        a: [N, H, W], H and W powers of two from 16 on.
        b: [N, H, W]; its image i is compared with image i of `a`.

    Returns:
        [N], from 0 to 1, which is reached by equal images only.

    Raises:
        UserError: If the arrays are no such images or there are none.
    """
    a, b = np.asarray(a), np.asarray(b)
    _check(a, b)
    scales = scales_at(min(a.shape[1:]))
    weights = np.array(WEIGHTS[:scales]) / sum(WEIGHTS[:scales])
    pair = tf.TensorSpec([None, *a.shape[1:]], tf.uint8)
    compare = _compare_scales.get_concrete_function(pair, pair, scales)
    step = max(1, _CHUNK_PIXELS // (a.shape[1] * a.shape[2]))
    values = []
    with screen.Bar("MS-SSIM", len(a), unit="pairs") as bar:
        for start in range(0, len(a), step):
            chunk = slice(start, start + step)
            means = np.asarray(compare(tf.constant(a[chunk]), tf.constant(b[chunk])), np.float64)
            values.append(np.prod(np.maximum(means, 0) ** weights, axis=1))
            bar.update(len(means))
    return np.concatenate(values)


def _check(a: NDArray[np.generic], b: NDArray[np.generic]) -> None:
    for images in (a, b):
        if images.dtype != np.uint8:
            raise UserError(f"images are {images.dtype}; MS-SSIM takes gray values as uint8")
    if a.shape != b.shape:
        raise UserError(
            f"images have shapes {list(a.shape)} and {list(b.shape)}; MS-SSIM takes as many of one size"
        )
    sides = a.shape[1:]
    if a.ndim != 3 or any(side < SMALLEST_RESOLUTION or side & (side - 1) for side in sides):
        raise UserError(
            f"images have shape {list(a.shape)}; MS-SSIM takes [N, H, W] with H and W powers of two from "
            f"{SMALLEST_RESOLUTION} on"
        )
    if not len(a):
        raise UserError("MS-SSIM takes at least 1 pair of images, not 0")


@tf.function(autograph=False)
def _compare_scales(a: tf.Tensor, b: tf.Tensor, scales: int) -> tf.Tensor:
    """Means over the images of the finer scales' contrast terms and of the coarsest's SSIM, [N, scales].

    Everything is computed from sums and differences of the two images, of which equal images have exactly
    none, and around mid-gray, where the variances lose least to rounding.
    """
    means = []
    with tf.device("CPU"):  # GPUs may round products to 10 bits.
        a, b = tf.cast(a, tf.float32), tf.cast(b, tf.float32)
        total, difference = a + b - DATA_RANGE, a - b
        for _ in range(scales - 1):
            means.append(tf.reduce_mean(_similarities(total, difference)[1], axis=(1, 2)))
            total, difference = _halve(total), _halve(difference)
        luminance, contrast = _similarities(total, difference)
        means.append(tf.reduce_mean(luminance * contrast, axis=(1, 2)))
        return tf.stack(means, axis=1)


def _similarities(total: tf.Tensor, difference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The luminance and the contrast (with structure) term of every window, by a + b - 255 and a - b.

    With s = a + b and d = a - b, 4 a b = s^2 - d^2 and 2 (a^2 + b^2) = s^2 + d^2; of variances likewise.
    """
    total_mean, difference_mean = _filter(total), _filter(difference)
    total_variance = _filter(total**2) - total_mean**2
    difference_variance = _filter(difference**2) - difference_mean**2
    total_square, difference_square = (total_mean + DATA_RANGE) ** 2, difference_mean**2
    luminance = _ratio(total_square, difference_square, _C1)
    return luminance, _ratio(total_variance, difference_variance, _C2)


def _ratio(total: tf.Tensor, difference: tf.Tensor, constant: float) -> tf.Tensor:
    return (total - difference + 2 * constant) / (total + difference + 2 * constant)


def _halve(images: tf.Tensor) -> tf.Tensor:
    """2x2 means."""
    rows = images[:, ::2] + images[:, 1::2]
    return (rows[:, :, ::2] + rows[:, :, 1::2]) / 4


@functools.cache
def window_matrix() -> NDArray[np.float32]:
    """Filters a strip of pixels with the Gaussian window, [strip + 10, strip]."""
    offsets = np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2
    window = np.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    window /= window.sum()
    matrix = np.zeros((_STRIP + WINDOW_SIZE - 1, _STRIP), np.float32)
    for column in range(_STRIP):
        matrix[column : column + WINDOW_SIZE, column] = window
    return matrix


def _filter(images: tf.Tensor) -> tf.Tensor:
    """Filters images [N, H, W] with the windows inside them, [N, H - 10, W - 10].

    As products of strips with a banded matrix, which are three times as fast as convolutions.
    """
    matrix, overlap = window_matrix(), WINDOW_SIZE - 1
    strips = []
    for start in range(0, images.shape[1] - overlap, _STRIP):
        strip = images[:, start : start + _STRIP + overlap]
        size = strip.shape[1]
        strips.append(tf.matmul(matrix[:size, : size - overlap], strip, transpose_a=True))
    images = tf.concat(strips, axis=1)
    strips = []
    for start in range(0, images.shape[2] - overlap, _STRIP):
        strip = images[:, :, start : start + _STRIP + overlap]
        size = strip.shape[2]
        strips.append(tf.matmul(strip, matrix[:size, : size - overlap]))
    return tf.concat(strips, axis=2)
