"""A trial of a run that writes nothing: a few real training steps, and what the machine has.

What follows from the numbers found here is worked out in `mrisynth.dry_run.estimate`.
"""

from __future__ import annotations

import collections
import math
import os
import pathlib
import shutil
import time
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tqdm

from mrisynth.dry_run.estimate import Foresight, Machine, Trial, estimated_memory, make_foresight
from mrisynth.errors import UserError
from mrisynth.training import checkpoints, strategies, throughput
from mrisynth.training.config import TrainingConfig
from mrisynth.training.schedule import Phase
from mrisynth.training.state import TrainingState
from mrisynth.training.train_step import make_train_step
from mrisynth.training.trainer import check_data

_LONGEST_STEP_SECONDS = 20.0
_TIMED_SECONDS = 2.0
_MEMORY_TABLE = pathlib.Path("/proc/meminfo")
_MEMORY_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")


def foresee(config: TrainingConfig, strategy: tf.distribute.Strategy) -> Foresight:
    """Foretells a whole run from a few training steps on random images at every resolution.

    Nothing is written, and no phantoms are drawn.

    Args:
        config: The run.
        strategy: That it is to run under.

    Raises:
        UserError: If the run's folder holds another run or its data set is not there, is damaged, or has too
            small images.
    """
    if config.phantom_subjects is None:
        check_data(config)
    else:
        checkpoints.check_run_dir(config)
    if config.runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    machine = find_machine(config, strategy)
    problems = _batch_problems(config, machine.replicas)
    trial = _try(config, strategy, machine, frozenset(problems))
    # The newest ones; the last of every phase is kept as well.
    kept = checkpoints.KEPT + len(config.schedule.phases)
    return make_foresight(config, machine, trial, kept, list(problems.values()))


def find_machine(config: TrainingConfig, strategy: tf.distribute.Strategy) -> Machine:
    """What the run is given on this machine."""
    replicas = strategy.num_replicas_in_sync
    on_gpu = bool(tf.config.list_logical_devices("GPU"))
    return Machine(
        device="the GPU's" if on_gpu else "the machine's",
        replicas=replicas,
        replicas_in_memory=1 if on_gpu else strategies.local_replicas(strategy),
        memory=_gpu_memory() if on_gpu else _available_memory(),
        disk=_free_disk(config.run_dir),
        dtype_policy=strategies.dtype_policy(config.runtime.precision),
    )


def _gpu_memory() -> int | None:
    """Bytes that TensorFlow may take of the smallest GPU."""
    # The public API tells what is in use, not how much there is.
    from tensorflow.python.client import device_lib

    limits = [
        device.memory_limit for device in device_lib.list_local_devices() if device.device_type == "GPU"
    ]
    return min(limits, default=None)


def _available_memory() -> int | None:
    """Bytes that this process may still take without swapping."""
    if _MEMORY_TABLE.exists():
        lines = dict(line.split(":", 1) for line in _MEMORY_TABLE.read_text().splitlines())
        available = 1024 * int(lines["MemAvailable"].split()[0])
    else:
        try:
            available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            return None
    limit = _MEMORY_LIMIT.read_text().strip() if _MEMORY_LIMIT.exists() else ""
    return min(available, int(limit)) if limit.isdecimal() else available


def _free_disk(run_dir: pathlib.Path) -> int | None:
    """Bytes that the checkpoints in the run's folder, which need not be there yet, may take."""
    folder = run_dir.absolute()
    taken = sum(path.stat().st_size for path in folder.glob("checkpoints/*") if path.is_file())
    while not folder.exists():
        folder = folder.parent
    try:
        return shutil.disk_usage(folder).free + taken
    except OSError:
        return None


def checkpoint_bytes(state: TrainingState) -> int:
    """Bytes of the variables in one checkpoint; its file is larger by a few kilobytes."""
    checkpoint = state.checkpoint()
    kept = tf.train.TrackableView(checkpoint).descendants()
    variables = [variable for variable in kept if isinstance(variable, tf.Variable)]
    return sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)


def _batch_problems(config: TrainingConfig, replicas: int) -> dict[int, str]:
    """What is wrong with the batch of a resolution, for every one with which something is wrong."""
    problems = {}
    for resolution, batch in config.schedule.used_batch_sizes.items():
        try:
            strategies.check_batches({resolution: batch}, replicas)
        except UserError as error:
            problems[resolution] = str(error)
    return problems


def _try(
    config: TrainingConfig, strategy: tf.distribute.Strategy, machine: Machine, impossible: frozenset[int]
) -> Trial:
    """Times as many resolutions as can be timed soon, from the smallest on.

    Args:
        config: The run.
        strategy: That it is to run under.
        machine: What it is given.
        impossible: Resolutions whose batch cannot be dealt out.
    """
    with strategy.scope():
        optimization = config.optimization
        state = TrainingState(config.network, machine.dtype_policy, optimization.seed, optimization.optimizer)
    rate = machine.replicas * strategies.matrix_product_rate(state.generator.compute_dtype)
    trial = _Trial(config, strategy, state, throughput.Pace(config.network, rate))
    # The last phase of a level does not fade it in, which takes hardly longer.
    phases = {phase.level: phase for phase in config.schedule.phases}
    with tqdm.tqdm(
        phases.values(), desc="timing", bar_format="{desc} |{bar}| {n_fmt}/{total_fmt}", leave=False
    ) as bar:
        for phase in bar:
            bar.set_description_str(f"timing {phase.resolution}x{phase.resolution}")
            memory = estimated_memory(config, machine, phase.level, phase.batch_size)
            fits = phase.resolution not in impossible and memory <= (machine.memory or memory)
            # Several workers step together or not at all.
            if strategies.total(strategy, int(not fits)) == 0:
                trial.time(phase)
    return Trial(trial.pace, trial.peaks, frozenset(trial.exhausted), checkpoint_bytes(state))


class _Trial:
    """Times levels; one that would take long is left to be foretold.

    Attributes:
        pace: What was measured.
        peaks: Bytes that a level took on a GPU.
        exhausted: Levels that the device had not memory enough for.
    """

    def __init__(
        self,
        config: TrainingConfig,
        strategy: tf.distribute.Strategy,
        state: TrainingState,
        pace: throughput.Pace,
    ) -> None:
        self._config = config
        self._strategy = strategy
        self._state = state
        self._longest = 0.0
        self.pace = pace
        self.peaks: dict[int, int] = {}
        self.exhausted: set[int] = set()

    def time(self, phase: Phase) -> None:
        """Times a phase's step, unless it or one before it takes long."""
        foretold = phase.batch_size / self.pace.images_per_second(phase.level)
        takes_long = max(foretold, self._longest) > _LONGEST_STEP_SECONDS
        if strategies.from_chief(self._strategy, int(takes_long)):
            return
        gpus = [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]
        for gpu in gpus:
            tf.config.experimental.reset_memory_stats(gpu)
        try:
            seconds = self._seconds_per_step(phase)
        except tf.errors.ResourceExhaustedError:
            self.exhausted.add(phase.level)
            return
        self._longest = max(self._longest, seconds)
        self.pace.measure(phase.level, phase.batch_size / seconds)
        if gpus:
            self.peaks[phase.level] = max(tf.config.experimental.get_memory_info(gpu)["peak"] for gpu in gpus)

    def _seconds_per_step(self, phase: Phase) -> float:
        """Mean over as many steps as a short time holds, after a first one that compiles."""
        jit_compile = strategies.compiles(self._config.runtime.jit_compile)
        step = make_train_step(self._state, self._strategy, phase, self._config.optimization, jit_compile)
        self._state.start_phase(phase.learning_rate, resets_optimizers=False)
        images = self._random_images(phase)
        optimization = self._config.optimization
        cycle = range(math.lcm(optimization.gp_interval, optimization.critic_steps))
        kinds = collections.Counter((optimization.penalizes(i), optimization.generates(i)) for i in cycle)
        seconds = 0.0
        for (penalizes, generates), count in kinds.items():

            def run(penalizes: bool = penalizes, generates: bool = generates) -> None:
                metrics = step(images, tf.constant(1.0), penalizes=penalizes, generates=generates)
                metrics["wasserstein_estimate"].numpy()

            seconds += count / len(cycle) * self._seconds_per_call(run, _TIMED_SECONDS / len(kinds))
        return seconds

    def _seconds_per_call(self, run: Callable[[], None], enough: float) -> float:
        """Mean over as many calls as some seconds hold, at least one, after a first one that compiles."""
        run()
        start, calls, done = time.perf_counter(), 0, False
        while not done:
            run()
            calls += 1
            done = bool(strategies.from_chief(self._strategy, int(time.perf_counter() - start > enough)))
        return (time.perf_counter() - start) / calls

    def _random_images(self, phase: Phase) -> Any:
        """A batch of noise in [-1, 1), as the strategy's data set would deal it out."""
        share = phase.batch_size // self._strategy.num_replicas_in_sync
        shape = [share, phase.resolution, phase.resolution, self._config.network.channels]
        return self._strategy.experimental_distribute_values_from_function(
            lambda _: tf.random.stateless_uniform(shape, [0, 0], minval=-1.0)
        )
