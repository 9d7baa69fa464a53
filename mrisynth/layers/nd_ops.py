"""The spatial operations, in as many dimensions as the tensors have.

Tensors are channels-last, [N, *space, C]; the rank, the number of spatial axes, is 2 for slices and 3 for
volumes, and is read from the shapes.
"""

from __future__ import annotations

import itertools

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
    # TensorFlow's pooling of volumes has no float16 on a CPU.
    space = inputs.shape[1:-1]
    blocks = itertools.chain.from_iterable((size // 2, 2) for size in space)
    paired = tf.reshape(inputs, [tf.shape(inputs)[0], *blocks, inputs.shape[-1]])
    return tf.reduce_mean(paired, axis=range(2, 2 * len(space) + 1, 2))


def max_pool(inputs: tf.Tensor) -> tf.Tensor:
    """Halves every spatial axis by the maximum over blocks of two: [N, *space, C] -> [N, *space / 2, C].

    Taken as `tf.maximum` axis by axis, because the second derivative of `tf.nn.max_pool`, which the gradient
    penalty needs, does not compile in bfloat16 under XLA. Neighbors are taken apart by unstacking, whose
    derivative is a plain copy; that of strided slices is several times slower.
    """
    outputs = inputs
    for axis in range(1, inputs.shape.rank - 1):
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
