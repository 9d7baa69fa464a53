import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import resampling

pytestmark = pytest.mark.both_stacks


@pytest.mark.parametrize("space", [(8, 6), (4, 6, 2)], ids=["rank 2", "rank 3"])
@pytest.mark.parametrize("mode", ["up", "down"])
def test_folding_is_exact_in_float64_borders_included(mode, space):
    generator = np.random.default_rng(3)
    inputs = tf.constant(generator.normal(size=(2, *space, 5)))
    kernel = tf.constant(generator.normal(size=(*[3] * len(space), 5, 7)))
    convolve = {"up": resampling.convolve_up, "down": resampling.convolve_down}[mode]
    folded, plain = convolve(inputs, kernel, True), convolve(inputs, kernel, False)
    assert tf.norm(folded - plain) < 1e-14 * tf.norm(plain)
