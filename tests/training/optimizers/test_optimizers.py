"""What holds for every optimizer; those of tensorflow-addons where it is installed."""

import importlib.util

import numpy as np
import pytest

from mrisynth.training import optimizers
from mrisynth.training.config import OptimizerName
from tests.training.optimizer_steps import steps, variables

HAS_ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
needs_addons = pytest.mark.skipif(not HAS_ADDONS, reason="tensorflow-addons is not installed")
NAMES = [
    name if name is OptimizerName.ADAM else pytest.param(name, marks=needs_addons) for name in OptimizerName
]


@pytest.mark.both_stacks
@pytest.mark.parametrize("name", NAMES)
def test_two_replicas_do_what_one_does(name, two_replicas):
    alone = variables()
    expected = steps(optimizers.make_optimizer(name, alone), alone, range(7))
    with two_replicas.scope():
        moved = variables()
        optimizer = optimizers.make_optimizer(name, moved)
    steps(optimizer, moved, range(7), two_replicas)
    for variable, value in zip(moved, expected, strict=True):
        for copy in two_replicas.experimental_local_results(variable):
            np.testing.assert_allclose(copy, value, rtol=1e-6)


@pytest.mark.both_stacks
@pytest.mark.parametrize("name", NAMES)
def test_an_optimizer_reset_starts_as_a_new_one(name):
    moved, fresh = variables(), variables()
    optimizer = optimizers.make_optimizer(name, moved)
    optimizer.set_learning_rate(1e-2)
    steps(optimizer, moved, range(7))
    # Both go on from the same weights, one after a reset, one new.
    optimizer.reset()
    for variable, start in zip(fresh, moved, strict=True):
        variable.assign(start)
    other = optimizers.make_optimizer(name, fresh)
    other.set_learning_rate(1e-2)
    assert len(other.state_variables()) == len(optimizer.state_variables())
    for actual, expected in zip(optimizer.state_variables(), other.state_variables(), strict=True):
        np.testing.assert_array_equal(actual, expected)
    before = [variable.numpy() for variable in moved]
    ours, theirs = steps(optimizer, moved, range(7, 15)), steps(other, fresh, range(7, 15))
    for actual, expected, start in zip(ours, theirs, before, strict=True):
        np.testing.assert_allclose(actual, expected, rtol=1e-6)
        assert np.all(actual != start)
