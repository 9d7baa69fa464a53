"""What happens when gradients stop being finite.

A step leaves out an update that is not finite (see `mrisynth.training.train_step`). A single one is nothing
to worry about. After many in a row the run goes back to its last good checkpoint and draws other latents; if
that does not help either, it ends with a report.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import tensorflow as tf
import tqdm

from mrisynth.errors import UserError
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks.base import ProgressiveNetwork
from mrisynth.training import strategies
from mrisynth.training.checkpoints import Checkpoints
from mrisynth.training.schedule import Position
from mrisynth.training.state import TrainingState

CHECK_INTERVAL = 10
"""Iterations between looks at the state, each of which waits for the device."""

MOST_SKIPPED_IN_A_ROW = 10
MOST_ATTEMPTS = 3


class Recovery:
    """Watches over skipped iterations, and knows which checkpoints are good.

    Args:
        state: Of the run.
        saved: Its checkpoints.
        strategy: That the state was created under.
    """

    def __init__(self, state: TrainingState, saved: Checkpoints, strategy: tf.distribute.Strategy) -> None:
        self._state = state
        self._strategy = strategy
        self._checkpoints = saved
        self._attempts = 0

    def save(self) -> bool:
        """Writes a checkpoint, unless steps are being left out; whether it did."""
        if self._state.is_skipping():
            return False
        self._checkpoints.save()
        self._attempts = 0
        return True

    def has_gone_back(self, position: Position, metrics: Mapping[str, tf.Tensor]) -> bool:
        """Goes back to the last good checkpoint if too many iterations in a row were skipped.

        Args:
            position: Where the run stands.
            metrics: Of the last iteration, for the report.

        Raises:
            UserError: If that has been in vain too often.
        """
        if self._state.skipped_in_a_row.numpy().max() < MOST_SKIPPED_IN_A_ROW:
            return False
        report = self._report(position, metrics)
        # Workers save by their own clocks; the first one's count holds for all.
        self._attempts = strategies.from_chief(self._strategy, self._attempts)
        if self._attempts == MOST_ATTEMPTS or not self._checkpoints.roll_back():
            raise UserError(report)
        self._attempts += 1
        self._state.skipped_in_a_row.assign(tf.zeros_like(self._state.skipped_in_a_row))
        self._state.attempt.assign_add(self._attempts)
        tqdm.tqdm.write(
            f"{MOST_SKIPPED_IN_A_ROW} steps in a row without finite gradients; back at iteration "
            f"{int(self._state.iteration.numpy())} with other random draws",
            file=sys.stderr,
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
            f"gradients are not finite, and going back {self._attempts} times did not help "
            f"({', '.join(shown + weights)}; {int(self._state.skipped.numpy())} iterations skipped); try "
            f"half the --learning_rate={position.phase.learning_rate:g}, --precision=float32 or a larger "
            "--gradient_penalty in another --run_dir"
        )


def _weight_norm(network: ProgressiveNetwork) -> float:
    """Root of the mean square of all weights."""
    variables = [tensorflow_variable(variable) for variable in network.trainable_variables]
    count = sum(variable.shape.num_elements() for variable in variables)
    return float(tf.linalg.global_norm([tf.convert_to_tensor(v) for v in variables])) / count**0.5
