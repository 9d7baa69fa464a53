"""How fast training and generation are on this machine, beside the input pipeline.

Machines are noisy, so whatever is compared is measured in one process, in turns, and reported by medians.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from mrisynth.benchmarks.data import reading
from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.dry_run.measure import random_samples, seconds_per_call, seconds_per_step
from mrisynth.networks.config import ATTENTION_CHANNELS, NetworkConfig
from mrisynth.networks.flops import training_operations
from mrisynth.training.config import OptimizationConfig
from mrisynth.training.schedule import GrowthSchedule
from mrisynth.training.state import TrainingState
from mrisynth.training.train_step import make_train_step

_MIN_SECONDS = 1.0
_MATRIX_SIZE = 2048
_MATRIX_SECONDS = 0.2
ATTENTION_MAPS = (32, 64)
"""Sizes of the discriminator's maps on which the cost of attention is measured, where there are such maps."""


@dataclasses.dataclass(frozen=True)
class AttentionCost:
    """What self-attention on one size of the discriminator's maps adds to the training step.

    Attributes:
        maps: Their resolution.
        training: Images/s of the step with attention on these maps alone.
        training_without: Images/s of the step without any attention.
        operations: Floating-point operations of the attention for one image in training.
        operations_without: Those of the rest of the step.
    """

    maps: int
    training: float
    training_without: float
    operations: int
    operations_without: int

    @property
    def share(self) -> float:
        """Seconds that it adds, over those of the step without."""
        return self.training_without / self.training - 1.0

    @property
    def factor(self) -> float:
        """Seconds that it adds, over what its operations would take at the rate that the rest reaches."""
        return self.share * self.operations_without / self.operations


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What was measured at one resolution.

    Attributes:
        resolution: In pixels.
        batch_size: Images a step.
        training: Images/s of the training step in the fast precision, resampling folded.
        float32_training: Images/s of the same program in float32.
        plain_training: Images/s of the same program in float32 without folding.
        generation: Images/s of the generator alone.
        pipeline: Images/s of the input pipeline alone.
        operations: Floating-point operations that training on one image takes, with folded resampling.
        matrix_rate: Operations/s of a large matrix product in the fast precision.
        attention: What attention adds, for every size of maps that the network has and that is measured.
        labeled_training: Images/s of the same step with labels; `training` where none are asked for.
    """

    resolution: int
    batch_size: int
    training: float
    float32_training: float
    plain_training: float
    generation: float
    pipeline: float
    operations: int
    matrix_rate: float
    attention: tuple[AttentionCost, ...]
    labeled_training: float

    @property
    def labels_share(self) -> float:
        """Seconds that labels add to the training step, over those of the step without."""
        return self.training / self.labeled_training - 1.0

    @property
    def speedup(self) -> float:
        """Fast training over plain training."""
        return self.training / self.plain_training

    @property
    def folding_speedup(self) -> float:
        """Training in float32 with folded resampling over plain training."""
        return self.float32_training / self.plain_training

    @property
    def utilization(self) -> float:
        """Part of the matrix product's rate that training reaches."""
        return self.training * self.operations / self.matrix_rate

    @property
    def pipeline_margin(self) -> float:
        """Images the pipeline delivers for every one that training consumes."""
        return self.pipeline / self.training

    def as_json(self) -> dict[str, Any]:
        """Everything above, by its name."""
        derived = ("speedup", "folding_speedup", "utilization", "pipeline_margin", "labels_share")
        costs = [
            {**dataclasses.asdict(cost), "share": cost.share, "factor": cost.factor}
            for cost in self.attention
        ]
        named = {name: getattr(self, name) for name in derived}
        return {**dataclasses.asdict(self), **named, "attention": costs}


def measure(
    network: NetworkConfig,
    batch_size: int,
    dtype_policy: str,
    data_dir: pathlib.Path,
    rounds: int = 5,
    schema: LabelSchema = UNCONDITIONAL,
    optimization: OptimizationConfig | None = None,
) -> Measurement:
    """Measures training, generation, the input pipeline and a matrix product in turns.

    Args:
        network: Trained at its full resolution.
        batch_size: Images a step, of the pipeline's batches, too.
        dtype_policy: The fast precision, "float32" or "mixed_bfloat16".
        data_dir: A prepared data set that holds the resolution.
        rounds: Turns; medians are taken over them.
        schema: Labels, whose cost is measured, too.
        optimization: Loss and intervals of the steps, those of training by default; rates are means over the
            interval of the penalty.

    Returns:
        The medians.
    """
    fast, full = (network, dtype_policy, UNCONDITIONAL), (network, "float32", UNCONDITIONAL)
    plain = (dataclasses.replace(network, fused_resampling=False), "float32", UNCONDITIONAL)
    labeled = (network, dtype_policy, schema)
    bare = dataclasses.replace(network, attention_generator=(), attention_discriminator=())
    attended = {
        maps: dataclasses.replace(bare, attention_discriminator=(maps,))
        for maps in ATTENTION_MAPS
        if maps in bare.resolutions and bare.feature_maps(maps) >= ATTENTION_CHANNELS
    }
    compared = [bare, *attended.values()] if attended else []
    # What is asked for twice, such as the network without attention where it has none, is measured once.
    steps = dict.fromkeys(
        [fast, full, plain, labeled, *((config, dtype_policy, UNCONDITIONAL) for config in compared)]
    )
    states = {
        (config, policy, labels): TrainingState(config, policy, seed=0, label_schema=labels)
        for config, policy, labels in steps
    }
    generator, optimization = states[fast].generator, optimization or OptimizationConfig()
    tasks: Mapping[Any, Callable[[], float]] = {
        **{step: _training(state, step[0], batch_size, optimization) for step, state in states.items()},
        "generation": _generation(states[fast], batch_size),
        "pipeline": reading(data_dir, network.resolution, batch_size),
        "matrix_rate": functools.partial(matrix_product_rate, generator.compute_dtype),
    }
    rates: dict[Any, list[float]] = {task: [] for task in tasks}
    for _ in range(rounds):
        for name, task in tasks.items():
            rates[name].append(task())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    bare_operations = training_operations(bare, bare.top_level)
    return Measurement(
        resolution=network.resolution,
        batch_size=batch_size,
        training=medians[fast],
        float32_training=medians[full],
        plain_training=medians[plain],
        generation=medians["generation"],
        pipeline=medians["pipeline"],
        operations=training_operations(network, network.top_level),
        matrix_rate=medians["matrix_rate"],
        attention=tuple(
            AttentionCost(
                maps=maps,
                training=medians[config, dtype_policy, UNCONDITIONAL],
                training_without=medians[bare, dtype_policy, UNCONDITIONAL],
                operations=training_operations(config, config.top_level) - bare_operations,
                operations_without=bare_operations,
            )
            for maps, config in attended.items()
        ),
        labeled_training=medians[labeled],
    )


def matrix_product_rate(dtype: str) -> float:
    """Operations/s of a large matrix product in "float32" or "bfloat16": what one device can do at best."""
    values = tf.cast(tf.random.stateless_normal([_MATRIX_SIZE, _MATRIX_SIZE], [0, 0]), dtype)
    product = tf.function(lambda matrix: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 2 * _MATRIX_SIZE**3 / seconds_per_call(lambda: product(values).numpy(), _MATRIX_SECONDS)


def _rate(work: Callable[[], object], units: float) -> Callable[[], float]:
    """A task that repeats some work for a while and gives units/s; the work is done once now."""
    work()
    return lambda: units / seconds_per_call(work, _MIN_SECONDS)


def _training(
    state: TrainingState, network: NetworkConfig, batch_size: int, optimization: OptimizationConfig
) -> Callable[[], float]:
    """Images/s of the step of the network's last phase, without the input pipeline."""
    batch_sizes = dict.fromkeys(network.resolutions, batch_size)
    phase = GrowthSchedule(network.resolution, total_iterations=0, batch_sizes=batch_sizes).phases[-1]
    strategy = tf.distribute.get_strategy()
    step = make_train_step(state, strategy, phase, optimization)
    samples = random_samples(strategy, phase, network, state.generator.label_schema.width)
    return lambda: batch_size / seconds_per_step(step, samples, optimization, _MIN_SECONDS)


def _generation(state: TrainingState, batch_size: int) -> Callable[[], float]:
    latents = tf.random.stateless_normal([batch_size, state.generator.latent_size], [0, 1])
    generate = tf.function(lambda: state.average(latents))
    return _rate(lambda: generate().numpy(), batch_size)


_HEADER = (
    "resolution  batch  train img/s  plain img/s  ratio  GFLOP/img  of peak  "
    "generate img/s  pipeline img/s  pipeline/train"
)
_PARTS_HEADER = (
    "resolution   float32 folded/plain   attention on 32x32 adds   x own work   "
    "attention on 64x64 adds   x own work   labels add"
)


def table(measurements: Sequence[Measurement]) -> str:
    """What was measured, a line a resolution; then what folding, attention and labels cost or save."""
    lines = [_HEADER]
    for row in measurements:
        lines.append(
            f"{row.resolution:10d} {row.batch_size:6d} {row.training:12.1f} {row.plain_training:12.1f} "
            f"{row.speedup:6.2f} {row.operations / 1e9:10.3f} {row.utilization:8.0%} {row.generation:15.1f} "
            f"{row.pipeline:15.1f} {row.pipeline_margin:15.1f}"
        )
    lines += ["", _PARTS_HEADER]
    for row in measurements:
        costs = (f"{cost.share:26.1%} {cost.factor:12.2f}" for cost in row.attention)
        # Labels are in the last column, however many columns of attention are empty.
        columns = f"{row.resolution:10d} {row.folding_speedup:22.2f} {' '.join(costs)}".ljust(112)
        lines.append(f"{columns} {row.labels_share:12.1%}")
    return "\n".join(lines)
