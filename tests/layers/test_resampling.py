import functools

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import resampling

pytestmark = pytest.mark.both_stacks


def identity(rank):
    """The kernel that leaves maps of one channel as they are."""
    kernel = np.zeros((*[3] * rank, 1, 1))
    kernel[(*[1] * rank, 0, 0)] = 1
    return tf.constant(kernel)


@pytest.mark.parametrize("space", [(8, 6), (4, 6, 2)], ids=["rank 2", "rank 3"])
@pytest.mark.parametrize("mode", ["up", "down"])
@pytest.mark.parametrize("bilinear", [False, True])
def test_folding_is_exact_in_float64_borders_included(bilinear, mode, space):
    generator = np.random.default_rng(3)
    inputs = tf.constant(generator.normal(size=(2, *space, 5)))
    kernel = tf.constant(generator.normal(size=(*[3] * len(space), 5, 7)))
    convolve = {"up": resampling.convolve_up, "down": resampling.convolve_down}[mode]
    kernel = resampling.blur(kernel) if bilinear else kernel
    folded, plain = (convolve(inputs, kernel, fused) for fused in (True, False))
    assert tf.norm(folded - plain) < 1e-14 * tf.norm(plain)


@pytest.mark.parametrize("rank", [2, 3])
def test_bilinear_doubling_of_a_ramp_is_a_ramp_between_its_pixels(rank):
    space = [8, 8, 8][:rank]
    # Rises by another amount along every axis.
    ramp = tf.constant(np.indices(space).T @ np.array([1.0, 10.0, 100.0])[:rank])[None, ..., None]
    bilinear = resampling.convolve_up(ramp, resampling.blur(identity(rank)), True)
    repeated = resampling.convolve_up(ramp, identity(rank), True)
    inner = (slice(None), *[slice(2, -2)] * rank)
    for axis in range(1, 1 + rank):
        steps, blocks = (np.diff(np.asarray(maps[inner]), axis=axis) for maps in (bilinear, repeated))
        np.testing.assert_allclose(steps, steps.flat[0])
        assert len(np.unique(blocks.round(9))) == 2
    np.testing.assert_allclose(np.mean(bilinear[inner]), np.mean(repeated[inner]))


@pytest.mark.parametrize("rank", [2, 3])
def test_bilinear_halving_weighs_four_pixels_along_an_axis_by_1_3_3_1(rank):
    one = np.zeros((1, *[8] * rank, 1))
    one[(0, *[3] * rank, 0)] = 8.0**rank
    halved = resampling.convolve_down(tf.constant(one), resampling.blur(identity(rank)), True)
    # Pixel 3 is the second of the block 2, 3, and the one before the block 4, 5.
    along = np.array([0.0, 3.0, 1.0, 0.0])
    expected = functools.reduce(np.multiply.outer, [along] * rank)
    np.testing.assert_allclose(np.asarray(halved)[0, ..., 0], expected, atol=1e-12)
