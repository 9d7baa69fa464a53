"""Devices: which strategy distributes the work, and what the hardware computes in."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Mapping, Sequence

import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.layers.normalization import MINIBATCH_GROUP

_MATRIX_SIZE = 2048


def make_strategy(name: str, devices: Sequence[str] | None = None) -> tf.distribute.Strategy:
    """The tf.distribute strategy that a name stands for.

    Args:
        name: "default" (one device) or "mirrored" (all GPUs of this machine, or its CPU where it has none).
        devices: Names of the devices to mirror over, in place of all.

    Raises:
        UserError: If the name is unknown.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        if devices is None:
            found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
            devices = [device.name for device in found]
        return tf.distribute.MirroredStrategy(list(devices))
    raise UserError(f"--strategy={name} is unknown; use default or mirrored")


def check_batches(batch_sizes: Mapping[int, int], replicas: int, group: int = MINIBATCH_GROUP) -> None:
    """Checks that every batch can be dealt out to the replicas and to the minibatch groups on each.

    Args:
        batch_sizes: Global batch by resolution.
        replicas: That share it.
        group: Samples in a group of the minibatch standard deviation.

    Raises:
        UserError: If one cannot, naming the resolution and the batch that would do.
    """
    for resolution, batch in sorted(batch_sizes.items()):
        _check_batch(resolution, batch, replicas, group)


def _check_batch(resolution: int, batch: int, replicas: int, group: int) -> None:
    if batch % replicas:
        raise UserError(
            f"--batch_sizes gives {batch} images at {resolution}x{resolution}, which {replicas} "
            f"replicas cannot share evenly; use a multiple of {replicas}"
        )
    share = batch // replicas
    if share > group and share % group:
        raise UserError(
            f"--batch_sizes gives each of {replicas} replica(s) {share} images at "
            f"{resolution}x{resolution}, which the minibatch standard deviation cannot divide into "
            f"groups of {group}; use {replicas * group * (share // group)} or "
            f"{replicas * group * (share // group + 1)}"
        )


def matrix_product_rate(dtype: str, seconds: float = 0.2) -> float:
    """Operations/s of a large matrix product on one device: what the hardware can do at best.

    Args:
        dtype: "float32" or "bfloat16".
        seconds: How long to measure, after a first product that is not counted.
    """
    values = tf.cast(tf.random.stateless_normal([_MATRIX_SIZE, _MATRIX_SIZE], [0, 0]), dtype)
    product = tf.function(lambda matrix: tf.reduce_sum(tf.matmul(matrix, matrix)))
    product(values).numpy()
    start, products = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        product(values).numpy()
        products += 1
    return 2 * _MATRIX_SIZE**3 * products / (time.perf_counter() - start)


def has_bfloat16() -> bool:
    """Whether the hardware multiplies bfloat16 matrices faster than float32 ones."""
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        capabilities = (tf.config.experimental.get_device_details(gpu) for gpu in gpus)
        return all(details.get("compute_capability", (0, 0)) >= (8, 0) for details in capabilities)
    processor = pathlib.Path("/proc/cpuinfo")
    flags = processor.read_text(errors="replace") if processor.exists() else ""
    return "avx512_bf16" in flags or "amx_bf16" in flags


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy for --precision=auto|float32|mixed_bfloat16."""
    if precision == "auto":
        return "mixed_bfloat16" if has_bfloat16() else "float32"
    return precision


def compiles(choice: str) -> bool:
    """Whether XLA compiles the step, for --jit_compile=auto|true|false."""
    if choice == "auto":
        return bool(tf.config.list_physical_devices("GPU"))
    return choice == "true"
