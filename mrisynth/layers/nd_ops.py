"""The spatial operations, in as many dimensions as `RANK` says.

Every layer takes its number of spatial dimensions from here (2 now, 3 for volumes), none from its name.
Tensors are channels-last: [batch, *space, channels].
"""

from __future__ import annotations

import itertools

import tensorflow as tf

RANK = 2
AXES = tuple(range(1, RANK + 1))


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """Convolution with zero padding that keeps the size (SAME), or divides it by the stride.

    Args:
        inputs: [N, *space, C_in].
        kernel: [*(k,) * RANK, C_in, C_out].
        stride: The same along every axis.

    Returns:
        [N, *space / stride, C_out].
    """
    return tf.nn.convolution(inputs, kernel, strides=stride, padding="SAME")


def convolve_transposed(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Transposed convolution (SAME): the adjoint of `convolve` at the same stride.

    Args:
        inputs: [N, *space, C_in].
        kernel: [*(k,) * RANK, C_out, C_in].
        stride: The same along every axis.

    Returns:
        [N, *space * stride, C_out].
    """
    space = [size * stride for size in inputs.shape[1:-1]]
    shape = [tf.shape(inputs)[0], *space, kernel.shape[-2]]
    return tf.nn.conv_transpose(inputs, kernel, shape, strides=stride, padding="SAME")


def average_pool(inputs: tf.Tensor) -> tf.Tensor:
    """Halves every spatial axis by the mean over blocks of two: [N, *space, C] -> [N, *space / 2, C]."""
    return tf.nn.avg_pool(inputs, ksize=2, strides=2, padding="VALID")


def max_pool(inputs: tf.Tensor) -> tf.Tensor:
    """Halves every spatial axis by the maximum over blocks of two: [N, *space, C] -> [N, *space / 2, C].

    Taken as `tf.maximum` axis by axis, because the second derivative of `tf.nn.max_pool`, which the gradient
    penalty needs, does not compile in bfloat16 under XLA. Neighbors are taken apart by unstacking, whose
    derivative is a plain copy; that of strided slices is several times slower.
    """
    outputs = inputs
    for axis in AXES:
        shape = [tf.shape(inputs)[0], *outputs.shape[1:axis], outputs.shape[axis] // 2, 2]
        pairs = tf.reshape(outputs, [*shape, *outputs.shape[axis + 1 :]])
        outputs = tf.maximum(*tf.unstack(pairs, axis=axis + 1))
    return outputs


def upsample(inputs: tf.Tensor) -> tf.Tensor:
    """Doubles every spatial axis by repeating pixels: [N, *space, C] -> [N, 2 * *space, C]."""
    space = inputs.shape[1:-1]
    channels = inputs.shape[-1]
    batch = tf.shape(inputs)[0]
    single = [batch, *itertools.chain.from_iterable((size, 1) for size in space), channels]
    repeated = [batch, *itertools.chain.from_iterable((size, 2) for size in space), channels]
    doubled = tf.broadcast_to(tf.reshape(inputs, single), repeated)
    return tf.reshape(doubled, [batch, *(2 * size for size in space), channels])
