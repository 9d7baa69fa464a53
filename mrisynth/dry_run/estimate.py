"""What a run will need, from what a few of its steps took; arithmetic without TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

from mrisynth.networks.config import level_of
from mrisynth.screen import duration
from mrisynth.training.config import TrainingConfig
from mrisynth.training.opening import parameters_in_words
from mrisynth.training.schedule import Phase
from mrisynth.training.throughput import CostPerImage, too_long

_MIB, _GIB = 2**20, 2**30
_HALF_PRECISION_BYTES = 2
_UNKNOWN = "unknown"


@dataclasses.dataclass(frozen=True)
class Measurements:
    """What a machine gives a run, and what a few training steps took on it.

    Attributes:
        device: What has the memory, as in "the GPU's".
        device_memory: Bytes of it that training may take; None if unknown.
        free_disk: Bytes that the run's folder may grow to; None if unknown.
        replicas: Number of replicas that share a batch.
        dtype_policy: "float32" or "mixed_bfloat16".
        seconds: Seconds for an image of the global batch.
        memory: Bytes on a device, at the peak, for an image of the global batch.
        state_memory: Bytes there for networks and optimizers; None where memory cannot be measured.
        out_of_memory: Levels that the device had not memory enough for.
        batch_problems: What is wrong with a batch that cannot be dealt out, by its resolution.
        parameters: Weights that a phase trains, by its name: the generator's and the discriminator's.
        checkpoint_bytes: Size of one checkpoint.
        checkpoints: Number of checkpoints that are there at the end.
    """

    device: str
    device_memory: int | None
    free_disk: int | None
    replicas: int
    dtype_policy: str
    seconds: CostPerImage
    memory: CostPerImage
    state_memory: int | None
    out_of_memory: set[int]
    batch_problems: Mapping[int, str]
    parameters: Mapping[str, tuple[int, int]]
    checkpoint_bytes: int
    checkpoints: int

    def peak_memory(self, level: int, batch_size: int) -> int | None:
        """Bytes that training with a global batch takes of a device's memory; None if unknown."""
        if self.state_memory is None:
            return None
        per_image = self.memory.at(level)
        if math.isinf(per_image):
            # Nothing was measured yet: no less than every activation once.
            per_image = _HALF_PRECISION_BYTES * self.memory.size(level) / self.replicas
        return round(self.state_memory + batch_size * per_image)

    def fits(self, level: int, batch_size: int) -> bool:
        """Whether a device's memory is expected to hold a global batch; true if nothing is known."""
        return (self.peak_memory(level, batch_size) or 0) <= (self.device_memory or math.inf)


def find_problems(config: TrainingConfig, found: Measurements) -> list[str]:
    """What keeps the run from its end: sentences that name a flag and a value that would do."""
    problems = list(found.batch_problems.values())
    for resolution, batch in config.schedule.used_batch_sizes.items():
        level = level_of(resolution)
        if not found.fits(level, batch):
            needed, available = size(found.peak_memory(level, batch)), size(found.device_memory)
            need = f"need about {needed} of {found.device} {available}"
        elif level in found.out_of_memory:
            need = f"{found.device} memory does not hold"
        else:
            continue
        fitting = _largest_fitting(found, level, batch)
        advice = f"{resolution}:{fitting}" if fitting else "a smaller --fmap_base or --fmap_max"
        problems.append(
            f"--batch_sizes gives {batch} images at {resolution}x{resolution}, which {need}; use {advice}"
        )
    needed = found.checkpoints * found.checkpoint_bytes
    if found.free_disk is not None and needed > found.free_disk:
        problems.append(
            f"--run_dir={config.run_dir} needs {size(needed)} for checkpoints, and its disk has "
            f"{size(found.free_disk)}; use a --run_dir on a disk that has more"
        )
    return problems


def _largest_fitting(found: Measurements, level: int, batch_size: int) -> int | None:
    """The largest smaller batch that fits and whose share is a power of two, which any group divides."""
    shares = (2**exponent for exponent in reversed(range(batch_size.bit_length())))
    batches = (share * found.replicas for share in shares)
    return next((batch for batch in batches if batch < batch_size and found.fits(level, batch)), None)


def table(config: TrainingConfig, found: Measurements) -> str:
    """A row for every phase; what is estimated and not measured is marked with "~"."""
    header = "phase,batch,per replica,iterations,images,parameters,ms/iteration,images/s,time,peak memory"
    rows = [header.split(","), *(_row(found, phase) for phase in config.schedule.phases)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _row(found: Measurements, phase: Phase) -> list[str]:
    share = -(-phase.batch_size // found.replicas)
    counts = (phase.batch_size, share, phase.iterations, phase.images, sum(found.parameters[phase.name]))
    seconds, texts = found.seconds.at(phase.level), [_UNKNOWN] * 3
    if math.isfinite(seconds):
        speed = f"{1 / seconds:,.{1 if seconds <= 1 else 3}f}"
        texts = [f"{1000 * phase.batch_size * seconds:,.0f}", speed, duration(phase.images * seconds)]
    texts.append(size(found.peak_memory(phase.level, phase.batch_size)))
    mark = "" if found.seconds.is_measured(phase.level) else "~"
    measured = (text if text == _UNKNOWN else mark + text for text in texts)
    return [phase.name, *map("{:,}".format, counts), *measured]


def run_seconds(config: TrainingConfig, found: Measurements) -> float:
    """Seconds of the whole schedule; infinite if unknown."""
    return sum(phase.images * found.seconds.at(phase.level) for phase in config.schedule.phases)


def summary(config: TrainingConfig, found: Measurements) -> str:
    """What the whole run needs and what there is of it, a line each; last, whether it would take months."""
    schedule, seconds = config.schedule, run_seconds(config, found)
    needs = {each.name: found.peak_memory(each.level, each.batch_size) or 0 for each in schedule.phases}
    largest = max(needs, key=needs.get)
    memory = f"about {size(needs[largest])} in {largest}" if needs[largest] else "not measured"
    kept = f"{found.checkpoints} of {size(found.checkpoint_bytes)}"
    data = f"{config.phantom_subjects} head phantoms would be drawn"
    time = f"about {duration(seconds)}" if math.isfinite(seconds) else _UNKNOWN
    lines = {
        "parameters": parameters_in_words(found.parameters[schedule.phases[-1].name]),
        "peak memory": f"{memory}; {found.device} memory: {size(found.device_memory)}",
        "checkpoints": f"{kept}, {size(found.checkpoints * found.checkpoint_bytes)} in all; free for "
        f"{config.run_dir}: {size(found.free_disk)}",
        "data": str(config.data_dir) if config.phantom_subjects is None else data,
        "time": f"{time} for {schedule.iterations:,} iterations, {schedule.images:,} images, "
        f"on {found.replicas} replica(s) in {found.dtype_policy}",
        "~": "estimated, not measured",
    }
    months = too_long(seconds, 1 / found.seconds.of_a_unit())
    return "\n".join([*(f"{name:12} {text}" for name, text in lines.items()), *filter(None, [months])])


def size(count: float | None) -> str:
    """Bytes as people read them, such as "3.2 GiB"; "unknown" for None."""
    if count is None:
        return _UNKNOWN
    unit, name = (_GIB, "GiB") if count >= _GIB else (_MIB, "MiB")
    return f"{count / unit:,.{1 if count < 9.95 * unit else 0}f} {name}"
