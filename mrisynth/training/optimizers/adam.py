"""Adam by TensorFlow's fused operation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from mrisynth.training.config import OptimizerName

BETA_1, BETA_2, EPSILON = 0.0, 0.99, 1e-8
"""Constants of Adam and its relatives ([PG] section A.1)."""


class Adam:
    """Adam with beta1 0, beta2 0.99 and epsilon 1e-8 ([PG] section A.1).

    The arithmetic is that of `keras.optimizers.Adam`. TensorFlow's fused operation takes one pass over a
    variable instead of a dozen, and a third of the time. That shows at 4x4, where parameters are many and
    pixels few. Its interface is `mrisynth.training.optimizers.Optimizer`.

    Args:
        variables: Every variable that it may ever be asked to move.

    Attributes:
        iterations: An int64 variable, the number of steps since the last reset.
        learning_rate: A float32 variable.
    """

    def __init__(self, variables: Sequence[tf.Variable]) -> None:
        def mirrored(value: Any, dtype: tf.DType, name: str) -> tf.Variable:
            aggregation = tf.VariableAggregation.ONLY_FIRST_REPLICA
            return tf.Variable(value, trainable=False, dtype=dtype, name=name, aggregation=aggregation)

        self.iterations = mirrored(0, tf.int64, "iterations")
        self.learning_rate = mirrored(1e-3, tf.float32, "learning_rate")
        self._moments = {
            id(variable): tuple(
                mirrored(tf.zeros(variable.shape), tf.float32, name) for name in ("momentum", "velocity")
            )
            for variable in variables
        }

    def apply(
        self, strategy: tf.distribute.Strategy, gradients: Sequence[Any], variables: Sequence[tf.Variable]
    ) -> None:
        """Moves some of its variables, in the cross-replica context, by gradients summed over replicas."""
        self.iterations.assign_add(1)
        step = tf.cast(self.iterations.read_value(), tf.float32)
        rate = self.learning_rate.read_value()
        powers = tf.pow(BETA_1, step), tf.pow(BETA_2, step)
        for gradient, variable in zip(gradients, variables, strict=True):
            arguments = (*self._moments[id(variable)], gradient, rate, *powers)
            strategy.extended.update(variable, _adam_step, args=arguments, group=False)

    def set_learning_rate(self, rate: float) -> None:
        """Sets the learning rate of the steps to come."""
        self.learning_rate.assign(rate)

    def state_variables(self) -> list[tf.Variable]:
        """All state, step count included, without the learning rate, which the schedule sets."""
        return [self.iterations, *(moment for moments in self._moments.values() for moment in moments)]

    def reset(self) -> None:
        """Forgets all state, step count included."""
        for variable in self.state_variables():
            variable.assign(tf.zeros_like(variable))


def _adam_step(
    variable: tf.Variable,
    momentum: tf.Variable,
    velocity: tf.Variable,
    gradient: tf.Tensor,
    rate: tf.Tensor,
    beta_1_power: tf.Tensor,
    beta_2_power: tf.Tensor,
) -> None:
    tf.raw_ops.ResourceApplyAdam(
        var=variable.handle,
        m=momentum.handle,
        v=velocity.handle,
        beta1_power=beta_1_power,
        beta2_power=beta_2_power,
        lr=rate,
        beta1=BETA_1,
        beta2=BETA_2,
        epsilon=EPSILON,
        grad=gradient,
    )


OPTIMIZERS = {OptimizerName.ADAM: Adam}
