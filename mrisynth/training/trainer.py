"""Walks a run's phases from wherever it stands to its end."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf

from mrisynth.data import open_dataset, read_manifest
from mrisynth.training import checkpoints, strategies
from mrisynth.training.config import TrainingConfig
from mrisynth.training.progress import Progress
from mrisynth.training.schedule import Phase, Position
from mrisynth.training.state import TrainingState
from mrisynth.training.summaries import GRID_IMAGES, Summaries
from mrisynth.training.train_step import make_train_step

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The run was asked to stop and has written a checkpoint.

    Attributes:
        signal_number: SIGINT or SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


def check_data(config: TrainingConfig) -> str:
    """Checks that a run's data set is whole and large enough, and that its folder is new or holds this run.

    Returns:
        The data set's fingerprint.

    Raises:
        UserError: If not.
    """
    fingerprint = read_manifest(config.data_dir).fingerprint
    checkpoints.check_run_dir(config, fingerprint)
    for resolution in reversed(config.network.resolutions):
        # Opening a data set checks that it is whole, and large enough.
        open_dataset(config.data_dir, resolution, batch_size=1)
    return fingerprint


def train(config: TrainingConfig, strategy: tf.distribute.Strategy | None = None) -> TrainingState:
    """Trains a run to its end, from its newest checkpoint where there is one.

    Args:
        config: The whole run.
        strategy: In place of the one that config.runtime.strategy names.

    Returns:
        The state at the end of the run.

    Raises:
        UserError: If the configuration does not fit the data, the devices or the run's folder; nothing has
            been trained then.
        Interrupted: On SIGINT or SIGTERM.
    """
    fingerprint = check_data(config)
    if config.runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = strategy or strategies.make_strategy(config.runtime.strategy)
    strategies.check_batches(config.schedule.used_batch_sizes, strategy.num_replicas_in_sync)
    policy = strategies.dtype_policy(config.runtime.precision)
    environment = {
        "dtype_policy": policy,
        "replicas": strategy.num_replicas_in_sync,
        "gpus": len(tf.config.list_physical_devices("GPU")),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    checkpoints.write_config(config, fingerprint, environment)
    with strategy.scope():
        state = TrainingState(config.network, policy, config.optimization.seed)
    saved = checkpoints.Checkpoints(config.run_dir, state)
    if not saved.restore():
        saved.save()
    if int(state.iteration.numpy()) < config.schedule.iterations:
        _Trainer(config, strategy, state, saved).run()
    return state


class _Trainer:
    """The loop: phases, iterations, and what is written on the way."""

    def __init__(
        self,
        config: TrainingConfig,
        strategy: tf.distribute.Strategy,
        state: TrainingState,
        saved: checkpoints.Checkpoints,
    ) -> None:
        self._config = config
        self._strategy = strategy
        self._state = state
        self._checkpoints = saved
        self._summaries = Summaries(config.run_dir, state, config.optimization.seed)
        matrix_rate = strategies.matrix_product_rate(state.generator.compute_dtype)
        self._progress = Progress(
            config.schedule, config.network, matrix_rate * strategy.num_replicas_in_sync
        )
        self._handlers: dict[int, Any] = {}
        self._stop_signal = 0

    def run(self) -> None:
        """Trains from where the state stands to the end of the schedule."""
        self._handlers = {number: signal.signal(number, self._request_stop) for number in _STOP_SIGNALS}
        try:
            while int(self._state.iteration.numpy()) < self._config.schedule.iterations:
                self._run_phase()
        finally:
            self._restore_handlers()
            self._summaries.close()

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _request_stop(self, signal_number: int, _: Any) -> None:
        """Stops after the iteration at hand; a second signal ends the program at once."""
        self._stop_signal = signal_number
        self._restore_handlers()

    def _run_phase(self) -> None:
        """Trains from where the run stands to the end of its phase, and writes a checkpoint."""
        position = self._config.schedule.at_iteration(int(self._state.iteration.numpy()))
        phase = position.phase
        at_start = position.iteration == phase.first_iteration
        self._state.start_phase(phase.learning_rate, phase.resets_optimizers and at_start)
        jit_compile = strategies.compiles(self._config.runtime.jit_compile)
        train_step = make_train_step(
            self._state, self._strategy, phase, self._config.optimization, jit_compile
        )
        batches = self._open_batches(position)
        real = self._real_images(phase)
        runtime = self._config.runtime
        self._progress.start_phase(position)
        saved, grid_image = time.monotonic(), position.image
        for done in range(position.iteration - phase.first_iteration, phase.iterations):
            metrics = train_step(next(batches), tf.constant(position.alpha, tf.float32))
            position = phase.position(done + 1)
            self._progress.update(position)
            if position.iteration % runtime.scalar_interval == 0:
                self._summaries.write_scalars(position, metrics, self._progress.images_per_second)
            if position.image - grid_image >= runtime.grid_interval:
                self._summaries.write_grids(position, real)
                grid_image = position.image
            if self._stop_signal:
                break
            if time.monotonic() - saved > 60 * runtime.checkpoint_minutes:
                self._checkpoints.save()
                saved = time.monotonic()
        self._progress.end_phase()
        if position.iteration == phase.last_iteration:
            self._summaries.write_grids(position, real)
        self._checkpoints.save()
        if self._stop_signal:
            raise Interrupted(self._stop_signal)

    def _open_batches(self, position: Position) -> Iterator[Any]:
        """The distributed batches from a position on."""
        optimization, phase = self._config.optimization, position.phase
        replicas = self._strategy.num_replicas_in_sync

        def open_share(_: tf.distribute.InputContext) -> tf.data.Dataset:
            return open_dataset(
                self._config.data_dir,
                phase.resolution,
                phase.batch_size,
                seed=optimization.seed,
                position=position.image,
                mirror=optimization.mirror,
                replicas=replicas,
            )

        return iter(self._strategy.distribute_datasets_from_function(open_share))

    def _real_images(self, phase: Phase) -> tf.Tensor:
        """Real images for the grid beside the samples: the same ones at every resolution."""
        dataset = open_dataset(
            self._config.data_dir, phase.resolution, GRID_IMAGES, seed=self._config.optimization.seed
        )
        return next(iter(dataset))
