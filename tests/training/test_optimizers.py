"""Adam of ours against Keras's; optimizers of tensorflow-addons where they are installed."""

import importlib.util

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.training import optimizers
from mrisynth.training.config import OPTIMIZERS

HAS_ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
ADDONS = [name for name in OPTIMIZERS if name != "adam"]
needs_addons = pytest.mark.skipif(not HAS_ADDONS, reason="tensorflow-addons is not installed")


def gradients(seed):
    return [
        tf.random.stateless_normal([3, 2], [seed, 0]),
        # Small and large gradients move a weight by about as much.
        1e-3 * tf.random.stateless_normal([4], [seed, 1]),
    ]


def variables():
    return [tf.Variable(tf.ones([3, 2])), tf.Variable(tf.zeros([4]))]


def steps(optimizer, moved, seeds, strategy=None):
    strategy = strategy or tf.distribute.get_strategy()

    @tf.function
    def step(seed):
        shares = strategy.run(lambda: gradients(seed))
        optimizer.apply(strategy, shares, moved)

    for seed in seeds:
        step(tf.constant(seed))
    return [variable.numpy() for variable in moved]


@pytest.mark.both_stacks
def test_adam_is_that_of_keras():
    moved, expected = variables(), variables()
    optimizer = optimizers.make_optimizer("adam", moved)
    reference = keras.optimizers.Adam(2e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
    reference.build(expected)
    optimizer.set_learning_rate(2e-3)
    for seed in range(5):
        reference.apply_gradients(zip(gradients(seed), expected, strict=True))
    for ours, theirs in zip(steps(optimizer, moved, range(5)), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert int(optimizer.iterations) == 5


@pytest.mark.both_stacks
@pytest.mark.parametrize("name", ["adam", *(pytest.param(name, marks=needs_addons) for name in ADDONS)])
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
@pytest.mark.parametrize("name", ["adam", *(pytest.param(name, marks=needs_addons) for name in ADDONS)])
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


@needs_addons
@pytest.mark.both_stacks
@pytest.mark.parametrize("name", ADDONS)
def test_state_variables_are_all_there_is(name):
    # A run that goes on from a checkpoint has the weights and these, and nothing else.
    moved, copy = variables(), variables()
    optimizer, other = (optimizers.make_optimizer(name, held) for held in (moved, copy))
    steps(optimizer, moved, range(4))
    for target, source in zip(copy, moved, strict=True):
        target.assign(source)
    for target, source in zip(other.state_variables(), optimizer.state_variables(), strict=True):
        target.assign(source)
    for actual, expected in zip(
        steps(other, copy, range(4, 9)), steps(optimizer, moved, range(4, 9)), strict=True
    ):
        np.testing.assert_array_equal(actual, expected)


@needs_addons
@pytest.mark.both_stacks
def test_lookahead_steps_back_every_sixth_step():
    moved, plain = variables(), variables()
    start = [variable.numpy() for variable in moved]
    lookahead = steps(optimizers.make_optimizer("lookahead", moved), moved, range(6))
    adam = steps(optimizers.make_optimizer("adam", plain), plain, range(6))
    for ours, fast, slow in zip(lookahead, adam, start, strict=True):
        np.testing.assert_allclose(ours, (fast + slow) / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.skipif(HAS_ADDONS, reason="tensorflow-addons is installed")
@pytest.mark.parametrize("name", ADDONS)
def test_without_addons_one_sentence_says_how_to_get_them(name):
    with pytest.raises(UserError, match=rf"--optimizer={name} needs tensorflow-addons.*extra addons.*adam"):
        optimizers.make_optimizer(name, variables())
