"""The weights of a training state."""

import numpy as np


def weights(state):
    """Gives the values of all variables of the networks and the average, by network and name."""
    networks = (state.generator, state.average, state.discriminator)
    return {
        f"{network.name}/{name}": np.asarray(variable)
        for network in networks
        for name, variable in network.named_variables().items()
    }


def assert_equal_weights(state, expected):
    """Checks that a state has the very same weights as `weights` gave before."""
    found = weights(state)
    assert found.keys() == expected.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
