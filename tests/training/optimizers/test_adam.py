import keras
import numpy as np
import pytest

from mrisynth.training.optimizers.adam import Adam
from tests.training.optimizer_steps import gradients, steps, variables


@pytest.mark.both_stacks
def test_adam_is_that_of_keras():
    moved, expected = variables(), variables()
    optimizer = Adam(moved)
    reference = keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
    reference.build(expected)
    optimizer.set_learning_rate(2e-3)
    for seed in range(5):
        reference.apply_gradients(zip(gradients(seed), expected, strict=True))
    for ours, theirs in zip(steps(optimizer, moved, range(5)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert int(optimizer.iterations) == 5
