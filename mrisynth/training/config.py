"""Everything that a training run is told, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import math
import pathlib
from typing import NamedTuple

from mrisynth.choices import Choice, set_choice
from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.errors import UserError
from mrisynth.networks.config import NetworkConfig
from mrisynth.phantoms.contrast import CONTRASTS, FLAIR
from mrisynth.run_folder import RunFolder
from mrisynth.training.schedule import GrowthSchedule, Position


class OptimizerName(Choice):
    """Adam, and what tensorflow-addons supplies; Lookahead goes over Adam."""

    ADAM = "adam"
    RECTIFIED_ADAM = "rectified_adam"
    LOOKAHEAD = "lookahead"
    LAMB = "lamb"
    YOGI = "yogi"


class Loss(Choice):
    """What the networks play for.

    WASSERSTEIN is the loss of [PG] with the gradient penalty of [WGP]; NON_SATURATING the first one of GANs
    with the penalty R1 ([R1]).
    """

    WASSERSTEIN = "wasserstein"
    NON_SATURATING = "non_saturating"


_PENALTY_WEIGHTS = {Loss.WASSERSTEIN: 10.0, Loss.NON_SATURATING: 2.5}


class Augmentation(Choice):
    """What is done to images before the discriminator sees them.

    MIRROR flips real images left to right with probability 1/2. DIFFAUG changes real and generated images
    alike (see `mrisynth.training.augmentation`).
    """

    NONE = "none"
    MIRROR = "mirror"
    DIFFAUG = "diffaug"


class Strategy(Choice):
    """How devices share the work (see `mrisynth.training.strategies.make_strategy`)."""

    DEFAULT = "default"
    MIRRORED = "mirrored"
    MULTI_WORKER = "multi_worker"


class Precision(Choice):
    """What is computed in; AUTO takes bfloat16 where the hardware has it."""

    AUTO = "auto"
    FLOAT32 = "float32"
    MIXED_BFLOAT16 = "mixed_bfloat16"


class JitCompile(Choice):
    """Whether XLA compiles the step; AUTO compiles on GPUs."""

    AUTO = "auto"
    TRUE = "true"
    FALSE = "false"


class Due(NamedTuple):
    """What an iteration has beside the discriminator's loss.

    Attributes:
        penalizes: The gradient penalty.
        generates: A step of the generator.
    """

    penalizes: bool
    generates: bool


@dataclasses.dataclass(frozen=True)
class OptimizationConfig:
    """How the weights are moved ([WGP], [PG] appendix A.1).

    Attributes:
        loss: What the networks play for: wasserstein, with a gradient penalty between real and generated
            images, or non_saturating, with one at real images (R1), which needs fewer images.
        gradient_penalty: Weight of the gradient penalty; if not given, 10 with the loss wasserstein and 2.5
            with non_saturating.
        drift: Weight of the squared scores of real images, in the loss wasserstein.
        ema_decay: Of the generator's moving average, per step.
        ema_rampup: The average's half-life, as a part of the images shown so far, at most, so that short runs
            do not average over what they began with (as the code of [ADA] does); 0 for ema_decay alone, which
            also holds of runs that start from other weights.
        optimizer: Of both networks; all but adam need tensorflow-addons (mrisynth's extra addons).
        gp_interval: Compute the gradient penalty in every so many-th iteration, so many times as heavy: 16
            will do with the loss non_saturating, while 2 can collapse a run with wasserstein.
        critic_steps: Iterations, each a step of the discriminator, for every step of the generator.
        augment: For small data sets: mirror flips real images left to right with probability 1/2; diffaug
            changes real and generated images alike before the discriminator sees them.
        label_dropping: Probability with which training hides a label, half of all, and all of them.
        diversity: Weight of what images of the same labels differ too little; 0 for no such loss.
        wrong_labels: Weight of real images with a wrong label, which the discriminator learns to take for
            generated ones, before fine-tuning; 0 for no such loss. Labels are then shown more exactly, and
            images are plainer than real ones.
        finetune_wrong_labels: The same while fine-tuning.
        seed: Of weights, latents and the order of the data.
    """

    loss: Loss = Loss.WASSERSTEIN
    gradient_penalty: float | None = None
    drift: float = 1e-3
    ema_decay: float = 0.999
    ema_rampup: float = 0.05
    optimizer: OptimizerName = OptimizerName.ADAM
    gp_interval: int = 1
    critic_steps: int = 1
    augment: Augmentation = Augmentation.NONE
    label_dropping: float = 0.1
    diversity: float = 4.0
    wrong_labels: float = 0.0
    finetune_wrong_labels: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        set_choice(self, "loss", Loss)
        if self.gradient_penalty is None:
            object.__setattr__(self, "gradient_penalty", _PENALTY_WEIGHTS[self.loss])
        for name in ("gradient_penalty", "drift", "diversity", "wrong_labels", "finetune_wrong_labels"):
            if not 0 <= getattr(self, name) < math.inf:
                raise UserError(f"--{name}={getattr(self, name)} must be a number that is not negative")
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"--ema_decay={self.ema_decay} must be at least 0 and less than 1")
        if not 0 <= self.ema_rampup <= 1:
            raise UserError(f"--ema_rampup={self.ema_rampup} must be at least 0 and at most 1")
        if not 0 <= self.label_dropping < 1:
            raise UserError(f"--label_dropping={self.label_dropping} must be at least 0 and less than 1")
        for name in ("gp_interval", "critic_steps"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at least 1")
        set_choice(self, "optimizer", OptimizerName)
        set_choice(self, "augment", Augmentation)
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed={self.seed} must be at least 0 and less than 2^32")

    def penalizes(self, iteration: int) -> bool:
        """Whether an iteration of the run, counted from 0, computes the gradient penalty."""
        return iteration % self.gp_interval == 0

    def generates(self, iteration: int) -> bool:
        """Whether an iteration of the run, counted from 0, has a step of the generator."""
        return (iteration + 1) % self.critic_steps == 0

    def due(self, iteration: int) -> Due:
        """What an iteration of the run, counted from 0, has."""
        return Due(self.penalizes(iteration), self.generates(iteration))


@dataclasses.dataclass(frozen=True)
class RuntimeConfig:
    """How a run is carried out; changing it does not make it another run.

    Attributes:
        strategy: How devices share the work: default is one device, mirrored all GPUs of this machine,
            multi_worker all GPUs of several machines (TF_CONFIG says which).
        gpus: Numbers of the GPUs of this machine to use; None for all.
        precision: What is computed in; auto takes bfloat16 where the hardware has it.
        jit_compile: Compile the step with XLA; auto does so on GPUs.
        deterministic: The same bits on every run, at some cost.
        checkpoint_minutes: Minutes between checkpoints.
        scalar_interval: Iterations between scalars.
        grid_interval: Images between sample grids.
        eval_interval: Images between short evaluations, in TensorBoard; 0 for none.
        log_real: Write grids of real images, too, to samples/ and TensorBoard; scans show patients.
        profile_steps: First and last iteration that TensorBoard's profiler records, as in 100,110.
    """

    strategy: Strategy = Strategy.DEFAULT
    gpus: tuple[int, ...] | None = None
    precision: Precision = Precision.AUTO
    jit_compile: JitCompile = JitCompile.AUTO
    deterministic: bool = False
    checkpoint_minutes: float = 10.0
    scalar_interval: int = 100
    grid_interval: int = 20_000
    eval_interval: int = 0
    log_real: bool = False
    profile_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        set_choice(self, "strategy", Strategy)
        set_choice(self, "precision", Precision)
        set_choice(self, "jit_compile", JitCompile)
        for name in ("scalar_interval", "grid_interval"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at least 1")
        if self.eval_interval < 0:
            raise UserError(f"--eval_interval={self.eval_interval} must not be negative")
        if self.eval_interval and self.strategy is Strategy.MULTI_WORKER:
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
        run_dir: Folder of the run; runs/model_X if not given. Giving it again resumes.
        data_dir: Data set prepared by mrisynth-prepare; if not given, head phantoms are drawn.
        phantom_subjects: How many phantoms are drawn into data_dir first; None where it is given.
        phantom_contrasts: What these are drawn in, of `mrisynth.phantoms.contrast.CONTRASTS`; each scan of
            several is a sample with its contrast as the label "suffix".
        model: "a", "b", "c" or "d" of [ABS], which the other settings have their defaults from.
        network: Size of the networks.
        schedule: Growth of the networks.
        optimization: Losses, optimizers and the moving average.
        runtime: Devices, precision and intervals.
        conditions: Labels that the generator can then be asked for: columns of the data set's labels.tsv, as
            in suffix,position_mm,age; their kind may be stated, as in age:continuous.
        label_schema: How they are encoded, which follows from `conditions` and the data set; none for an
            unconditional run.
        init_from: Run, or exported model, whose weights this run starts from, where they fit; of a model the
            generator's, and the discriminator's if it was exported, too.
    """

    run_dir: pathlib.Path
    data_dir: pathlib.Path
    phantom_subjects: int | None = None
    phantom_contrasts: tuple[str, ...] = (FLAIR,)
    model: str = "b"
    network: NetworkConfig = dataclasses.field(default_factory=NetworkConfig)
    schedule: GrowthSchedule = dataclasses.field(default_factory=GrowthSchedule)
    optimization: OptimizationConfig = dataclasses.field(default_factory=OptimizationConfig)
    runtime: RuntimeConfig = dataclasses.field(default_factory=RuntimeConfig)
    conditions: tuple[str, ...] = ()
    label_schema: LabelSchema = UNCONDITIONAL
    init_from: pathlib.Path | None = None

    def __post_init__(self) -> None:
        if self.schedule.resolution != self.network.resolution:
            raise UserError(
                f"the schedule ends at {self.schedule.resolution}x{self.schedule.resolution}, the networks "
                f"at {self.network.resolution}x{self.network.resolution}; give both the same --resolution"
            )
        if self.phantom_subjects is not None and self.phantom_subjects < 2:
            raise UserError(f"--phantom_subjects={self.phantom_subjects} must be at least 2")
        drawn = set(self.phantom_contrasts)
        if not drawn or not drawn <= CONTRASTS.keys() or len(drawn) < len(self.phantom_contrasts):
            flag = f"--phantom_contrasts={','.join(self.phantom_contrasts)}"
            raise UserError(f"{flag}: name one or several of {', '.join(CONTRASTS)}, each once")

    def average_rate(self, position: Position) -> float:
        """The part of a weight that goes into the generator's moving average in an iteration, above 0 to 1.

        The half-life in images follows from decay = 2^(-images of a generator's step / half-life). A run that
        started from other weights has their average, too, and keeps it: there `ema_rampup` is not heeded.
        """
        optimization, batch = self.optimization, position.phase.batch_size
        rate = 1.0 - optimization.ema_decay
        if self.init_from or not optimization.ema_rampup:
            return rate
        longest_half_life = optimization.ema_rampup * (position.image + batch)
        return max(rate, 1.0 - 2.0 ** (-batch * optimization.critic_steps / longest_half_life))

    @property
    def folder(self) -> RunFolder:
        """The paths in `run_dir`."""
        return RunFolder(self.run_dir)
