"""Measures a few real training steps at every resolution, and what the machine has; writes nothing."""

from __future__ import annotations

import collections
import contextlib
import functools
import math
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Callable

import tensorflow as tf

from mrisynth import screen
from mrisynth.data.samples import Samples
from mrisynth.dry_run.estimate import Measurements
from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import activations, training_operations
from mrisynth.run_folder import RunFolder
from mrisynth.training import checkpoints, strategies
from mrisynth.training.config import Due, OptimizationConfig, TrainingConfig
from mrisynth.training.schedule import Phase
from mrisynth.training.state import TrainingState
from mrisynth.training.throughput import CostPerImage
from mrisynth.training.train_step import TrainStep, make_train_step
from mrisynth.training.trainer import check_data

_LONGEST_STEP_SECONDS = 20.0
_TIMED_SECONDS = 2.0
_PROCESS = pathlib.Path("/proc/self")
_MEMORY_TABLE = pathlib.Path("/proc/meminfo")
_MEMORY_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")


def measure(config: TrainingConfig, strategy: tf.distribute.Strategy) -> Measurements:
    """Runs training steps on random images at every resolution where they do not take long.

    Nothing is written, and no phantoms are drawn.

    Raises:
        UserError: If the run's folder holds another run or its data set is not there, is damaged, or has too
            small images.
    """
    if config.phantom_subjects is None:
        config, _ = check_data(config)
    else:
        checkpoints.check_run_dir(config)
    if config.runtime.deterministic:
        tf.config.experimental.enable_op_determinism()
    device_memory = _gpu_memory() if _gpus() else _available_memory()
    policy, optimization = strategies.dtype_policy(config.runtime.precision), config.optimization
    held, phases = _reset_peak_memory(), config.schedule.phases
    with strategy.scope():
        state = TrainingState(
            config.network, policy, optimization.seed, optimization.optimizer, config.label_schema
        )
    found = Measurements(
        device="the GPU's" if _gpus() else "the machine's",
        device_memory=device_memory,
        free_disk=_free_disk(config.folder),
        replicas=strategy.num_replicas_in_sync,
        dtype_policy=policy,
        seconds=CostPerImage(functools.partial(training_operations, config.network)),
        memory=CostPerImage(functools.partial(activations, config.network)),
        state_memory=None if held is None else max(0, peak_memory() - held),
        out_of_memory=set(),
        batch_problems=_batch_problems(config, strategy.num_replicas_in_sync),
        parameters={phase.name: state.parameters(phase.level, phase.fading) for phase in phases},
        checkpoint_bytes=checkpoint_bytes(state),
        # The newest ones; the last of every phase is kept as well.
        checkpoints=checkpoints.KEPT + len(phases),
    )
    # The last phase of a level does not fade it in, which takes hardly longer.
    last = {phase.level: phase for phase in phases}.values()
    for phase in screen.counted(last, "timing every resolution"):
        seconds = phase.batch_size * found.seconds.at(phase.level)
        takes_long = _LONGEST_STEP_SECONDS < seconds < math.inf
        fits = phase.resolution not in found.batch_problems and found.fits(phase.level, phase.batch_size)
        # Several workers step together or not at all.
        if strategies.total(strategy, int(takes_long or not fits)) == 0:
            _measure_phase(config, strategy, state, phase, held, found)
    return found


def _measure_phase(
    config: TrainingConfig,
    strategy: tf.distribute.Strategy,
    state: TrainingState,
    phase: Phase,
    held: int | None,
    found: Measurements,
) -> None:
    """Takes down what a phase's steps take; `held` is the memory in use before there were networks."""
    _reset_peak_memory()
    try:
        seconds = _seconds_of_phase(config, strategy, state, phase)
    except tf.errors.ResourceExhaustedError:
        found.out_of_memory.add(phase.level)
        return
    found.seconds.measure(phase.level, seconds / phase.batch_size)
    if held is not None:
        grown = max(0, peak_memory() - held - found.state_memory)
        found.memory.measure(phase.level, grown / phase.batch_size)


def _seconds_of_phase(
    config: TrainingConfig, strategy: tf.distribute.Strategy, state: TrainingState, phase: Phase
) -> float:
    """Seconds that a step of a phase takes, measured with random samples."""
    optimization = config.optimization
    jit_compile = strategies.compiles(config.runtime.jit_compile)
    step = make_train_step(state, strategy, phase, optimization, jit_compile)
    state.start_phase(phase.learning_rate, resets_optimizers=False)
    samples = random_samples(strategy, phase, config.network, config.label_schema.width)
    return seconds_per_step(step, samples, optimization, _TIMED_SECONDS, strategy)


def seconds_per_step(
    step: TrainStep,
    samples: Samples,
    optimization: OptimizationConfig,
    enough: float,
    strategy: tf.distribute.Strategy | None = None,
) -> float:
    """Mean over the kinds of steps that there are: with the penalty or not, with the generator's or not.

    Args:
        step: What `make_train_step` made, of this optimization.
        samples: One batch, for every step.
        optimization: Says how often there is a penalty, and a step of the generator.
        enough: Seconds to measure for, compilation not counted.
        strategy: As in `seconds_per_call`.
    """
    alpha = tf.constant(1.0)
    cycle = range(math.lcm(optimization.gp_interval, optimization.critic_steps))
    kinds = collections.Counter(map(optimization.due, cycle))

    def seconds(kind: Due) -> float:
        def run() -> object:
            return step(samples, alpha, **kind._asdict())["score_difference"].numpy()

        return seconds_per_call(run, enough / len(kinds), strategy)

    return sum(count * seconds(kind) for kind, count in kinds.items()) / len(cycle)


def random_samples(
    strategy: tf.distribute.Strategy, phase: Phase, network: NetworkConfig, label_width: int = 0
) -> Samples:
    """A phase's batch of noise in [-1, 1), no label known, dealt out as the strategy's data set would be."""
    share, space = phase.batch_size // strategy.num_replicas_in_sync, (phase.resolution,) * network.rank
    shape, labels = [share, *space, network.channels], tf.zeros([share, label_width])
    return strategy.experimental_distribute_values_from_function(
        lambda _: Samples(tf.random.stateless_uniform(shape, [0, 0], minval=-1.0), labels)
    )


def seconds_per_call(
    call: Callable[[], object], enough: float, strategy: tf.distribute.Strategy | None = None
) -> float:
    """Mean over as many calls as some seconds hold, at least one, after a first one that compiles.

    Args:
        call: What is timed; returns when it is done.
        enough: Seconds to go on for.
        strategy: Its workers, if there are several, call together; the current one if None.
    """
    strategy = strategy or tf.distribute.get_strategy()
    call()
    start, calls, done = time.perf_counter(), 0, False
    while not done:
        call()
        calls += 1
        done = bool(strategies.from_chief(strategy, int(time.perf_counter() - start > enough)))
    return (time.perf_counter() - start) / calls


def checkpoint_bytes(state: TrainingState) -> int:
    """Bytes of the variables in one checkpoint; its file is larger by a few kilobytes."""
    checkpoint = state.checkpoint()  # The view itself does not keep it.
    kept = tf.train.TrackableView(checkpoint).descendants()
    variables = [variable for variable in kept if isinstance(variable, tf.Variable)]
    return sum(variable.shape.num_elements() * variable.dtype.size for variable in variables)


def _batch_problems(config: TrainingConfig, replicas: int) -> dict[int, str]:
    """What is wrong with a batch, by its resolution, for every one with which something is wrong."""
    problems = {}
    for resolution, batch in config.schedule.used_batch_sizes.items():
        try:
            strategies.check_batches({resolution: batch}, replicas)
        except UserError as error:
            problems[resolution] = str(error)
    return problems


def _gpus() -> list[str]:
    """The GPUs' names, as in "GPU:0"."""
    return [device.name.removeprefix("/device:") for device in tf.config.list_logical_devices("GPU")]


def _reset_peak_memory() -> int | None:
    """Sets the peak to what is held now, where the system can, and returns it."""
    for gpu in _gpus():
        tf.config.experimental.reset_memory_stats(gpu)
    with contextlib.suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")
    return peak_memory()


def peak_memory() -> int | None:
    """Most bytes held since the peak was reset, by TensorFlow on a GPU, else by this process."""
    peaks = [tf.config.experimental.get_memory_info(gpu)["peak"] for gpu in _gpus()]
    return max(peaks) if peaks else process_peak_memory()


def process_peak_memory() -> int | None:
    """Most bytes of memory that this process has held; None where the system does not tell."""
    if (_PROCESS / "status").exists():
        # getrusage starts at the peak of the process that started this one.
        return 1024 * int(re.search(r"VmHWM:\s+(\d+)", (_PROCESS / "status").read_text())[1])
    try:
        import resource
    except ImportError:
        return None
    # macOS counts in bytes, others in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _gpu_memory() -> int:
    """Bytes that TensorFlow may take of the smallest GPU."""
    # The public API tells what is in use, not how much there is.
    from tensorflow.python.client import device_lib

    devices = device_lib.list_local_devices()
    return min(device.memory_limit for device in devices if device.device_type == "GPU")


def _available_memory() -> int | None:
    """Bytes that this process may still take without swapping; None where the system does not tell."""
    if not _MEMORY_TABLE.exists():
        return None
    available = 1024 * int(re.search(r"MemAvailable:\s+(\d+)", _MEMORY_TABLE.read_text())[1])
    limit = _MEMORY_LIMIT.read_text().strip() if _MEMORY_LIMIT.exists() else ""
    return min(available, int(limit)) if limit.isdecimal() else available


def _free_disk(folder: RunFolder) -> int | None:
    """Bytes that the checkpoints in the run's folder, which need not be there yet, may take."""
    checkpoints_folder = folder.checkpoints.absolute()
    parents = (checkpoints_folder, *checkpoints_folder.parents)
    existing = next(path for path in parents if path.exists())
    taken = [path.stat().st_size for path in existing.iterdir()] if existing == parents[0] else []
    with contextlib.suppress(OSError):
        return shutil.disk_usage(existing).free + sum(taken)
    return None
