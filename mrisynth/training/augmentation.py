"""Differentiable augmentation for small data sets (Zhao et al. 2020, arXiv 2006.10738), cited as [DA].

Real and generated images go through the same kind of random change before the discriminator sees them, and
the generator's gradient goes back through it. So the discriminator cannot learn a small data set by heart,
and the generator, unlike with augmented real images alone, does not learn the changes.
"""

from __future__ import annotations

import tensorflow as tf

_LARGEST_SHIFT = 1 / 8
_CUTOUT = 1 / 2
_BACKGROUND = -1.0


def draws_per_image(rank: int) -> int:
    """How many uniform numbers `augment` needs for an image of this many spatial axes."""
    return 2 + 2 * rank


def augment(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Changes brightness and contrast, shifts, and cuts a hole, each image in its own way ([DA]).

    Brightness by up to 0.5 either way, contrast by a factor of 0.5 to 1.5, position by up to an eighth of the
    size, a hole of half the size. What is shifted in and cut out becomes background, -1.

    Args:
        images: [N, *space, C], in about [-1, 1].
        uniform: [N, draws_per_image(rank)], from U[0, 1).

    Returns:
        [N, *space, C], differentiable in the images.
    """
    shape = [-1, *[1] * (images.shape.rank - 1)]
    brightness, contrast = (tf.reshape(uniform[:, i], shape) for i in range(2))
    images = images + (brightness - 0.5)
    mean = tf.reduce_mean(images, axis=tuple(range(1, images.shape.rank)), keepdims=True)
    images = mean + (contrast + 0.5) * (images - mean)
    rank = images.shape.rank - 2
    hole = None
    for axis in range(1, rank + 1):
        images = _shift(images, uniform[:, 1 + axis], axis)
        inside = _in_hole(images.shape[axis], uniform[:, 1 + rank + axis])
        shape[axis] = images.shape[axis]
        inside = tf.reshape(inside, shape)
        shape[axis] = 1
        hole = inside if hole is None else hole & inside
    return tf.where(hole, _BACKGROUND, images)


def _shift(images: tf.Tensor, uniform: tf.Tensor, axis: int) -> tf.Tensor:
    """Moves every image along an axis by a whole number of pixels, as a product with a shift matrix.

    A product rather than a gather: it is fast on every device, and so is its derivative.
    """
    size = images.shape[axis]
    largest = max(1, round(size * _LARGEST_SHIFT))
    offsets = tf.cast(tf.floor(uniform * (2 * largest + 1)), tf.int32) - largest
    sources = tf.range(size) - offsets[:, None]
    # Rows of sources outside of the image are all zeros.
    matrix = tf.one_hot(sources, size, dtype=images.dtype)
    letters = "abcd"[: images.shape.rank - 2]
    source, target = "".join(letters), letters.replace(letters[axis - 1], "y")
    equation = f"ny{letters[axis - 1]},n{source}z->n{target}z"
    return tf.einsum(equation, matrix, images - _BACKGROUND) + _BACKGROUND


def _in_hole(size: int, uniform: tf.Tensor) -> tf.Tensor:
    """Which pixels along an axis are cut out, [N, size]; a hole may stick out of the image."""
    width = max(1, round(size * _CUTOUT))
    first = tf.cast(tf.floor(uniform * (size + 1)), tf.int32) - width // 2
    pixels = tf.range(size)[None]
    return (pixels >= first[:, None]) & (pixels < first[:, None] + width)
