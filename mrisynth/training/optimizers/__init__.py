"""The optimizers: a new one is a new module here, and a name in `mrisynth.training.config.OptimizerName`.

A module's `OPTIMIZERS` says how each of its optimizers is made of the variables that it may move. An
optimizer is applied in the cross-replica context, with gradients that are summed over the replicas. So a
step can be left out where its gradients are not finite.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable
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
    return _makers()[name](moved)


def _makers() -> dict[OptimizerName, Callable[[Sequence[tf.Variable]], Optimizer]]:
    """What every module here says of its optimizers."""
    modules = (importlib.import_module(f"{__name__}.{each.name}") for each in pkgutil.iter_modules(__path__))
    return {name: maker for module in modules for name, maker in module.OPTIMIZERS.items()}
