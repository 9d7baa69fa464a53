"""What a run will need: time, memory and disk of every phase, and what of that the machine has not got.

Arithmetic without TensorFlow; `mrisynth.dry_run.measure` finds the numbers of the machine.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence

from mrisynth.networks.memory import discriminator_parameters, generator_parameters, training_bytes
from mrisynth.training import throughput
from mrisynth.training.config import TrainingConfig
from mrisynth.training.schedule import Phase

_MIB, _GIB = 2**20, 2**30
_UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Machine:
    """What a run is given.

    Attributes:
        device: What has the memory, as in "the GPU's".
        replicas: That share a batch.
        replicas_in_memory: That share the device's memory.
        memory: Bytes of the device that training may take; None if unknown.
        disk: Bytes that the run's folder may grow to; None if unknown.
        dtype_policy: "float32" or "mixed_bfloat16".
    """

    device: str
    replicas: int
    replicas_in_memory: int
    memory: int | None
    disk: int | None
    dtype_policy: str


@dataclasses.dataclass(frozen=True)
class Trial:
    """What a few real training steps showed.

    Attributes:
        pace: Of the levels that were timed, and what follows from it for the others.
        peaks: Bytes that a level took, where the device tells.
        exhausted: Levels that the device had not memory enough for.
        checkpoint_bytes: Of one checkpoint.
    """

    pace: throughput.Pace
    peaks: dict[int, int]
    exhausted: frozenset[int]
    checkpoint_bytes: int


@dataclasses.dataclass(frozen=True)
class PhaseForesight:
    """What a phase will need.

    Attributes:
        phase: The phase.
        images_per_replica: Of a batch.
        parameters: Weights of both networks that the phase trains.
        seconds_per_iteration: Infinite if unknown.
        timed: Whether that was measured and not foretold.
        memory: Bytes on a device at the peak.
        memory_measured: Whether that was measured and not estimated.
    """

    phase: Phase
    images_per_replica: int
    parameters: int
    seconds_per_iteration: float
    timed: bool
    memory: int
    memory_measured: bool

    @property
    def seconds(self) -> float:
        """Of the whole phase."""
        return self.phase.iterations * self.seconds_per_iteration


@dataclasses.dataclass(frozen=True)
class Foresight:
    """What a whole run will need.

    Attributes:
        config: The run.
        machine: Where it is to run.
        phases: One for every phase of the schedule.
        checkpoint_bytes: Of one checkpoint.
        checkpoints: How many are kept at the end.
        operations_per_second: That training reaches where it was not timed.
        problems: A sentence for everything that keeps the run from its end, each naming its flag.
    """

    config: TrainingConfig
    machine: Machine
    phases: tuple[PhaseForesight, ...]
    checkpoint_bytes: int
    checkpoints: int
    operations_per_second: float
    problems: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Of the whole schedule; infinite if unknown."""
        return sum(phase.seconds for phase in self.phases)

    @property
    def too_long(self) -> str | None:
        """A sentence for a run that would take months."""
        return throughput.too_long(self.seconds, self.operations_per_second)


def make_foresight(
    config: TrainingConfig, machine: Machine, trial: Trial, checkpoints: int, batch_problems: Sequence[str]
) -> Foresight:
    """Puts together what is known of a run.

    Args:
        config: The run.
        machine: Where it is to run.
        trial: What a few steps showed.
        checkpoints: How many the run keeps.
        batch_problems: Batches that cannot be dealt out, a sentence each.
    """
    phases = tuple(_phase_foresight(config, machine, trial, phase) for phase in config.schedule.phases)
    disk = _disk_problem(config, machine, checkpoints * trial.checkpoint_bytes)
    problems = (*batch_problems, *_memory_problems(config, machine, trial, phases), *disk)
    return Foresight(
        config,
        machine,
        phases,
        trial.checkpoint_bytes,
        checkpoints,
        trial.pace.operations_per_second(),
        problems,
    )


def estimated_memory(config: TrainingConfig, machine: Machine, level: int, batch_size: int) -> int:
    """Bytes that a level's training takes on a device at a global batch."""
    images = -(-batch_size // machine.replicas) * machine.replicas_in_memory
    return training_bytes(config.network, level, images, machine.dtype_policy)


def _phase_foresight(config: TrainingConfig, machine: Machine, trial: Trial, phase: Phase) -> PhaseForesight:
    network, level = config.network, phase.level
    speed = trial.pace.images_per_second(level)
    return PhaseForesight(
        phase,
        images_per_replica=-(-phase.batch_size // machine.replicas),
        parameters=generator_parameters(network, level, phase.fading)
        + discriminator_parameters(network, level, phase.fading),
        seconds_per_iteration=phase.batch_size / speed if speed else math.inf,
        timed=trial.pace.is_measured(level),
        memory=trial.peaks.get(level) or estimated_memory(config, machine, level, phase.batch_size),
        memory_measured=level in trial.peaks,
    )


def _memory_problems(
    config: TrainingConfig, machine: Machine, trial: Trial, phases: Sequence[PhaseForesight]
) -> list[str]:
    """A sentence for every resolution whose batch the device has not memory enough for."""
    available = machine.memory or math.inf
    too_large = {
        found.phase.resolution: found
        for found in phases
        if found.memory > available or found.phase.level in trial.exhausted
    }
    problems = []
    for resolution, found in too_large.items():
        level, batch = found.phase.level, found.phase.batch_size
        if found.memory > available:
            need = f"need about {size(found.memory)} of {machine.device} {size(available)}"
        else:
            need = f"{machine.device} memory does not hold"
        fitting = _largest_fitting(config, machine, level, batch, min(available, found.memory))
        advice = f"{resolution}:{fitting}" if fitting else "a smaller --fmap_base or --fmap_max"
        problems.append(
            f"--batch_sizes gives {batch} images at {resolution}x{resolution}, which {need}; use {advice}"
        )
    return problems


def _largest_fitting(
    config: TrainingConfig, machine: Machine, level: int, batch_size: int, limit: float
) -> int | None:
    """The largest smaller batch within a limit whose share is a power of two, which any group divides."""
    share = 1 << (-(-batch_size // machine.replicas)).bit_length()
    while share:
        batch = share * machine.replicas
        if batch < batch_size and estimated_memory(config, machine, level, batch) <= limit:
            return batch
        share //= 2
    return None


def _disk_problem(config: TrainingConfig, machine: Machine, needed: int) -> list[str]:
    if machine.disk is None or needed <= machine.disk:
        return []
    return [
        f"--run_dir={config.run_dir} needs {size(needed)} for checkpoints, and its disk has "
        f"{size(machine.disk)}; use a --run_dir on a disk that has more"
    ]


def size(count: float) -> str:
    """Bytes as people read them, such as "3.2 GiB"."""
    unit, name = (_GIB, "GiB") if count >= _GIB else (_MIB, "MiB")
    return f"{count / unit:,.{1 if count < 9.95 * unit else 0}f} {name}"


_COLUMNS: Sequence[tuple[str, Callable[[PhaseForesight], str]]] = (
    ("phase", lambda found: found.phase.name),
    ("batch", lambda found: f"{found.phase.batch_size:,}"),
    ("per replica", lambda found: f"{found.images_per_replica:,}"),
    ("iterations", lambda found: f"{found.phase.iterations:,}"),
    ("images", lambda found: f"{found.phase.images:,}"),
    ("parameters", lambda found: f"{found.parameters:,}"),
    ("ms/iteration", lambda found: _time(found, f"{1000 * found.seconds_per_iteration:,.0f}")),
    ("images/s", lambda found: _time(found, _speed(found.phase.batch_size / found.seconds_per_iteration))),
    ("time", lambda found: _time(found, throughput.duration(found.seconds))),
    ("peak memory", lambda found: ("" if found.memory_measured else "~") + size(found.memory)),
)


def _speed(images_per_second: float) -> str:
    return f"{images_per_second:,.{1 if images_per_second >= 1 else 3}f}"


def _time(found: PhaseForesight, text: str) -> str:
    if math.isinf(found.seconds_per_iteration):
        return _UNKNOWN
    return text if found.timed else f"~{text}"


def table(foresight: Foresight) -> str:
    """A row for every phase; what was foretold and not measured is marked with "~"."""
    rows = [[name for name, _ in _COLUMNS]]
    rows += [[text(found) for _, text in _COLUMNS] for found in foresight.phases]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def summary(foresight: Foresight) -> str:
    """What the whole run needs and what there is of it, a line each."""
    config, machine, network = foresight.config, foresight.machine, foresight.config.network
    generator = generator_parameters(network, network.top_level) / 1e6
    discriminator = discriminator_parameters(network, network.top_level) / 1e6
    largest = max(foresight.phases, key=lambda found: found.memory)
    memory = _UNKNOWN if machine.memory is None else size(machine.memory)
    disk = _UNKNOWN if machine.disk is None else size(machine.disk)
    checkpoints = foresight.checkpoints * foresight.checkpoint_bytes
    data = f"{config.phantom_subjects} head phantoms would be drawn"
    time = "unknown" if math.isinf(foresight.seconds) else f"about {throughput.duration(foresight.seconds)}"
    lines = {
        "parameters": f"generator {generator:.1f} M, discriminator {discriminator:.1f} M",
        "peak memory": f"about {size(largest.memory)} in {largest.phase.name}; "
        f"{machine.device} memory: {memory}",
        "checkpoints": f"{foresight.checkpoints} of {size(foresight.checkpoint_bytes)}, "
        f"{size(checkpoints)} in all; free for {config.run_dir}: {disk}",
        "data": str(config.data_dir) if config.phantom_subjects is None else data,
        "time": f"{time} for {config.schedule.iterations:,} iterations, {config.schedule.images:,} images, "
        f"on {machine.replicas} replica(s) in {machine.dtype_policy}",
    }
    lines["~"] = "foretold or estimated, not measured"
    return "\n".join(f"{name:12} {text}" for name, text in lines.items())
