"""What a run says at its start: six lines, and where it resumes from."""

from __future__ import annotations

import math
import shlex

from mrisynth.data import Manifest
from mrisynth.data.storing.manifest import Split
from mrisynth.screen import duration
from mrisynth.training.config import TrainingConfig
from mrisynth.training.schedule import Position


def opening(
    config: TrainingConfig,
    manifest: Manifest,
    parameters: tuple[int, int],
    device: str,
    seconds: tuple[float, float],
    position: Position,
) -> str:
    """Says what a run is about to do, a line each.

    Args:
        config: The run.
        manifest: Its data set.
        parameters: Weights of the generator and of the discriminator, fully grown.
        device: What it is computed on and in, in words.
        seconds: What is left is expected to take, and the part of it that follows training.
        position: Where the run stands.
    """
    schedule, resolution = config.schedule, config.network.resolution
    phases, training, heldout = schedule.phases, manifest.splits[Split.TRAIN], manifest.splits[Split.HELDOUT]
    channels = f" of {', '.join(manifest.channels)}" if len(manifest.channels) > 1 else ""
    labels = f"; labels {', '.join(config.conditions)}" if config.conditions else ""
    lines = {
        "data": f"{config.data_dir}: {_subjects(training.subjects)}, {training.slices:,} slices{channels}; "
        f"{_subjects(heldout.subjects)} held out",
        "networks": f"{resolution}x{resolution}, parameters: {parameters_in_words(parameters)}{labels}",
        "device": device,
        "schedule": f"{len(phases)} phases from {phases[0].name} to {phases[-1].name}, {schedule.images:,} "
        f"images in {schedule.iterations:,} iterations",
        "time": time_in_words(*seconds),
        "watch": f"tensorboard --logdir {shlex.quote(str(config.run_dir))}",
    }
    if position.iteration:
        done = f"{position.image:,} images are done"
        lines["resumes"] = f"from iteration {position.iteration:,} in {position.phase.name}, {done}"
    return "\n".join(f"{name:9} {text}" for name, text in lines.items())


def _subjects(names: tuple[str, ...]) -> str:
    return f"{len(names):,} subject{'s' if len(names) != 1 else ''}"


def parameters_in_words(parameters: tuple[int, int]) -> str:
    """The number of weights of the generator and of the discriminator."""
    generator, discriminator = (
        f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count:,}" for count in parameters
    )
    return f"generator {generator}, discriminator {discriminator}"


def time_in_words(seconds: float, ending: float) -> str:
    """What a run is expected to take.

    Args:
        seconds: From now to its end; infinite if unknown.
        ending: The part of it that follows training.
    """
    if math.isinf(seconds):
        return "unknown"
    following = f", {duration(ending)} of it for export and evaluation" if ending else ""
    return f"about {duration(seconds)}{following}"
