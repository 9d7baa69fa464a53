"""Optimizers of tensorflow-addons, which TensorFlow up to 2.15 can import."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.training.config import OptimizerName
from mrisynth.training.optimizers.adam import BETA_1, BETA_2, EPSILON

_YOGI_START = 1e-6


class AddonsOptimizer:
    """An optimizer of tensorflow-addons with the interface `mrisynth.training.optimizers.Optimizer`.

    Betas and epsilon are Adam's where the optimizer has them; Yogi's epsilon is 1e-3, as its authors advise.

    Args:
        name: Any optimizer but Adam.
        variables: Every variable that it may ever be asked to move.

    Raises:
        UserError: If tensorflow-addons cannot be imported.
    """

    def __init__(self, name: OptimizerName, variables: Sequence[tf.Variable]) -> None:
        self._optimizer = _make(name)
        self._variables = list(variables)
        self._optimizer._create_all_weights(self._variables)
        # Lookahead keeps the state of the optimizer that it wraps there.
        self._holders = [self._optimizer, *filter(None, [getattr(self._optimizer, "_optimizer", None)])]
        self._starts: Mapping[str, float] = {"v": _YOGI_START} if name == OptimizerName.YOGI else {}

    def apply(
        self, strategy: tf.distribute.Strategy, gradients: Sequence[Any], variables: Sequence[tf.Variable]
    ) -> None:
        """Moves some of its variables, in the cross-replica context, by gradients summed over replicas."""

        def on_replica(gradients: Sequence[tf.Tensor]) -> None:
            pairs = zip(gradients, variables, strict=True)
            self._optimizer.apply_gradients(pairs, experimental_aggregate_gradients=False)

        strategy.run(on_replica, args=(list(gradients),))

    def set_learning_rate(self, rate: float) -> None:
        """Sets the learning rate of the steps to come."""
        self._optimizer.learning_rate = rate

    def state_variables(self) -> list[tf.Variable]:
        """All state, step count included, without the learning rate, which the schedule sets."""
        slots = (
            holder.get_slot(variable, slot)
            for holder in self._holders
            for slot in sorted(holder.get_slot_names())
            for variable in self._variables
        )
        return [self._optimizer.iterations, *slots]

    def reset(self) -> None:
        """Forgets all state; Lookahead's slow weights start as the weights are."""
        self._optimizer.iterations.assign(0)
        for holder in self._holders:
            for slot in holder.get_slot_names():
                for variable in self._variables:
                    state = holder.get_slot(variable, slot)
                    start = variable if slot == "slow" else tf.fill(state.shape, self._starts.get(slot, 0.0))
                    state.assign(tf.convert_to_tensor(start))


def _make(name: OptimizerName) -> Any:
    try:
        with warnings.catch_warnings():
            # That its development has ended is why it stands apart here.
            warnings.simplefilter("ignore")
            import tensorflow_addons as tfa
    except ImportError as error:
        raise UserError(
            f"--optimizer={name} needs tensorflow-addons, which only TensorFlow up to 2.15 can import: "
            "install mrisynth's extra addons on Python 3.10 or 3.11, or use --optimizer=adam"
        ) from error
    adam = {"beta_1": BETA_1, "beta_2": BETA_2, "epsilon": EPSILON}
    if name == OptimizerName.RECTIFIED_ADAM:
        return tfa.optimizers.RectifiedAdam(**adam)
    if name == OptimizerName.LOOKAHEAD:
        return tfa.optimizers.Lookahead(tf.keras.optimizers.legacy.Adam(**adam))
    if name == OptimizerName.LAMB:
        return tfa.optimizers.LAMB(**adam)
    return tfa.optimizers.Yogi(beta1=BETA_1, beta2=BETA_2, initial_accumulator_value=_YOGI_START)


OPTIMIZERS = {
    name: functools.partial(AddonsOptimizer, name)
    for name in (
        OptimizerName.RECTIFIED_ADAM,
        OptimizerName.LOOKAHEAD,
        OptimizerName.LAMB,
        OptimizerName.YOGI,
    )
}
