"""The training loop: every phase of a run, from wherever it stands to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import signal
import time
from collections.abc import Callable, Iterator, Mapping

import keras
import tensorflow as tf

from mrisynth import screen
from mrisynth.data import Manifest, Samples, open_dataset, open_samples, read_manifest
from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.storing.manifest import Split
from mrisynth.errors import UserError
from mrisynth.locking import only_writer
from mrisynth.networks import Generator
from mrisynth.training import checkpoints, diversity, strategies, warm_start
from mrisynth.training.config import Augmentation, Due, TrainingConfig
from mrisynth.training.interruption import Interrupted, StopRequest
from mrisynth.training.opening import opening
from mrisynth.training.origin import Origin
from mrisynth.training.overfitting import watch_overfitting
from mrisynth.training.profiling import Profiler
from mrisynth.training.progress import Progress, seconds_per_operation
from mrisynth.training.recovery import CHECK_INTERVAL, Recovery
from mrisynth.training.run_config import RunConfig, read_run_config, write_run_config
from mrisynth.training.schedule import GrowthSchedule, Phase, Position
from mrisynth.training.state import TrainingState
from mrisynth.training.summaries import GRID_IMAGES, Scalar, Summaries
from mrisynth.training.train_step import Metrics, TrainStep, make_train_step


def check_data(config: TrainingConfig) -> tuple[TrainingConfig, Manifest]:
    """Checks that a run's data set is whole and large enough, and that its folder is new or holds this run.

    Returns:
        The configuration with the data set's channels and the encoding of its labels, and its manifest.

    Raises:
        UserError: If not.
    """
    manifest = read_manifest(config.data_dir)
    network = dataclasses.replace(config.network, channels=len(manifest.channels))
    schema = label_schema(config.data_dir, config.conditions) if config.conditions else config.label_schema
    config = dataclasses.replace(config, network=network, label_schema=schema)
    checkpoints.check_run_dir(config, manifest.fingerprint)
    for resolution in reversed(config.network.resolutions):
        for split, stored in manifest.splits.items():
            if stored.slices or split == Split.TRAIN:
                # Opening a data set checks that it is whole, and large enough.
                open_samples(config.data_dir, resolution, 1, split=split, schema=config.label_schema)
    return config, manifest


Evaluate = Callable[[Generator, int, float, float], Mapping[str, Scalar]]
"""Takes the averaged generator, a level, alpha and the weight of labels; returns numbers for TensorBoard."""


def train(
    config: TrainingConfig,
    strategy: tf.distribute.Strategy | None = None,
    evaluate: Evaluate | None = None,
    ending_seconds: float = 0.0,
) -> TrainingState:
    """Trains a run to its end, from its newest checkpoint where there is one.

    Args:
        config: The whole run.
        strategy: The strategy to train under, in place of the one that config.runtime.strategy names.
        evaluate: The function that is called every config.runtime.eval_interval images.
        ending_seconds: What follows training is expected to take; counts as time left.

    Returns:
        The state at the end of the run.

    Raises:
        UserError: If the configuration does not fit the data, the devices or the run's folder, and nothing
            has been trained; if memory or disk are full, another worker is lost or the training has
            diverged, and the run can go on from its last checkpoint; if another process trains the run.
        Interrupted: On SIGINT or SIGTERM, where it runs in the main thread.
    """
    config, manifest = check_data(config)
    if config.runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    strategy = strategy or strategies.make_strategy(config.runtime.strategy)
    strategies.check_batches(config.schedule.used_batch_sizes, strategy.num_replicas_in_sync)
    policy = strategies.dtype_policy(config.runtime.precision)
    alone = (
        only_writer(config.run_dir, "--run_dir")
        if strategies.is_chief(strategy)
        else contextlib.nullcontext()
    )
    with StopRequest() as stop_request, alone:
        return _train(config, strategy, policy, manifest, stop_request, evaluate, ending_seconds)


def _train(
    config: TrainingConfig,
    strategy: tf.distribute.Strategy,
    policy: str,
    manifest: Manifest,
    stop_request: StopRequest,
    evaluate: Evaluate | None,
    ending_seconds: float,
) -> TrainingState:
    """What `train` does when all has been checked."""
    optimization = config.optimization
    # What a run that goes on is not told again, its folder says.
    before = read_run_config(config.folder) if config.folder.config.exists() else None
    origin = before and before.origin
    config = dataclasses.replace(config, init_from=origin and origin.path) if before else config
    with strategy.scope():
        state = TrainingState(
            config.network, policy, optimization.seed, optimization.optimizer, config.label_schema
        )
    phase_ends = {phase.last_iteration for phase in config.schedule.phases}
    saved = checkpoints.Checkpoints(config.folder, state, strategy, phase_ends)
    begins = not saved.restore()
    if begins and config.init_from:
        origin = _take_weights(config, strategy, state)
    environment = {
        "dtype_policy": policy,
        "replicas": strategy.num_replicas_in_sync,
        "gpus": len(tf.config.get_visible_devices("GPU")),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
    }
    run = RunConfig(config, manifest.fingerprint, environment, manifest.channels, origin)
    if strategies.is_chief(strategy):
        write_run_config(run)
    if begins:
        saved.save()
    if int(state.iteration.numpy()) < config.schedule.iterations:
        trainer = _Trainer(run, strategy, state, saved, stop_request, evaluate, ending_seconds)
        trainer.announce(manifest)
        trainer.run()
    return state


def _take_weights(config: TrainingConfig, strategy: tf.distribute.Strategy, state: TrainingState) -> Origin:
    """Takes the first weights from where --init_from says, and says what was taken."""
    origin, source = warm_start.read_source(config.init_from)
    with strategy.scope():
        taken = warm_start.take_weights(state, source)
    if not taken:
        raise UserError(
            f"--init_from={config.init_from} has no weights that fit these networks; give the --fmap_base "
            "and --fmap_max that it was trained with, or larger ones"
        )
    if strategies.is_chief(strategy):
        screen.say(f"first weights from {config.init_from}: {taken}")
    return origin


@contextlib.contextmanager
def _naming_lack_of_memory(phase: Phase, schedule: GrowthSchedule) -> Iterator[None]:
    """Turns what TensorFlow raises where the device's memory is used up into one sentence."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        fewer = {**schedule.used_batch_sizes, phase.resolution: max(1, phase.batch_size // 2)}
        listed = ",".join(f"{resolution}:{batch}" for resolution, batch in fewer.items())
        raise UserError(
            f"{phase.name} with {phase.batch_size} images a step does not fit the device's memory; unless a "
            f"checkpoint of {phase.resolution}x{phase.resolution} is there already, the same command with "
            f"--batch_sizes={listed} goes on, else it takes more devices or another --run_dir"
        ) from error


class _Trainer:
    """The loop: phases, iterations, and what is written on the way."""

    def __init__(
        self,
        run: RunConfig,
        strategy: tf.distribute.Strategy,
        state: TrainingState,
        saved: checkpoints.Checkpoints,
        stop_request: StopRequest,
        evaluate: Evaluate | None,
        ending_seconds: float,
    ) -> None:
        self._stop_request = stop_request
        self._stopping = False
        self._config = config = run.training
        self._strategy = strategy
        self._state = state
        self._checkpoints = saved
        self._recovery = Recovery(state, saved, strategy)
        self._chief = strategies.is_chief(strategy)
        self._evaluate = evaluate if config.runtime.eval_interval and self._chief else None
        self._summaries = Summaries(run, state) if self._chief else None
        # A phase that is rolled back to its own start need not be compiled again.
        self._train_step = functools.lru_cache(maxsize=1)(self._make_train_step)
        self._progress = self._measured_progress(ending_seconds)
        self._profiler = Profiler(config.folder, config.runtime.profile_steps if self._chief else ())

    def _measured_progress(self, ending_seconds: float) -> Progress:
        """The bar, with what an operation takes of the generator at the batch of the last phase."""
        config, replicas = self._config, self._strategy.num_replicas_in_sync
        last = config.schedule.phases[-1]
        with _naming_lack_of_memory(last, config.schedule):
            seconds = seconds_per_operation(self._state.generator, last.batch_size // replicas)
        return Progress(
            config.schedule, config.network, seconds / replicas, ending_seconds, shown=self._chief
        )

    def announce(self, manifest: Manifest) -> None:
        """Says what is about to be done (see `opening`)."""
        if not self._chief:
            return
        state, config = self._state, self._config
        device = strategies.device_in_words(self._strategy, config.runtime.precision)
        position = config.schedule.at_iteration(int(state.iteration.numpy()))
        seconds = (self._progress.seconds_left(position), self._progress.ending_seconds)
        parameters = state.parameters(state.generator.top_level)
        screen.say(opening(config, manifest, parameters, device, seconds, position))

    def run(self) -> None:
        """Trains from where the state stands to the end of the schedule."""
        try:
            while int(self._state.iteration.numpy()) < self._config.schedule.iterations:
                self._run_phase()
        finally:
            self._progress.end_phase()
            self._profiler.close()
            if self._summaries:
                self._summaries.close()

    def _run_phase(self) -> None:
        """Trains from where the run stands to the end of its phase, and writes a checkpoint.

        Returns early, somewhere before, where the run was rolled back to a checkpoint.
        """
        position = self._config.schedule.at_iteration(int(self._state.iteration.numpy()))
        phase = position.phase
        step = self._start_phase(position)
        metrics: Metrics = {}
        while position.iteration < phase.last_iteration and not self._stopping:
            # Not every iteration has every metric.
            due = self._config.optimization.due(position.iteration)
            metrics |= step(position, due)
            position = phase.position(position.iteration + 1 - phase.first_iteration)
            self._progress.update(position, metrics, due)
            if self._summaries:
                self._write_summaries(self._summaries, position, metrics)
            if self._rolled_back(position, metrics):
                self._progress.end_phase()
                if self._summaries:
                    self._summaries.go_back()
                return
            self._save_if_due()
        self._end_phase(position)

    def _start_phase(self, position: Position) -> Callable[[Position, Due], Metrics]:
        """Makes everything ready for the rest of a phase.

        Returns:
            A function that runs the iteration of a position with what is due in it, and gives its metrics.
        """
        phase = position.phase
        at_start = position.iteration == phase.first_iteration
        self._state.start_phase(phase.learning_rate, phase.resets_optimizers and at_start)
        train_step = self._train_step(phase)
        batches = self._open_batches(position)
        # For the grid beside the generated ones.
        self._real = self._real_samples(phase.resolution, GRID_IMAGES)
        wanted_distance = self._wanted_distances(phase)
        self._progress.start_phase(position)
        self._save_time, self._grid_image = time.monotonic(), position.image
        self._stopping = self._must_stop()

        def step(position: Position, due: Due) -> Metrics:
            self._profiler.before(position.iteration)
            with _naming_lack_of_memory(phase, self._config.schedule):
                metrics = train_step(
                    next(batches),
                    tf.constant(position.alpha, tf.float32),
                    tf.constant(self._label_weight(position), tf.float32),
                    tf.constant(wanted_distance(position.alpha), tf.float32),
                    tf.constant(self._config.average_rate(position), tf.float32),
                    **due._asdict(),
                )
            self._profiler.after(position.iteration + 1)
            return metrics

        return step

    def _make_train_step(self, phase: Phase) -> TrainStep:
        jit_compile = strategies.compiles(self._config.runtime.jit_compile)
        return make_train_step(self._state, self._strategy, phase, self._config.optimization, jit_compile)

    def _label_weight(self, position: Position) -> float:
        return self._config.schedule.label_weight(position.image)

    def _write_summaries(self, summaries: Summaries, position: Position, metrics: Metrics) -> None:
        """Writes the scalars, images and evaluations that are due at a position."""
        runtime = self._config.runtime
        if position.iteration % runtime.scalar_interval == 0:
            summaries.write_scalars(position, metrics, self._progress.images_per_second)
        if position.image - self._grid_image >= runtime.grid_interval:
            self._write_images(summaries, position)
            self._grid_image = position.image
        if self._evaluate:
            before = position.image - position.phase.batch_size
            if position.image // runtime.eval_interval > before // runtime.eval_interval:
                stage = (position.phase.level, position.alpha, self._label_weight(position))
                summaries.write_evaluation(position, self._evaluate(self._state.average, *stage))

    def _write_images(self, summaries: Summaries, position: Position) -> None:
        """Writes the grids, and what the discriminator makes of images that it was not trained on."""
        label_weight = self._label_weight(position)
        summaries.write_grids(position, self._real, label_weight)
        batch_size = position.phase.batch_size // self._strategy.num_replicas_in_sync
        found = watch_overfitting(self._config, self._state, position, batch_size, label_weight)
        summaries.write_evaluation(position, found)

    def _rolled_back(self, position: Position, metrics: Metrics) -> bool:
        """Notes whether to stop; if not, rolls the run back where training has diverged.

        Returns:
            Whether the run was rolled back.
        """
        due = position.iteration % CHECK_INTERVAL == 0 or position.iteration == position.phase.last_iteration
        if due or not strategies.is_multi_worker(self._strategy):
            self._stopping = self._must_stop()
        return due and not self._stopping and self._recovery.has_rolled_back(position, metrics)

    def _must_stop(self) -> bool:
        """Whether the run, that is any of its workers, was asked to stop."""
        return bool(strategies.total(self._strategy, self._stop_request.signal_number))

    def _save_if_due(self) -> None:
        """Writes a checkpoint if the newest is old enough."""
        elapsed = time.monotonic() - self._save_time
        if elapsed > 60 * self._config.runtime.checkpoint_minutes and self._recovery.save():
            self._save_time = time.monotonic()

    def _end_phase(self, position: Position) -> None:
        """Writes a checkpoint, and grids if the phase is over."""
        self._progress.end_phase()
        if self._summaries and position.iteration == position.phase.last_iteration:
            self._write_images(self._summaries, position)
        if not self._recovery.save():
            # Skipping or not, a phase's end and a stop are where a run goes on.
            self._checkpoints.save()
        if self._stopping:
            raise Interrupted(self._stop_request.signal_number or signal.SIGTERM)

    def _open_batches(self, position: Position) -> Iterator[Samples]:
        """The distributed batches from a position on."""
        optimization, phase = self._config.optimization, position.phase
        replicas = self._strategy.num_replicas_in_sync

        def open_share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            share = replicas // context.num_input_pipelines
            first = context.input_pipeline_id * share
            return open_samples(
                self._config.data_dir,
                phase.resolution,
                phase.batch_size,
                schema=self._config.label_schema,
                seed=optimization.seed,
                position=position.image,
                mirror=optimization.augment is Augmentation.MIRROR,
                replicas=replicas,
                replica_range=(first, first + share),
            )

        return iter(self._strategy.distribute_datasets_from_function(open_share))

    def _wanted_distances(self, phase: Phase) -> Callable[[float], float]:
        """How far apart images of the same labels should be, by alpha: see `mrisynth.training.diversity`."""
        if not (self._config.label_schema.width and self._config.optimization.diversity):
            return lambda alpha: 0.0
        high = self._wanted_distance(phase.resolution)
        low = self._wanted_distance(phase.resolution // 2) if phase.fading else high
        return lambda alpha: low + alpha * (high - low)

    def _wanted_distance(self, resolution: int) -> float:
        config = self._config
        # Two data sets of the same order; without repeating, no sample is its own neighbor.
        which = (config.data_dir, resolution, diversity.SAMPLES)
        order = {"seed": config.optimization.seed, "repeat": False}
        samples = next(iter(open_samples(*which, schema=config.label_schema, **order)))
        subjects = next(iter(open_dataset(*which, labels=True, **order)))["subject"].numpy()
        return diversity.wanted_distance(samples, subjects, config.label_schema)

    def _real_samples(self, resolution: int, count: int) -> Samples:
        """Real samples, the same ones at every resolution."""
        config = self._config
        samples = open_samples(
            config.data_dir, resolution, count, schema=config.label_schema, seed=config.optimization.seed
        )
        return next(iter(samples))
