"""The optimizers that there are, and what training asks of one.

An optimizer is applied in the cross-replica context, with gradients that are summed over the replicas. So a
step can be left out where its gradients are not finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable
from mrisynth.training.adam import Adam
from mrisynth.training.addons import AddonsOptimizer
from mrisynth.training.config import OptimizerName


class Optimizer(Protocol):
    """What the training step and the checkpoints need of an optimizer."""

    def apply(
        self, strategy: tf.distribute.Strategy, gradients: Sequence[Any], variables: Sequence[tf.Variable]
    ) -> None:
        """Moves some of its variables, in the cross-replica context, by gradients summed over replicas."""

    def set_learning_rate(self, rate: float) -> None:
        """Sets the learning rate of the steps to come."""

    def state_variables(self) -> list[tf.Variable]:
        """All state, step count included, without the learning rate, which the schedule sets."""

    def reset(self) -> None:
        """Forgets all state, step count included: due at the start of every fade and stable period."""


def make_optimizer(name: OptimizerName, variables: Iterable[Any]) -> Optimizer:
    """Makes an optimizer with its state already there, under the current strategy's scope.

    Args:
        name: Which optimizer.
        variables: All that it may ever be asked to move; a step may move some of them only.

    Raises:
        UserError: If tensorflow-addons is needed and cannot be imported.
    """
    moved = [tensorflow_variable(variable) for variable in variables]
    return Adam(moved) if name == OptimizerName.ADAM else AddonsOptimizer(name, moved)
