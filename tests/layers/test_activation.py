import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers.activation import leaky_relu

pytestmark = pytest.mark.both_stacks


def test_values():
    np.testing.assert_allclose(leaky_relu(tf.constant([-5.0, 0.0, 2.0])), [-1.0, 0.0, 2.0], rtol=1e-6)


def test_derivatives_are_those_of_the_plain_rectifier():
    inputs = tf.random.stateless_normal([64], seed=[1, 1])

    def derivatives(function):
        with tf.GradientTape() as outer:
            outer.watch(inputs)
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                value = tf.reduce_sum(tf.exp(function(inputs)))
            gradient = inner.gradient(value, inputs)
            norm = tf.reduce_sum(gradient**2)
        return gradient, outer.gradient(norm, inputs)

    plain = derivatives(lambda x: tf.where(x > 0, x, 0.2 * x))
    for actual, expected in zip(derivatives(leaky_relu), plain, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-5)
