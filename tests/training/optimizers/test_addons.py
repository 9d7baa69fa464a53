import importlib.util

import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.training.config import OptimizerName
from mrisynth.training.optimizers.adam import Adam
from mrisynth.training.optimizers.addons import AddonsOptimizer
from tests.training.optimizer_steps import steps, variables

HAS_ADDONS = importlib.util.find_spec("tensorflow_addons") is not None
ADDONS = [name for name in OptimizerName if name is not OptimizerName.ADAM]
needs_addons = pytest.mark.skipif(not HAS_ADDONS, reason="tensorflow-addons is not installed")


@needs_addons
@pytest.mark.both_stacks
@pytest.mark.parametrize("name", ADDONS)
def test_state_variables_are_all_there_is(name):
    # A run that goes on from a checkpoint has the weights and these, and nothing else.
    moved, copy = variables(), variables()
    optimizer, other = (AddonsOptimizer(name, held) for held in (moved, copy))
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
    lookahead = steps(AddonsOptimizer(OptimizerName.LOOKAHEAD, moved), moved, range(6))
    adam = steps(Adam(plain), plain, range(6))
    for ours, fast, slow in zip(lookahead, adam, start, strict=True):
        np.testing.assert_allclose(ours, (fast + slow) / 2, rtol=1e-4, atol=1e-7)


@pytest.mark.skipif(HAS_ADDONS, reason="tensorflow-addons is installed")
@pytest.mark.parametrize("name", ADDONS)
def test_without_addons_one_sentence_says_how_to_get_them(name):
    with pytest.raises(UserError, match=rf"--optimizer={name} needs tensorflow-addons.*extra addons.*adam"):
        AddonsOptimizer(name, variables())
