"""Noise inputs ([SG1] section 3.2): what differs from pixel to pixel and means nothing, as a scanner's noise.

[SG1] draws noise anew for every image. Here it follows from the latent, so that a latent is one image whoever
draws it: a sum of fixed fields of signs, weighted by the first numbers of the latent. Within an image it is
white; that of two images correlates, by 1/4 in root mean square.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.layers.base import Layer
from mrisynth.layers.normalization import pixel_norm

FIELDS = 16
"""Most fields that noise is a sum of; as many as a latent has numbers if these are fewer."""


def noise_signs(space: tuple[int, ...], fields: int = FIELDS) -> NDArray[np.int8]:
    """Fields of signs that look random: of every pixel, the lowest bits of a hash of its number.

    The number counts pixels in row-major order; a prime times it, plus the resolution, goes through the last
    step of MurmurHash3 (Appleby), which leaves no two bits alike.

    Args:
        space: The spatial shape of the maps, [r, r] or [r, r, r].
        fields: How many.

    Returns:
        [fields, pixels], -1 and 1.
    """
    hashed = np.arange(math.prod(space), dtype=np.uint32) * np.uint32(0x9E3779B1) + np.uint32(space[0])
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        hashed = (hashed ^ hashed >> np.uint32(shift)) * np.uint32(factor)
    hashed ^= hashed >> np.uint32(16)
    bits = hashed >> np.arange(fields, dtype=np.uint32)[:, None] & np.uint32(1)
    return (2 * bits.astype(np.int8) - 1).astype(np.int8)


def noise_weights(latents: tf.Tensor) -> tf.Tensor:
    """The weights of the fields, [N, fields], their squares adding up to 1."""
    first = tf.cast(latents[:, :FIELDS], tf.float32)
    return pixel_norm(first) / math.sqrt(first.shape[1])


@keras.saving.register_keras_serializable(package="mrisynth")
class NoiseInput(Layer):
    """Adds one field of noise to all channels, of each as much as is learned, nothing at first.

    Args:
        **kwargs: For `keras.layers.Layer`.

    Call arguments:
        inputs: Maps, [N, *space, C].
        weights: Of the fields, [N, fields] (see `noise_weights`).

    Returns:
        [N, *space, C] in the compute dtype.

    Reference: [SG1] section 3.2.
    """

    def build(self, input_shape: Any) -> None:
        self.strength = self.add_float32_weight("strength", (int(input_shape[-1]),), "zeros")
        self.built = True

    def call(self, inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        space = tuple(inputs.shape[1:-1])
        signs = tf.constant(noise_signs(space, weights.shape[1]))
        noise = tf.reshape(weights @ tf.cast(signs, weights.dtype), [-1, *space, 1])
        strength = tf.cast(tf.convert_to_tensor(self.strength), inputs.dtype)
        return inputs + tf.cast(noise, inputs.dtype) * strength

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
