"""Convolutions that double or halve the resolution, folded into one operation where asked.

Nearest-neighbor doubling followed by a 3x3 convolution multiplies every pixel four times by sums of the
same weights; adding those weights up first gives one stride-2 transposed convolution with a 4x4 kernel (4
multiplications an output pixel instead of 9). A 3x3 convolution followed by 2x2 mean pooling is likewise one
stride-2 convolution with a 4x4 kernel (16 instead of 36). Both are exact, borders included.

Doubling by repetition and halving by means make bilinear ones where a binomial filter comes after the one and
before the other ([SG1] appendix C). A filter of maps is one of the kernel, so all it takes is a wider kernel;
outside of a map there are zeros, as ever.
"""

from __future__ import annotations

import itertools

import tensorflow as tf

from mrisynth.layers import nd_ops


def _add_shifts(kernel: tf.Tensor) -> tf.Tensor:
    """Adds a kernel's shifts by 0 and 1 along every spatial axis: k -> k + 1 wide."""
    total = None
    for offsets in itertools.product((0, 1), repeat=kernel.shape.rank - 2):
        padding = [*((offset, 1 - offset) for offset in offsets), (0, 0), (0, 0)]
        shifted = tf.pad(kernel, padding)
        total = shifted if total is None else total + shifted
    return total


def blur(kernel: tf.Tensor) -> tf.Tensor:
    """Filters a kernel by (1, 2, 1) / 4 along every spatial axis: k -> k + 2 wide.

    A convolution by the blurred kernel gives what the convolution by `kernel` gives, blurred.
    """
    return _add_shifts(_add_shifts(kernel)) / 4 ** (kernel.shape.rank - 2)


def fold_down(kernel: tf.Tensor) -> tf.Tensor:
    """The stride-2 kernel that equals convolution by `kernel` followed by the mean over blocks of two.

    From [k, ..., k, C_in, C_out] with odd k to [k + 1, ..., k + 1, C_in, C_out], float32.
    """
    return _add_shifts(kernel) / 2 ** (kernel.shape.rank - 2)


def fold_up(kernel: tf.Tensor) -> tf.Tensor:
    """The stride-2 transposed kernel that equals nearest-neighbor doubling followed by `kernel`.

    The kernel is turned round along every axis first, because a transposed convolution applies it mirrored.

    Args:
        kernel: [k, ..., k, C_in, C_out] with odd k, float32.

    Returns:
        [k + 1, ..., k + 1, C_out, C_in], as `nd_ops.convolve_transposed` takes it.
    """
    rank = kernel.shape.rank - 2
    space = tuple(range(rank))
    mirrored = kernel
    for axis in space:
        # One at a time: OpenVINO reads no reversal of several axes.
        mirrored = tf.reverse(mirrored, axis=[axis])
    return tf.transpose(_add_shifts(mirrored), (*space, rank + 1, rank))


def convolve_down(inputs: tf.Tensor, kernel: tf.Tensor, fused: bool) -> tf.Tensor:
    """Convolution followed by the mean over blocks of two along every axis.

    Args:
        inputs: [N, *space, C_in] in the compute dtype.
        kernel: [k, ..., k, C_in, C_out] with odd k, float32, equalized.
        fused: Whether to fold both into one strided convolution.

    Returns:
        [N, *space / 2, C_out].
    """
    if fused:
        return nd_ops.convolve(inputs, tf.cast(fold_down(kernel), inputs.dtype), stride=2)
    return nd_ops.average_pool(nd_ops.convolve(inputs, tf.cast(kernel, inputs.dtype)))


def convolve_up(inputs: tf.Tensor, kernel: tf.Tensor, fused: bool) -> tf.Tensor:
    """Nearest-neighbor doubling followed by a convolution.

    Args:
        inputs: [N, *space, C_in] in the compute dtype.
        kernel: [k, ..., k, C_in, C_out] with odd k, float32, equalized.
        fused: Whether to fold both into one transposed convolution.

    Returns:
        [N, *space * 2, C_out].
    """
    if fused:
        return nd_ops.convolve_transposed(inputs, tf.cast(fold_up(kernel), inputs.dtype), stride=2)
    return nd_ops.convolve(nd_ops.upsample(inputs), tf.cast(kernel, inputs.dtype))
