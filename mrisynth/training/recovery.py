"""Recovery from gradients that are not finite.

A step skips an update that is not finite (see `mrisynth.training.train_step`). A single one is nothing to
worry about. After many in a row the run is rolled back to its last good checkpoint and draws other random
numbers. If that does not help either, the run ends with a report.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from mrisynth import screen
from mrisynth.errors import UserError
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks.base import ProgressiveNetwork
from mrisynth.training import strategies
from mrisynth.training.checkpoints import Checkpoints
from mrisynth.training.schedule import Position
from mrisynth.training.state import TrainingState

CHECK_INTERVAL = 10
"""Number of iterations from one look at the state to the next; each look waits for the device."""

MAX_SKIPPED_IN_A_ROW = 10
MAX_ROLLBACKS = 3


class Recovery:
    """Rolls a run back to a checkpoint after too many skipped steps in a row.

    Args:
        state: The state of the run.
        saved: The checkpoints of the run.
        strategy: The strategy that the state was created under.
    """

    def __init__(self, state: TrainingState, saved: Checkpoints, strategy: tf.distribute.Strategy) -> None:
        self._state = state
        self._strategy = strategy
        self._checkpoints = saved
        self._rollbacks = 0

    def save(self) -> bool:
        """Writes a checkpoint, unless the newest steps were skipped.

        Returns:
            Whether a checkpoint was written.
        """
        if self._state.is_skipping():
            return False
        self._checkpoints.save()
        self._rollbacks = 0
        return True

    def has_rolled_back(self, position: Position, metrics: Mapping[str, tf.Tensor]) -> bool:
        """Rolls the run back to the last good checkpoint if too many steps in a row were skipped.

        Args:
            position: Where the run stands.
            metrics: The newest metrics, for the report.

        Returns:
            Whether the run was rolled back.

        Raises:
            UserError: If that was in vain too often.
        """
        if self._state.skipped_in_a_row.numpy().max() < MAX_SKIPPED_IN_A_ROW:
            return False
        report = self._report(position, metrics)
        # Workers save by their own clocks; the first one's count holds for all.
        self._rollbacks = strategies.from_chief(self._strategy, self._rollbacks)
        if self._rollbacks == MAX_ROLLBACKS or not self._checkpoints.roll_back():
            raise UserError(report)
        self._rollbacks += 1
        self._state.skipped_in_a_row.assign(tf.zeros_like(self._state.skipped_in_a_row))
        self._state.attempt.assign_add(self._rollbacks)
        screen.say(
            f"{MAX_SKIPPED_IN_A_ROW} steps in a row without finite gradients; back at iteration "
            f"{int(self._state.iteration.numpy())} with other random draws"
        )
        return True

    def _report(self, position: Position, metrics: Mapping[str, tf.Tensor]) -> str:
        values = {name: f"{float(value):.3g}" for name, value in sorted(metrics.items())}
        shown = [f"{name} {value}" for name, value in values.items() if "norm" in name or "loss" in name]
        weights = [
            f"weights of the {network.name} {_weight_norm(network):.3g}"
            for network in (self._state.discriminator, self._state.generator)
        ]
        return (
            f"training has diverged in {position.phase.name} at iteration {position.iteration}: losses or "
            f"gradients are not finite, and going back {self._rollbacks} times did not help "
            f"({', '.join(shown + weights)}; {int(self._state.skipped.numpy())} iterations skipped); try "
            f"half the --learning_rate={position.phase.learning_rate:g}, --precision=float32 or a larger "
            "--gradient_penalty in another --run_dir"
        )


def _weight_norm(network: ProgressiveNetwork) -> float:
    """Root of the mean square of all weights."""
    variables = [tensorflow_variable(variable) for variable in network.trainable_variables]
    count = sum(variable.shape.num_elements() for variable in variables)
    return float(tf.linalg.global_norm([tf.convert_to_tensor(v) for v in variables])) / count**0.5
