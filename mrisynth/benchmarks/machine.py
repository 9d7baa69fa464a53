"""What the measurements are made on."""

from __future__ import annotations

import dataclasses
import pathlib
import platform

import tensorflow as tf

from mrisynth.cores import available_cores
from mrisynth.training.strategies import has_bfloat16


@dataclasses.dataclass(frozen=True)
class Machine:
    """The hardware that a benchmark ran on.

    Attributes:
        processor: Model of the processor, and of the GPUs if there are any.
        cores: Number of the processor's cores.
        bfloat16: Whether the hardware multiplies bfloat16 matrices: the GPUs if there are any.
    """

    processor: str
    cores: int
    bfloat16: bool

    def __str__(self) -> str:
        products = "bfloat16" if self.bfloat16 else "no bfloat16"
        return f"{self.processor}, {self.cores} cores, {products} in hardware"


def this_machine() -> Machine:
    """The machine that this process runs on."""
    information = pathlib.Path("/proc/cpuinfo")
    lines = information.read_text(errors="replace").splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    devices = [names[0] if names else platform.machine()]
    for gpu in tf.config.get_visible_devices("GPU"):
        devices.append(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU"))
    return Machine(" and ".join(devices), available_cores(), has_bfloat16())
