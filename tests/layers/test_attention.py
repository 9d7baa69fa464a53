import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import SelfAttention
from mrisynth.layers.base import tensorflow_variable

pytestmark = pytest.mark.both_stacks


def make(channels=16, space=(8, 8), gamma=0.0, **kwargs):
    tf.keras.utils.set_random_seed(5)
    layer = SelfAttention(**kwargs)
    layer.build((None, *space, channels))
    tensorflow_variable(layer.gamma).assign(gamma)
    return layer


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_compiles_under_xla(policy):
    layer = make(gamma=0.5, dtype=policy)
    inputs = tf.random.stateless_normal([2, 8, 8, 16], seed=[1, 2])

    def penalty_gradient():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                score = tf.reduce_sum(tf.sin(tf.cast(layer(inputs), tf.float32)))
            penalty = tf.reduce_sum(inner.gradient(score, inputs) ** 2)
        return tf.concat(
            [tf.reshape(g, [-1]) for g in outer.gradient(penalty, layer.trainable_weights)], axis=0
        )

    expected = penalty_gradient()
    actual = tf.function(penalty_gradient, jit_compile=True)()
    assert tf.norm(actual - expected) < (1e-5 if policy == "float32" else 0.03) * tf.norm(expected)


def test_any_batch_size():
    layer = make(gamma=0.7)
    inputs = tf.random.normal([3, 8, 8, 16])
    traced = tf.function(layer, input_signature=[tf.TensorSpec([None, 8, 8, 16])])
    for count in (1, 3):
        np.testing.assert_allclose(traced(inputs[:count]), layer(inputs)[:count], atol=1e-5)


def test_starts_as_the_identity():
    inputs = tf.random.normal([2, 8, 8, 16])
    np.testing.assert_array_equal(make()(inputs), inputs)


@pytest.mark.parametrize("space", [(8, 8), (4, 6, 2)], ids=["rank 2", "rank 3"])
def test_against_its_definition(space):
    layer = make(space=space, gamma=0.7)
    inputs = np.random.default_rng(6).normal(size=(3, *space, 16))

    def project(layer, maps):
        kernel = np.asarray(layer.kernel, np.float64).reshape(maps.shape[-1], -1)
        return np.einsum("n...c,cd->n...d", maps, kernel / math.sqrt(maps.shape[-1]))

    def pool(maps):
        halves = [size for axis in space for size in (axis // 2, 2)]
        blocks = maps.reshape(3, *halves, -1)
        return blocks.max(axis=tuple(range(2, 2 * len(space) + 1, 2))).reshape(3, -1, maps.shape[-1])

    pixels = inputs.reshape(3, -1, 16)
    queries, keys = project(layer.query, pixels), pool(project(layer.key, inputs))
    weights = np.exp(np.einsum("nqc,nkc->nqk", queries, keys))
    weights /= weights.sum(axis=2, keepdims=True)
    attended = np.einsum("nqk,nkc->nqc", weights, pool(project(layer.value, inputs)))
    expected = (pixels + 0.7 * project(layer.output_projection, attended)).reshape(inputs.shape)
    np.testing.assert_allclose(layer(tf.constant(inputs, tf.float32)), expected, atol=2e-5)


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


def test_too_few_channels_are_refused():
    with pytest.raises(ValueError, match="at least 8 channels"):
        SelfAttention().build((None, 8, 8, 4))
