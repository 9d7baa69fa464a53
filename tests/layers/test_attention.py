import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import SelfAttention, spatial
from mrisynth.layers.base import tensorflow_variable


def make(channels=16, size=8, gamma=0.0, **kwargs):
    tf.keras.utils.set_random_seed(5)
    layer = SelfAttention(**kwargs)
    layer.build((None, size, size, channels))
    tensorflow_variable(layer.gamma).assign(gamma)
    return layer


def test_starts_as_the_identity():
    inputs = tf.random.normal([2, 8, 8, 16])
    np.testing.assert_array_equal(make()(inputs), inputs)


def test_against_its_definition():
    layer = make(gamma=0.7)
    inputs = np.random.default_rng(6).normal(size=(1, 8, 8, 16)).astype(np.float32)

    def project(layer, maps, inputs):
        kernel = np.asarray(layer.kernel)[0, 0]
        return maps @ (kernel / math.sqrt(inputs))

    def pool(maps):
        return maps.reshape(4, 2, 4, 2, -1).max(axis=(1, 3)).reshape(16, -1)

    pixels = inputs[0].reshape(64, 16)
    queries = project(layer.query, pixels, 16)
    keys = pool(project(layer.key, inputs[0], 16))
    values = pool(project(layer.value, inputs[0], 16))
    weights = np.exp(queries @ keys.T)
    weights /= weights.sum(axis=1, keepdims=True)
    expected = pixels + 0.7 * project(layer.output_projection, weights @ values, 8)
    np.testing.assert_allclose(layer(tf.constant(inputs))[0].numpy().reshape(64, 16), expected, atol=2e-5)


def test_widths():
    layer = make(channels=64)
    assert layer.query.units == layer.key.units == 8
    assert layer.value.units == 32
    assert tuple(layer.output_projection.kernel.shape) == (1, 1, 32, 64)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("gamma", [0.0, 0.5])
def test_gradient_penalty_has_a_derivative(policy, gamma):
    layer = make(gamma=gamma, dtype=policy)
    inputs = tf.random.normal([2, 8, 8, 16])

    @tf.function
    def derivatives():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                score = tf.reduce_sum(tf.sin(tf.cast(layer(inputs), tf.float32)))
            gradient = inner.gradient(score, inputs)
            penalty = tf.reduce_sum((tf.norm(tf.reshape(gradient, [2, -1]), axis=1) - 1) ** 2)
        variables = [tensorflow_variable(weight) for weight in (layer.gamma, layer.query.kernel)]
        return outer.gradient(penalty, variables)

    by_gamma, by_query = derivatives()
    assert np.isfinite(by_gamma)
    assert by_gamma != 0
    assert np.all(np.isfinite(by_query))
    assert np.any(by_query != 0) == (gamma != 0)


def test_max_pool_is_that_of_tensorflow():
    inputs = tf.random.normal([2, 6, 4, 3])
    np.testing.assert_array_equal(spatial.max_pool(inputs), tf.nn.max_pool2d(inputs, 2, 2, "VALID"))


def test_too_few_channels_are_refused():
    with pytest.raises(ValueError, match="at least 8 channels"):
        SelfAttention().build((None, 8, 8, 4))
