"""Changes of real images that a segmentation network is usually trained with, beside generated images."""

from __future__ import annotations

import math

import tensorflow as tf

DRAWS = 7
"""How many uniform numbers `augment` needs for an image."""

_TURN = math.radians(15)
_SCALE = 0.15
_SHIFT = 0.1
_CONTRAST = 0.25
_BRIGHTNESS = 0.2
_BACKGROUND = -1.0


def augment(images: tf.Tensor, masks: tf.Tensor, uniform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors, turns, scales and shifts images with their masks, and changes brightness and contrast.

    Each image is changed in its own way: mirrored left to right or not, turned by up to 15 degrees, scaled by
    up to 15 % and shifted by up to a tenth of its size, its contrast by up to 25 %, its brightness by up to a
    tenth of the range. What comes in from outside is background.

    Args:
        images: Float32 [N, H, W, C] in [-1, 1].
        masks: Float32 [N, H, W, M], 0 and 1; M may be 0.
        uniform: [N, DRAWS], from U[0, 1).

    Returns:
        Images and masks, of the same shapes.
    """
    signed = 2 * uniform - 1
    matrices = _transforms(signed, images.shape[1])
    moved = _move(images, matrices, _BACKGROUND)
    contrast, brightness = (signed[:, column, None, None, None] for column in (5, 6))
    moved = (moved + 1) * (1 + _CONTRAST * contrast) - 1 + _BRIGHTNESS * brightness
    moved = tf.clip_by_value(moved, -1, 1)
    return moved, tf.cast(_move(masks, matrices, 0.0) > 0.5, tf.float32) if masks.shape[-1] else masks


def _transforms(signed: tf.Tensor, size: int) -> tf.Tensor:
    """Where each pixel is taken from, [N, 8], about the middle of the image."""
    angle, scale = _TURN * signed[:, 1], 1 + _SCALE * signed[:, 2]
    mirror = tf.where(signed[:, 0] < 0, -1.0, 1.0)
    cosine, sine = tf.cos(angle) / scale, tf.sin(angle) / scale
    middle = (size - 1) / 2
    right, down = (middle + size * _SHIFT * signed[:, column] for column in (3, 4))
    rows = [
        *(mirror * cosine, -mirror * sine, middle - mirror * (cosine * right - sine * down)),
        *(sine, cosine, middle - (sine * right + cosine * down)),
    ]
    zeros = tf.zeros_like(angle)
    return tf.stack([*rows, zeros, zeros], axis=1)


def _move(images: tf.Tensor, matrices: tf.Tensor, background: float) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=matrices,
        output_shape=tf.shape(images)[1:3],
        fill_value=background,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
