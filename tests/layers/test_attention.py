import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import SelfAttention, nd_ops
from mrisynth.layers.attention_core import attend
from mrisynth.layers.base import tensorflow_variable

pytestmark = pytest.mark.both_stacks


def make(channels=16, size=8, gamma=0.0, **kwargs):
    tf.keras.utils.set_random_seed(5)
    layer = SelfAttention(**kwargs)
    layer.build((None, size, size, channels))
    tensorflow_variable(layer.gamma).assign(gamma)
    return layer


def plain(queries, keys, values):
    return tf.matmul(tf.nn.softmax(tf.matmul(queries, keys, transpose_b=True)), values)


def draw(*shape, scale=1.0, offset=0.0):
    # Rounded to bfloat16, so that every precision starts from the same numbers.
    values = np.random.default_rng(shape).normal(offset, scale, shape)
    return tf.cast(tf.cast(values, tf.bfloat16), tf.float64)


def core_inputs(query_scale=1.0, scale=1.0, offset=0.0):
    """Queries, keys, values, an upstream gradient, and three upstream gradients of the first derivatives."""
    queries, keys, values = (2, 48, 3), (2, 12, 3), (2, 12, 5)
    return [
        draw(*queries, scale=query_scale),
        draw(*keys, scale=scale, offset=offset),
        draw(*values, scale=scale, offset=offset),
        draw(2, 48, 5),
        *(draw(*shape) + offset for shape in (queries, keys, values)),
    ]


def core_derivatives(core, inputs, dtype):
    """The core's output, its first derivatives and theirs, by name, in float64."""
    *variables, by_queries, by_keys, by_values = (tf.cast(tensor, dtype) for tensor in inputs)
    queries, keys, values, upstream = variables
    with tf.GradientTape() as outer:
        outer.watch(variables)
        with tf.GradientTape() as inner:
            inner.watch(variables)
            outputs = core(queries, keys, values)
        first = inner.gradient(outputs, [queries, keys, values], upstream)
    second = outer.gradient(first, variables, [by_queries, by_keys, by_values])
    names = ["output", "dq", "dk", "dv", "second by q", "second by k", "second by v", "second by upstream"]
    return {
        name: tf.cast(tensor, tf.float64)
        for name, tensor in zip(names, [outputs, *first, *second], strict=True)
    }


def relative_errors(actual, expected):
    return {
        name: float(tf.norm(actual[name] - expected[name]) / tf.norm(expected[name])) for name in expected
    }


@pytest.mark.parametrize("compiled", [False, True], ids=["eager", "graph"])
def test_core_and_its_derivatives_are_those_of_the_plain_expression(compiled):
    inputs = core_inputs()
    derivatives = tf.function(core_derivatives) if compiled else core_derivatives
    errors = relative_errors(
        derivatives(attend, inputs, tf.float32), core_derivatives(plain, inputs, tf.float64)
    )
    assert all(error < 1e-6 for error in errors.values()), errors


@pytest.mark.parametrize("query_scale", [0.1, 1.0])
@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_core_in_bfloat16(query_scale, offset):
    # The offset, common to all keys and values, must cancel before anything is rounded.
    inputs = core_inputs(query_scale, scale=0.25 if offset else 1.0, offset=offset)
    expected = core_derivatives(plain, inputs, tf.float64)
    errors = relative_errors(core_derivatives(attend, inputs, tf.bfloat16), expected)
    assert all(error < 0.02 for error in errors.values()), errors


@pytest.mark.parametrize("dtype", [tf.float32, tf.bfloat16])
def test_core_of_large_logits(dtype):
    inputs = core_inputs(query_scale=1e4)
    results = core_derivatives(attend, inputs, dtype)
    assert all(np.all(np.isfinite(tensor)) for tensor in results.values())
    queries, keys, values = inputs[:3]
    best = tf.gather(values, tf.argmax(tf.matmul(queries, keys, transpose_b=True), axis=-1), batch_dims=1)
    np.testing.assert_allclose(results["output"], best, atol=1e-5 if dtype == tf.float32 else 0.02)


def test_core_refuses_a_third_derivative():
    queries, *others = core_inputs()
    queries = tf.cast(queries, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(queries)
        by_keys = core_derivatives(attend, [queries, *others], tf.float32)["second by k"]
    with pytest.raises(LookupError, match="no third derivative"):
        tape.gradient(by_keys, queries)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_compiles_under_xla(policy):
    layer = make(gamma=0.5, dtype=policy)
    inputs = tf.cast(draw(2, 8, 8, 16), tf.float32)

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
    np.testing.assert_array_equal(nd_ops.max_pool(inputs), tf.nn.max_pool2d(inputs, 2, 2, "VALID"))


def test_too_few_channels_are_refused():
    with pytest.raises(ValueError, match="at least 8 channels"):
        SelfAttention().build((None, 8, 8, 4))
