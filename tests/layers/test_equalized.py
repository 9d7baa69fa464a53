import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import EqualizedConvolution, EqualizedDense
from mrisynth.layers.base import tensorflow_variable

pytestmark = pytest.mark.both_stacks


def relative_error(actual, expected):
    actual, expected = np.asarray(actual, np.float64), np.asarray(expected, np.float64)
    return np.linalg.norm(actual - expected) / np.linalg.norm(expected)


def assign(variable, value):
    tensorflow_variable(variable).assign(value)


def test_dense_by_hand():
    layer = EqualizedDense(1)
    layer.build((None, 2))
    assign(layer.kernel, [[3.0], [-1.0]])
    assign(layer.bias, [0.25])
    # sqrt(2) / sqrt(2) = 1: the weights are applied as they are.
    np.testing.assert_allclose(layer(tf.constant([[1.0, 1.0]])), [[2.25]], rtol=1e-6)
    # A negative sum is multiplied by the slope: 0.2 * (3 - 4 + 0.25).
    np.testing.assert_allclose(layer(tf.constant([[1.0, 4.0]])), [[-0.15]], rtol=1e-6)


def test_dense_to_map_has_one_bias_a_channel():
    layer = EqualizedDense(3, spatial_size=4, gain=math.sqrt(2) / 4, activate=False)
    layer.build((None, 512))
    assert layer.kernel.shape == (512, 48)
    assert layer.bias.shape == (3,)
    assert layer.scale == pytest.approx(math.sqrt(2) / 4 / math.sqrt(512))
    assign(layer.bias, [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(layer(tf.zeros([1, 512])), np.tile([1.0, 2.0, 3.0], (1, 4, 4, 1)))


def test_two_dense_layers_are_one_on_joined_inputs():
    first, second = EqualizedDense(5), EqualizedDense(5, use_bias=False, activate=False)
    joined = EqualizedDense(5)
    for layer, size in ((first, 3), (second, 2), (joined, 5)):
        layer.build((None, size))
    assign(first.bias, [0.1, 0.2, 0.3, 0.4, 0.5])
    kernels = [np.asarray(layer.kernel) * layer.scale for layer in (first, second)]
    joined.set_weights([np.concatenate(kernels) / joined.scale, np.asarray(first.bias)])
    inputs = tf.random.stateless_normal([4, 5], seed=[1, 1])
    outputs = first(inputs[:, :3], added=second(inputs[:, 3:]))
    np.testing.assert_allclose(outputs, joined(inputs), atol=1e-6)


def test_a_layer_that_starts_at_zero_is_zero():
    layer = EqualizedDense(3, use_bias=False, starts_at_zero=True)
    np.testing.assert_array_equal(layer(tf.ones([2, 4])), np.zeros((2, 3)))


@pytest.mark.parametrize("rank", [2, 3])
@pytest.mark.parametrize(
    ("mode", "kernel_size", "fan_in"),
    [
        ("none", 3, (45, 135)),
        ("up", 3, (45, 135)),
        ("down", 3, (45, 135)),
        ("none", 1, (5, 5)),
    ],
)
def test_fan_in_is_that_of_the_unfolded_kernel(mode, kernel_size, fan_in, rank):
    layer = EqualizedConvolution(7, kernel_size, resampling=mode)
    layer.build((None, *[8] * rank, 5))
    assert layer.scale == pytest.approx(math.sqrt(2 / fan_in[rank - 2]))


def test_stored_weights_have_unit_variance_and_biases_are_zero():
    tf.keras.utils.set_random_seed(1)
    layer = EqualizedConvolution(64)
    layer.build((None, 8, 8, 64))
    weights = np.asarray(layer.kernel)
    assert np.std(weights) == pytest.approx(1, abs=0.01)
    assert np.mean(weights) == pytest.approx(0, abs=0.02)
    assert not np.any(np.asarray(layer.bias))


def test_equalized_outputs_keep_unit_variance():
    tf.keras.utils.set_random_seed(2)
    layer = EqualizedConvolution(128, gain=1.0, activate=False)
    outputs = layer(tf.random.normal([4, 16, 16, 64]))
    assert np.std(outputs[:, 1:-1, 1:-1]) == pytest.approx(1, abs=0.05)


def test_pooling_comes_before_bias_and_activation():
    layer = EqualizedConvolution(1, resampling="down")
    layer.build((None, 2, 2, 1))
    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[1, 1] = 1 / layer.scale
    assign(layer.kernel, kernel)
    assign(layer.bias, [-2.0])
    image = tf.reshape(tf.constant([4.0, -8.0, 4.0, -4.0]), [1, 2, 2, 1])
    # Mean -1, plus bias -3, times slope; activation before pooling would give another number.
    np.testing.assert_allclose(tf.squeeze(layer(image)), -0.6, rtol=1e-5)


@pytest.mark.parametrize("space", [(8, 8), (4, 4, 4)], ids=["rank 2", "rank 3"])
@pytest.mark.parametrize("mode", ["up", "down"])
def test_folded_equals_plain_forward_gradient_and_penalty_gradient(mode, space):
    tf.keras.utils.set_random_seed(4)
    inputs = tf.random.normal([4, *space, 6])
    plain = EqualizedConvolution(9, resampling=mode, fused_resampling=False)
    folded = EqualizedConvolution(9, resampling=mode, fused_resampling=True)
    plain.build(inputs.shape)
    folded.build(inputs.shape)
    folded.set_weights(plain.get_weights())

    @tf.function
    def results(layer):
        kernel = tensorflow_variable(layer.kernel)
        with tf.GradientTape() as outer:
            with tf.GradientTape(persistent=True) as inner:
                inner.watch(inputs)
                outputs = layer(inputs)
                score = tf.reduce_sum(tf.sin(outputs))
            gradient = inner.gradient(score, inputs)
            penalty = tf.reduce_sum((tf.norm(tf.reshape(gradient, [4, -1]), axis=1) - 1) ** 2)
        return outputs, gradient, inner.gradient(score, kernel), outer.gradient(penalty, kernel)

    for actual, expected in zip(results(folded), results(plain), strict=True):
        assert relative_error(actual, expected) < 1e-4


def test_unknown_resampling_is_refused():
    with pytest.raises(ValueError, match="none, up, down"):
        EqualizedConvolution(1, resampling="sideways")
