"""Everything that a training run is told, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import pathlib

from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig
from mrisynth.training.schedule import GrowthSchedule

OPTIMIZERS = ("adam", "rectified_adam", "lookahead", "lamb", "yogi")
"""Adam, and what tensorflow-addons supplies; "lookahead" is Lookahead over Adam."""

AUGMENTATIONS = ("none", "mirror", "diffaug")
STRATEGIES = ("default", "mirrored", "multi_worker")


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """How the weights are moved ([WGP], [PG] appendix A.1).

    Attributes:
        gradient_penalty: Weight of the gradient penalty.
        drift: Weight of the squared scores of real images.
        ema_decay: Of the exponential moving average of the generator's weights, per step of the generator.
        optimizer: Of both networks, one of `OPTIMIZERS`.
        gp_interval: The gradient penalty is computed in every so many-th iteration, so many times as
            heavy.
        critic_steps: Iterations, each a step of the discriminator, for every step of the generator.
        augment: "none"; "mirror" flips real images left to right with probability 1/2; "diffaug" changes real
            and generated images alike before the discriminator sees them.
        seed: Of the weights, the latents and the order of the data.
    """

    gradient_penalty: float = 10.0
    drift: float = 1e-3
    ema_decay: float = 0.999
    optimizer: str = "adam"
    gp_interval: int = 1
    critic_steps: int = 1
    augment: str = "none"
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("gradient_penalty", "drift"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"--{name}={getattr(self, name)} must be a number that is not negative")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"--ema_decay={self.ema_decay} must be at least 0 and less than 1")
        for name in ("gp_interval", "critic_steps"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at least 1")
        for name, choices in (("optimizer", OPTIMIZERS), ("augment", AUGMENTATIONS)):
            if getattr(self, name) not in choices:
                raise UserError(f"--{name}={getattr(self, name)} is not one of {', '.join(choices)}")
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed={self.seed} must be at least 0 and less than 2^32")

    def penalizes(self, iteration: int) -> bool:
        """Whether an iteration of the run, counted from 0, computes the gradient penalty."""
        return iteration % self.gp_interval == 0

    def generates(self, iteration: int) -> bool:
        """Whether an iteration of the run, counted from 0, has a step of the generator."""
        return (iteration + 1) % self.critic_steps == 0


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """How a run is carried out; changing it does not make it another run.

    Attributes:
        strategy: One of `STRATEGIES`.
        gpus: Numbers of the GPUs of this machine to use; None for all.
        precision: "auto", "float32" or "mixed_bfloat16".
        jit_compile: "auto", "true" or "false": whether XLA compiles the step.
        deterministic: Whether TensorFlow must give the same bits every time.
        checkpoint_minutes: Between checkpoints.
        scalar_interval: Iterations between scalars in TensorBoard.
        grid_interval: Images between sample grids.
        eval_interval: Images between evaluations, counted from the start of the run; 0 for none.
        profile_steps: First and last iteration that TensorBoard's profiler records; none if empty.
    """

    strategy: str = "default"
    gpus: tuple[int, ...] | None = None
    precision: str = "auto"
    jit_compile: str = "auto"
    deterministic: bool = False
    checkpoint_minutes: float = 10.0
    scalar_interval: int = 100
    grid_interval: int = 20_000
    eval_interval: int = 0
    profile_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for name in ("scalar_interval", "grid_interval"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at least 1")
        if self.eval_interval < 0:
            raise UserError(f"--eval_interval={self.eval_interval} must not be negative")
        if self.eval_interval and self.strategy == "multi_worker":
            raise UserError(
                f"--eval_interval={self.eval_interval} would keep other workers waiting; leave it out with "
                "--strategy=multi_worker, and evaluate with mrisynth-evaluate"
            )
        if self.profile_steps and not (
            len(self.profile_steps) == 2 and 0 <= self.profile_steps[0] <= self.profile_steps[1]
        ):
            raise UserError("--profile_steps takes the first and the last iteration, as in 100,110")
        if not self.checkpoint_minutes >= 0:
            raise UserError(f"--checkpoint_minutes={self.checkpoint_minutes} must not be negative")


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """A whole run.

    Attributes:
        run_dir: Where everything the run writes goes.
        data_dir: A prepared data set.
        phantom_subjects: How many phantoms are drawn into data_dir first; None where it is given.
        model: "a", "b", "c" or "d" of [ABS]; what the other settings default from.
        network: Size of the networks.
        schedule: Growth.
        optimization: Losses and averages.
        runtime: Devices, precision, intervals.
    """

    run_dir: pathlib.Path
    data_dir: pathlib.Path
    phantom_subjects: int | None = None
    model: str = "b"
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    schedule: GrowthSchedule = dataclasses.field(default_factory=GrowthSchedule)
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)

    def __post_init__(self) -> None:
        if self.schedule.resolution != self.network.resolution:
            raise UserError(
                f"the schedule ends at {self.schedule.resolution}x{self.schedule.resolution}, the networks "
                f"at {self.network.resolution}x{self.network.resolution}; give both the same --resolution"
            )
        if self.phantom_subjects is not None and self.phantom_subjects < 2:
            raise UserError(f"--phantom_subjects={self.phantom_subjects} must be at least 2")
