"""Self-attention over the pixels of a feature map ([SA], [NL])."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers import nd_ops
from mrisynth.layers.attention_core import attend
from mrisynth.layers.base import Layer
from mrisynth.layers.equalized import EqualizedConvolution


@keras.saving.register_keras_serializable(package="mrisynth")
class SelfAttention(Layer):
    """Lets every pixel look at the whole image: y = x + gamma * o(softmax(q k^T) h).

    Queries q and keys k have C/8 channels, values h C/2; keys and values are max-pooled by two, as in the
    authors' code and [NL]. The 1x1 convolutions have no bias and carry the equalized learning rate with gain
    1; the softmax, unscaled, is taken in float32. gamma starts at 0, so that a new layer is the identity and
    learns its weight.

    Args:
        **kwargs: For `keras.layers.Layer`, such as dtype="mixed_bfloat16".

    Call arguments:
        inputs: [N, *space, C], C at least 8 and every spatial size even.

    Returns:
        [N, *space, C] in the compute dtype.

    Reference: [SA] section 3; [NL] section 3.3.
    """

    def build(self, input_shape: Any) -> None:
        channels = int(input_shape[-1])
        if channels < 8:
            raise ValueError(f"self-attention needs at least 8 channels, the feature map has {channels}")

        def projection(filters: int, name: str) -> EqualizedConvolution:
            return EqualizedConvolution(
                filters, 1, gain=1.0, use_bias=False, activate=False, dtype=self.dtype_policy.name, name=name
            )

        self.query = projection(channels // 8, "query")
        self.key = projection(channels // 8, "key")
        self.value = projection(channels // 2, "value")
        self.output_projection = projection(channels, "output_projection")
        for layer in (self.query, self.key, self.value):
            layer.build(input_shape)
        self.output_projection.build((*input_shape[:-1], channels // 2))
        self.gamma = self.add_float32_weight("gamma", (), "zeros")
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        space = inputs.shape[1:-1]
        pixels = math.prod(space)
        narrow, wide = self.key.units, self.value.units
        # The 1x1 convolutions are products over all pixels: one for queries, keys and values, and one maximum
        # for the two that are pooled.
        flat = tf.reshape(inputs, [-1, inputs.shape[-1]])
        projected = tf.matmul(flat, self._kernel(self.query, self.key, self.value))
        queries, pooled = tf.split(projected, [narrow, narrow + wide], axis=-1)
        pooled = nd_ops.max_pool(tf.reshape(pooled, [-1, *space, narrow + wide]))
        pooled = tf.reshape(pooled, [-1, pixels // 2 ** len(space), narrow + wide])
        keys, values = tf.split(pooled, [narrow, wide], axis=-1)
        attended = attend(tf.reshape(queries, [-1, pixels, narrow]), keys, values)
        gamma = tf.convert_to_tensor(self.gamma)
        outputs = tf.matmul(
            tf.reshape(attended, [-1, wide]), self._kernel(self.output_projection, scale=gamma)
        )
        return inputs + tf.reshape(outputs, tf.shape(inputs))

    def _kernel(self, *projections: EqualizedConvolution, scale: float | tf.Tensor = 1.0) -> tf.Tensor:
        """Kernels of 1x1 convolutions of the same maps as one matrix: [C_in, sum of C_out]."""
        kernels = [projection.equalized_kernel() for projection in projections]
        matrix = tf.concat([tf.reshape(kernel, kernel.shape[-2:]) for kernel in kernels], axis=-1)
        return tf.cast(scale * matrix, self.compute_dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
