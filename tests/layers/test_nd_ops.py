import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import nd_ops

pytestmark = pytest.mark.both_stacks

SPACES = pytest.mark.parametrize("space", [(6, 4), (6, 4, 2)], ids=["rank 2", "rank 3"])


def draw(*shape):
    return tf.random.stateless_normal(shape, seed=[len(shape), 1])


def test_upsampling_repeats_and_pooling_averages():
    image = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0]), [1, 2, 2, 1])
    doubled = nd_ops.upsample(image)
    expected = [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]
    np.testing.assert_array_equal(doubled[0, :, :, 0], expected)
    np.testing.assert_array_equal(nd_ops.average_pool(doubled), image)
    np.testing.assert_array_equal(tf.squeeze(nd_ops.average_pool(image)), 2.5)


@SPACES
def test_pooling_takes_blocks_of_two(space):
    inputs = draw(2, *space, 3)
    halves = [size for axis in space for size in (axis // 2, 2)]
    blocks = inputs.numpy().reshape(2, *halves, 3)
    within = tuple(range(2, 2 * len(space) + 1, 2))
    np.testing.assert_array_equal(nd_ops.max_pool(inputs), blocks.max(axis=within))
    np.testing.assert_allclose(nd_ops.average_pool(inputs), blocks.mean(axis=within), atol=1e-6)
    np.testing.assert_array_equal(nd_ops.max_pool(nd_ops.upsample(inputs)), inputs)


@SPACES
@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolution_is_the_adjoint(space, stride):
    kernel = draw(*[4] * len(space), 3, 5)
    wide, narrow = draw(2, *space, 3), draw(2, *(size // stride for size in space), 5)
    there = tf.reduce_sum(nd_ops.convolve(wide, kernel, stride) * narrow)
    back = tf.reduce_sum(wide * nd_ops.convolve_transposed(narrow, kernel, stride))
    np.testing.assert_allclose(there, back, rtol=1e-4)


@SPACES
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_every_operation_has_an_eager_second_derivative(space, dtype):
    # Small, for the sake of float16.
    inputs = tf.cast(0.1 * draw(2, *space, 3), dtype)
    kernel = tf.cast(0.1 * draw(*[3] * len(space), 3, 3), dtype)
    for operation in (
        lambda x: nd_ops.convolve(x, kernel),
        lambda x: nd_ops.convolve_transposed(x, kernel, 2),
        nd_ops.average_pool,
        nd_ops.max_pool,
        nd_ops.upsample,
    ):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                value = tf.reduce_sum(operation(inputs) ** 2)
            norm = tf.reduce_sum(inner.gradient(value, inputs) ** 2)
        second = tf.cast(outer.gradient(norm, inputs), tf.float32)
        assert np.all(np.isfinite(second))
        assert np.any(second != 0)
