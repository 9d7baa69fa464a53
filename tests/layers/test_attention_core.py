import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers.attention_core import attend

pytestmark = pytest.mark.both_stacks


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
