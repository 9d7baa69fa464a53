"""The spatial operations, in as many dimensions as the tensors have.

Tensors are channels-last, [N, *space, C]; the rank, the number of spatial axes, is 2 for slices and 3 for
volumes, and is read from the shapes.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_DATA_FORMATS = {2: "NHWC", 3: "NDHWC"}


def _data_format(inputs: tf.Tensor) -> str:
    """The name of the inputs' layout, without which convolutions have no eager second derivative."""
    return _DATA_FORMATS[inputs.shape.rank - 2]


def convolve(inputs: tf.Tensor, kernel: tf.Tensor, stride: int = 1) -> tf.Tensor:
    """Convolution with zero padding that keeps the size (SAME), or divides it by the stride.

    Args:
        inputs: [N, *space, C_in].
        kernel: [k, ..., k, C_in, C_out], as many k as there are spatial axes.
        stride: The same along every axis.

    Returns:
        [N, *space / stride, C_out].
    """
    return tf.nn.convolution(inputs, kernel, strides=stride, padding="SAME", data_format=_data_format(inputs))


def convolve_transposed(inputs: tf.Tensor, kernel: tf.Tensor, stride: int) -> tf.Tensor:
    """Transposed convolution (SAME): the adjoint of `convolve` at the same stride.

    Args:
        inputs: [N, *space, C_in].
        kernel: [k, ..., k, C_out, C_in], as many k as there are spatial axes.
        stride: The same along every axis.

    Returns:
        [N, *space * stride, C_out].
    """
    space = [size * stride for size in inputs.shape[1:-1]]
    shape = [tf.shape(inputs)[0], *space, kernel.shape[-2]]
    return tf.nn.conv_transpose(
        inputs, kernel, shape, strides=stride, padding="SAME", data_format=_data_format(inputs)
    )


def average_pool(inputs: tf.Tensor) -> tf.Tensor:
    """Halves every spatial axis by the mean over blocks of two: [N, *space, C] -> [N, *space / 2, C]."""
    if inputs.shape.rank == 4:
        return tf.nn.avg_pool(inputs, ksize=2, strides=2, padding="VALID")
    # TensorFlow's pooling of volumes knows no float16 on a CPU.
    return _halve(inputs, lambda first, second: (first + second) / 2)


def max_pool(inputs: tf.Tensor) -> tf.Tensor:
    """Halves every spatial axis by the maximum over blocks of two: [N, *space, C] -> [N, *space / 2, C].

    Taken as `tf.maximum` axis by axis, because the second derivative of `tf.nn.max_pool`, which the gradient
    penalty needs, does not compile in bfloat16 under XLA.
    """
    return _halve(inputs, tf.maximum)


def _halve(inputs: tf.Tensor, combine: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]) -> tf.Tensor:
    """Combines neighbors along one spatial axis after the other.

    They are taken apart by unstacking, whose derivative is a plain copy; that of strided slices is several
    times slower.
    """
    outputs = inputs
    for axis in range(1, inputs.shape.rank - 1):
        shape = [tf.shape(inputs)[0], *outputs.shape[1:axis], outputs.shape[axis] // 2, 2]
        pairs = tf.reshape(outputs, [*shape, *outputs.shape[axis + 1 :]])
        outputs = combine(*tf.unstack(pairs, axis=axis + 1))
    return outputs


def upsample(inputs: tf.Tensor) -> tf.Tensor:
    """Doubles every spatial axis by repeating pixels: [N, *space, C] -> [N, 2 * *space, C]."""
    batch, *depth, height, width, channels = (tf.shape(inputs)[0], *inputs.shape[1:])
    single = tf.reshape(inputs, [-1, height, 1, width, 1, channels])
    doubled = tf.broadcast_to(single, [tf.shape(single)[0], height, 2, width, 2, channels])
    if depth:
        # Third, since TensorFlow does not broadcast along three axes at once.
        single = tf.reshape(doubled, [batch, *depth, 1, 4 * height * width * channels])
        doubled = tf.broadcast_to(single, [batch, *depth, 2, 4 * height * width * channels])
    return tf.reshape(doubled, [batch, *(2 * size for size in (*depth, height, width)), channels])
