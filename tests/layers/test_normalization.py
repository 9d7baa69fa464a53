import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import MinibatchStandardDeviation
from mrisynth.layers.normalization import pixel_norm

pytestmark = pytest.mark.both_stacks


def test_pixel_norm_by_hand():
    # Root mean square of (3, 4) is sqrt(12.5).
    np.testing.assert_allclose(pixel_norm(tf.constant([[3.0, 4.0]])), [[0.8485281, 1.1313709]], rtol=1e-6)
    np.testing.assert_array_equal(pixel_norm(tf.zeros([1, 8])), np.zeros((1, 8)))


def plain_pixel_norm(inputs):
    return inputs / tf.sqrt(tf.reduce_mean(inputs**2, axis=-1, keepdims=True) + 1e-8)


def test_pixel_norm_first_and_second_derivative():
    inputs = tf.random.stateless_normal([5, 7, 6], seed=[1, 2])
    weights = tf.random.stateless_normal([5, 7, 6], seed=[3, 4])

    def derivatives(function):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                value = tf.reduce_sum(weights * function(inputs) ** 3)
            gradient = inner.gradient(value, inputs)
            norm = tf.reduce_sum(gradient**2)
        return gradient, outer.gradient(norm, inputs)

    for actual, expected in zip(derivatives(pixel_norm), derivatives(plain_pixel_norm), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=1e-3)


def test_pixel_norm_statistics_are_float32():
    # 300^2 * 64 summed in bfloat16 would be off by percents.
    inputs = tf.fill([1, 512], tf.constant(300.0, tf.bfloat16))
    outputs = pixel_norm(inputs)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), np.ones((1, 512)), rtol=0.005)


def reference_statistic(features, group_size):
    """The definition with loops: sample i is in group i mod N/G."""
    count = len(features)
    groups = count // min(group_size, count)
    statistic = np.zeros(count)
    for group in range(groups):
        members = [i for i in range(count) if i % groups == group]
        deviation = np.sqrt(np.var(features[members], axis=0) + 1e-8)
        statistic[members] = deviation.mean()
    return statistic


@pytest.mark.parametrize(("count", "group_size"), [(8, 4), (12, 4), (4, 4), (3, 4), (1, 4), (6, 2)])
def test_minibatch_standard_deviation_against_its_definition(count, group_size):
    features = np.random.default_rng(count).normal(size=(count, 4, 4, 5)).astype(np.float32)
    outputs = MinibatchStandardDeviation(group_size)(tf.constant(features)).numpy()
    np.testing.assert_array_equal(outputs[..., :5], features)
    expected = reference_statistic(features, group_size)
    np.testing.assert_allclose(
        outputs[..., 5], np.broadcast_to(expected[:, None, None], (count, 4, 4)), rtol=1e-4
    )


def test_minibatch_standard_deviation_by_hand():
    # Groups {0, 2} and {1, 3}: deviations 1 and 3.
    features = tf.reshape(tf.constant([0.0, 1.0, 2.0, 7.0]), [4, 1, 1, 1])
    outputs = MinibatchStandardDeviation(2)(features)
    np.testing.assert_allclose(outputs[:, 0, 0, 1], [1, 3, 1, 3], rtol=1e-5)
