"""Training: the growth schedule, the losses, the compiled step and the loop.

What needs TensorFlow is imported on first use, so that a run can be described without it. Names in brackets,
such as [PG], stand for the papers that docs/references.md lists.
"""

from __future__ import annotations

from typing import Any

from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.schedule import GrowthSchedule, Phase

__all__ = ["GrowthSchedule", "OptimizationConfig", "Phase", "RuntimeConfig", "TrainingConfig", "train"]


def __getattr__(name: str) -> Any:
    if name == "train":
        from mrisynth.training.trainer import train

        return train
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
