"""The optimisers of both networks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable


def make_optimizer(variables: Iterable[Any]) -> keras.optimizers.Optimizer:
    """Adam with beta1 0, beta2 0.99 and epsilon 1e-8 ([PG] appendix A.1), its state already there.

    Args:
        variables: All that it may ever be asked to move; a step may move some of them only.
    """
    optimizer = keras.optimizers.Adam(learning_rate=1e-3, beta_1=0.0, beta_2=0.99, epsilon=1e-8)
    optimizer.build(list(variables))
    return optimizer


def state_variables(optimizer: keras.optimizers.Optimizer) -> list[tf.Variable]:
    """The optimiser's state, step count included, without the learning rate, which the schedule sets."""
    variables = (tensorflow_variable(variable) for variable in optimizer.variables)
    rate = tensorflow_variable(optimizer.learning_rate)
    return [variable for variable in variables if variable is not rate]


def reset(optimizer: keras.optimizers.Optimizer) -> None:
    """Forgets all state, step count included, as at the start of every fade and stable period."""
    for variable in state_variables(optimizer):
        variable.assign(tf.zeros_like(variable))
