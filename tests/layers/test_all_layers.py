"""What holds for every layer: configuration, shapes, weights, precision, gradients."""

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import (
    EqualizedConvolution,
    EqualizedDense,
    MinibatchStandardDeviation,
    PixelNorm,
    SelfAttention,
)
from mrisynth.layers.base import tensorflow_variable

pytestmark = pytest.mark.both_stacks

MAPS = (4, 8, 8, 16)
VOLUMES = (4, 4, 4, 4, 8)
CASES = {
    "convolution": (EqualizedConvolution, {"filters": 24}, MAPS, (4, 8, 8, 24), 9 * 16 * 24 + 24),
    "convolution up": (
        EqualizedConvolution,
        {"filters": 24, "resampling": "up", "bilinear_resampling": True},
        MAPS,
        (4, 16, 16, 24),
        9 * 16 * 24 + 24,
    ),
    "convolution down": (
        EqualizedConvolution,
        {"filters": 24, "resampling": "down", "fused_resampling": False},
        MAPS,
        (4, 4, 4, 24),
        9 * 16 * 24 + 24,
    ),
    "to image": (
        EqualizedConvolution,
        {"filters": 1, "kernel_size": 1, "gain": 1.0, "activate": False},
        MAPS,
        (4, 8, 8, 1),
        17,
    ),
    "dense": (EqualizedDense, {"units": 5, "use_bias": False}, (4, 7), (4, 5), 35),
    "dense to map": (EqualizedDense, {"units": 5, "spatial_size": 4}, (4, 7), (4, 4, 4, 5), 7 * 80 + 5),
    "convolution of volumes": (
        EqualizedConvolution,
        {"filters": 24, "resampling": "down"},
        VOLUMES,
        (4, 2, 2, 2, 24),
        27 * 8 * 24 + 24,
    ),
    "dense to volume": (
        EqualizedDense,
        {"units": 5, "spatial_size": 2, "rank": 3},
        (4, 7),
        (4, 2, 2, 2, 5),
        7 * 40 + 5,
    ),
    "dense from zero": (EqualizedDense, {"units": 5, "starts_at_zero": True}, (4, 7), (4, 5), 40),
    "pixel norm": (PixelNorm, {}, MAPS, MAPS, 0),
    "minibatch deviation": (MinibatchStandardDeviation, {"group_size": 2}, MAPS, (4, 8, 8, 17), 0),
    "minibatch deviation of volumes": (MinibatchStandardDeviation, {}, VOLUMES, (4, 4, 4, 4, 9), 0),
    "attention of volumes": (SelfAttention, {}, VOLUMES, VOLUMES, 8 * 1 * 2 + 8 * 4 * 2 + 1),
    "attention": (SelfAttention, {}, MAPS, MAPS, 16 * 2 * 2 + 16 * 8 * 2 + 1),
}


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CASES)
def test_layer(case, policy):
    kind, arguments, input_shape, output_shape, weights = CASES[case]
    layer = kind(**arguments, dtype=policy)
    inputs = tf.random.normal(input_shape)
    outputs = layer(inputs)
    assert outputs.shape == output_shape
    assert outputs.dtype == layer.compute_dtype
    assert tuple(layer.compute_output_shape(input_shape)) == output_shape
    assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == weights
    assert all(w.dtype == "float32" for w in layer.trainable_weights)

    copy = kind.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.compute_dtype == layer.compute_dtype
    copy.build(input_shape)
    copy.set_weights(layer.get_weights())
    np.testing.assert_array_equal(copy(inputs), outputs)

    variables = [tensorflow_variable(w) for w in layer.trainable_weights]
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(tf.cast(layer(inputs), tf.float32) ** 2)
    gradients = tape.gradient(value, variables)
    assert all(g is not None and g.dtype == tf.float32 for g in gradients)
