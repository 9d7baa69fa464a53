"""Pixel norm and the minibatch standard deviation, the two statistics of a progressive GAN."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers.base import Layer

EPSILON = 1e-8
MINIBATCH_GROUP = 4
"""Samples whose standard deviation is taken together."""


@tf.custom_gradient
def pixel_norm(inputs: tf.Tensor) -> tf.Tensor:
    """Divides every pixel's feature vector by its root mean square ([PG] section 4.2).

    x / sqrt(mean over channels of x^2 + 1e-8), the statistics in float32. With y the output, r the reciprocal
    root and u the upstream gradient, the derivative is r (u - y mean(u y)): one pass instead of the chain of
    casts, squares and powers that differentiation would record.

    Args:
        inputs: [..., C].

    Returns:
        [..., C] in the dtype of the inputs.
    """
    mean_square = tf.reduce_mean(tf.square(tf.cast(inputs, tf.float32)), axis=-1, keepdims=True)
    reciprocal = tf.cast(tf.math.rsqrt(mean_square + EPSILON), inputs.dtype)
    outputs = inputs * reciprocal

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        projection = tf.reduce_mean(tf.cast(upstream * outputs, tf.float32), axis=-1, keepdims=True)
        return reciprocal * (upstream - outputs * tf.cast(projection, inputs.dtype))

    return outputs, gradient


@keras.saving.register_keras_serializable(package="mrisynth")
class PixelNorm(Layer):
    """`pixel_norm` as a layer.

    Call arguments:
        inputs: [..., C].

    Returns:
        [..., C] in the compute dtype.
    """

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        return pixel_norm(tf.cast(inputs, self.compute_dtype))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


@keras.saving.register_keras_serializable(package="mrisynth")
class MinibatchStandardDeviation(Layer):
    """Appends to every sample how much its group varies, so that a lack of diversity shows ([PG] section 3).

    The batch is divided into strided groups: sample i is in group i mod N/G. The standard deviation over the
    group's G samples is taken for every feature (biased, sqrt(variance + 1e-8), in float32) and averaged over
    all features: one number a group, appended as one constant channel.

    Args:
        group_size: G; the batch size where that is smaller.
        **kwargs: For `keras.layers.Layer`.

    Call arguments:
        inputs: [N, *space, C]; N at most the group size or a multiple of it.

    Returns:
        [N, *space, C + 1] in the compute dtype.
    """

    def __init__(self, group_size: int = MINIBATCH_GROUP, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.group_size = group_size

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        shape = tf.shape(inputs)
        group = tf.minimum(self.group_size, shape[0])
        features = tf.reshape(tf.cast(inputs, tf.float32), tf.concat([[group, -1], shape[1:]], axis=0))
        deviation = tf.sqrt(tf.math.reduce_variance(features, axis=0) + EPSILON)
        statistic = tf.reduce_mean(deviation, axis=tuple(range(1, inputs.shape.rank)), keepdims=True)
        repeated = tf.tile(statistic, tf.concat([[group], tf.ones_like(shape[1:])], axis=0))
        channel = tf.broadcast_to(repeated, tf.concat([shape[:-1], [1]], axis=0))
        return tf.concat([inputs, tf.cast(channel, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "group_size": self.group_size}
