"""How fast preparation, training, generation and the input pipeline are on this machine.

Machines are noisy, so whatever is compared is measured in one process, in turns, and reported by medians.
"""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import nibabel
import numpy as np
import tensorflow as tf
from scipy.spatial.transform import Rotation

from mrisynth.data import PreparationConfig, open_dataset
from mrisynth.data.discovery import find_scans
from mrisynth.data.worker import extract
from mrisynth.dry_run.measure import seconds_per_call
from mrisynth.networks.config import ATTENTION_CHANNELS, NetworkConfig
from mrisynth.networks.flops import training_operations
from mrisynth.training.config import OptimizationConfig
from mrisynth.training.schedule import GrowthSchedule
from mrisynth.training.state import TrainingState
from mrisynth.training.strategies import has_bfloat16
from mrisynth.training.train_step import make_train_step

_MIN_SECONDS = 1.0
_MATRIX_SIZE = 2048
_MATRIX_SECONDS = 0.2
_PIPELINE_SECONDS = 1.0
ATTENTION_MAPS = (32, 64)
"""Sizes of the discriminator's maps on which the cost of attention is measured, where there are such maps."""


@dataclasses.dataclass(frozen=True)
class Machine:
    """What the measurements were made on.

    Attributes:
        processor: Its model, and its GPUs' if there are any.
        cores: Of the processor.
        bfloat16: Whether the hardware multiplies bfloat16 matrices: the GPUs if there are any.
    """

    processor: str
    cores: int
    bfloat16: bool

    def __str__(self) -> str:
        products = "bfloat16" if self.bfloat16 else "no bfloat16"
        return f"{self.processor}, {self.cores} cores, {products} in hardware"


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


def machine() -> Machine:
    """This machine."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text(errors="replace").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    devices = [names[0] if names else platform.machine()]
    for gpu in tf.config.get_visible_devices("GPU"):
        devices.append(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    return Machine(" and ".join(devices), os.cpu_count() or 1, has_bfloat16())


def measure(
    network: NetworkConfig, batch_size: int, dtype_policy: str, data_dir: pathlib.Path, rounds: int = 5
) -> Measurement:
    """Measures training, generation, the input pipeline and a matrix product in turns.

    Args:
        network: Trained at its full resolution.
        batch_size: Images a step, of the pipeline's batches, too.
        dtype_policy: The fast precision, "float32" or "mixed_bfloat16".
        data_dir: A prepared data set that holds the resolution.
        rounds: Turns; medians are taken over them.

    Returns:
        The medians.
    """
    fast, full = (network, dtype_policy), (network, "float32")
    plain = (dataclasses.replace(network, fused_resampling=False), "float32")
    bare = dataclasses.replace(network, attention_generator=(), attention_discriminator=())
    attended = {
        maps: dataclasses.replace(bare, attention_discriminator=(maps,))
        for maps in ATTENTION_MAPS
        if maps in bare.resolutions and bare.feature_maps(maps) >= ATTENTION_CHANNELS
    }
    compared = [bare, *attended.values()] if attended else []
    # What is asked for twice, such as the network without attention where it has none, is measured once.
    steps = dict.fromkeys([fast, full, plain, *((config, dtype_policy) for config in compared)])
    states = {step: TrainingState(*step, seed=0) for step in steps}
    generator = states[fast].generator
    tasks: Mapping[Any, Callable[[], float]] = {
        **{step: _training(state, step[0], batch_size) for step, state in states.items()},
        "generation": _generation(states[fast], batch_size),
        "pipeline": _pipeline(data_dir, network.resolution, batch_size),
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
                training=medians[config, dtype_policy],
                training_without=medians[bare, dtype_policy],
                operations=training_operations(config, config.top_level) - bare_operations,
                operations_without=bare_operations,
            )
            for maps, config in attended.items()
        ),
    )


def preparation_seconds(folder: pathlib.Path, rounds: int = 5) -> float:
    """Processor seconds for one 320x320x36 oblique volume, from its file to slices at every resolution.

    Args:
        folder: Where the volume, an ellipsoid in noise with 0.7x0.7x4 mm voxels, is written.
        rounds: Of which the median is taken.
    """
    shape, spacing = (320, 320, 36), np.array([0.7, 0.7, 4.0])
    turn = Rotation.from_euler("xyz", [15, 5, -4], degrees=True).as_matrix()
    affine = nibabel.affines.from_matvec(turn * spacing, -turn @ (spacing * np.array(shape) / 2))
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    head = np.sum((grid / np.array([0.7, 0.85, 0.95])[:, None, None, None]) ** 2, axis=0) < 1
    noise = np.random.default_rng(0).normal(0, 20, shape)
    path = folder / "sub-oblique_FLAIR.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.abs(800 * head + noise).astype(np.int16), affine), path)
    config = PreparationConfig(input=(str(path),), output=str(folder / "unused"))
    (scan,) = find_scans(config.input)
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        extract(scan, config)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def matrix_product_rate(dtype: str) -> float:
    """Operations/s of a large matrix product on one device: what the hardware can do at best.

    Args:
        dtype: "float32" or "bfloat16".
    """
    values = tf.cast(tf.random.stateless_normal([_MATRIX_SIZE, _MATRIX_SIZE], [0, 0]), dtype)
    product = tf.function(lambda matrix: tf.reduce_sum(tf.matmul(matrix, matrix)))
    return 2 * _MATRIX_SIZE**3 / seconds_per_call(lambda: product(values).numpy(), _MATRIX_SECONDS)


def _rate(work: Callable[[], object], units: float) -> Callable[[], float]:
    """A task that repeats some work for a while and gives units/s; the work is done once now."""
    work()
    return lambda: units / seconds_per_call(work, _MIN_SECONDS)


def _training(state: TrainingState, network: NetworkConfig, batch_size: int) -> Callable[[], float]:
    """Images/s of the step of the network's last phase, without the input pipeline."""
    batch_sizes = dict.fromkeys(network.resolutions, batch_size)
    schedule = GrowthSchedule(network.resolution, total_iterations=0, batch_sizes=batch_sizes)
    step = make_train_step(state, tf.distribute.get_strategy(), schedule.phases[-1], OptimizationConfig())
    images = tf.random.stateless_uniform(
        [batch_size, network.resolution, network.resolution, network.channels], [0, 0], minval=-1.0
    )

    def work() -> None:
        step(images, tf.constant(1.0))["loss/generator"].numpy()

    return _rate(work, batch_size)


def _generation(state: TrainingState, batch_size: int) -> Callable[[], float]:
    latents = tf.random.stateless_normal([batch_size, state.generator.latent_size], [0, 1])
    generate = tf.function(lambda: state.average(latents))

    def work() -> None:
        generate().numpy()

    return _rate(work, batch_size)


def _pipeline(data_dir: pathlib.Path, resolution: int, batch_size: int) -> Callable[[], float]:
    dataset = open_dataset(data_dir, resolution, batch_size)

    def task() -> float:
        # Opened anew every time: what is fetched ahead while other tasks run must not count.
        batches: Iterator[tf.Tensor] = iter(dataset)
        next(batches)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < _PIPELINE_SECONDS:
            next(batches)
            count += batch_size
        return count / (time.perf_counter() - start)

    return task
