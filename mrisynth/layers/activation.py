"""The leaky rectifier of every hidden layer, with a derivative that needs only its output."""

from __future__ import annotations

import tensorflow as tf

SLOPE = 0.2


@tf.custom_gradient
def leaky_relu(inputs: tf.Tensor) -> tf.Tensor:
    """max(x, 0.2 x), differentiable any number of times.

    Output and input have the same sign, so the derivative is taken from the output. The input is then needed
    by nothing else, and TensorFlow's graph optimizer may compute it together with the convolution and the
    bias before it, in one pass over the activations.
    """
    outputs = tf.nn.leaky_relu(inputs, alpha=SLOPE)

    def gradient(upstream: tf.Tensor) -> tf.Tensor:
        return tf.raw_ops.LeakyReluGrad(gradients=upstream, features=outputs, alpha=SLOPE)

    return outputs, gradient
