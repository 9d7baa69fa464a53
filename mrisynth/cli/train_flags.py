"""The flags of training, mrisynth.main."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping

from absl import flags

from mrisynth.cli import network_flags, shipped
from mrisynth.cli.flag_values import batch_sizes, define_fields, from_flags, group, integers, path
from mrisynth.networks.config import DEFAULT_ATTENTION, NetworkConfig
from mrisynth.phantoms.contrast import CONTRASTS
from mrisynth.run_folder import RunFolder
from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.schedule import DEFAULT_BATCH_SIZES, GrowthSchedule


@dataclasses.dataclass(frozen=True)
class ModelDefaults:
    """What a model of the abstract stands for, where no flag says otherwise ([ABS]).

    Attributes:
        attention_discriminator: Resolutions with self-attention in the discriminator.
        attention_generator: Resolutions with self-attention in the generator.
        finetune_iterations: Number of extra iterations at the reduced rate.
    """

    attention_discriminator: tuple[int, ...] = ()
    attention_generator: tuple[int, ...] = ()
    finetune_iterations: int = 0


MODELS: Mapping[str, ModelDefaults] = {
    "a": ModelDefaults(),
    "b": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION),
    "c": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION, finetune_iterations=375_000),
    "d": ModelDefaults(attention_discriminator=DEFAULT_ATTENTION, attention_generator=DEFAULT_ATTENTION),
}


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    _define_run(values)
    define_fields(
        NetworkConfig,
        {"resolution": "Pixels along an edge; 4 times a power of two."},
        **group(values, "Networks"),
    )
    network_flags.define(values)
    _define_schedule(values)
    _define_optimization(values)
    _define_runtime(values)


def _define_run(values: flags.FlagValues) -> None:
    shown = group(values, "Run")
    define_fields(
        TrainingConfig,
        {
            "run_dir": "Folder of the run; runs/model_X if not given. Giving it again resumes.",
            "data_dir": "Data set prepared by mrisynth-prepare; if not given, head phantoms are drawn.",
        },
        **shown,
    )
    text = "How many phantoms are drawn where --data_dir is not given."
    flags.DEFINE_integer("phantom_subjects", 32, text, **shown)
    define_fields(
        TrainingConfig,
        {
            "phantom_contrasts": f"Contrasts of these phantoms, of {', '.join(CONTRASTS)}; of several, "
            "each scan is a sample with its contrast as the label suffix.",
            "conditions": "Labels that the generator can then be asked for: columns of the data set's "
            "labels.tsv, as in suffix,position_mm,age; their kind may be stated, as in age:continuous.",
        },
        **shown,
    )
    define_fields(
        TrainingConfig,
        {
            "init_from": "Run, or exported model, whose weights this run starts from, where they fit; of a "
            "model the generator's, and the discriminator's if it was exported, too.",
        },
        **shown,
    )
    text = "Model of the abstract; the attention and schedule it had."
    flags.DEFINE_enum("model", TrainingConfig.model, list(MODELS), text, **shown)
    text = "Estimate the run's time, memory and disk from a few steps; write nothing."
    flags.DEFINE_bool("dry_run", False, text, **shown)


def _define_schedule(values: flags.FlagValues) -> None:
    shown = group(values, "Growth")
    define_fields(
        GrowthSchedule,
        {
            "start_resolution": "Resolution that the run starts at; those below are left out.",
            "fade_images": "Images over which a resolution fades in.",
            "stable_images": "Images to stabilize a resolution.",
            "total_iterations": "Iterations of the run before fine-tuning; 0 stabilizes the last resolution "
            "like the others.",
            "learning_rate": "Of both optimizers.",
            "finetune_learning_rate": "While fine-tuning.",
        },
        **shown,
    )
    text = "Extra iterations at --finetune_learning_rate; if not given, what --model had."
    flags.DEFINE_integer("finetune_iterations", None, text, **shown)
    default = [f"{resolution}:{batch}" for resolution, batch in DEFAULT_BATCH_SIZES.items()]
    flags.DEFINE_list("batch_sizes", default, "Global batch by resolution.", **shown)


def _define_optimization(values: flags.FlagValues) -> None:
    define_fields(
        OptimizationConfig,
        {
            "gradient_penalty": "Weight of the gradient penalty.",
            "drift": "Weight of the squared scores of real images.",
            "ema_decay": "Of the generator's moving average, per step.",
            "optimizer": "Of both networks; all but adam need tensorflow-addons (mrisynth's extra addons).",
            "gp_interval": "Compute the gradient penalty in every so many-th iteration, so many times as "
            "heavy.",
            "critic_steps": "Iterations, each a step of the discriminator, for every step of the generator.",
            "augment": "For small data sets: mirror flips real images left to right with probability 1/2; "
            "diffaug changes real and generated images alike before the discriminator sees them.",
            "label_dropping": "Probability with which training hides a label, half of all, and all of them.",
            "seed": "Of weights, latents and the order of the data.",
        },
        **group(values, "Losses and optimizers"),
    )


def _define_runtime(values: flags.FlagValues) -> None:
    shown = group(values, "Machine and intervals")
    define_fields(
        RuntimeConfig,
        {
            "strategy": "How devices share the work: default is one device, mirrored all GPUs of this "
            "machine, multi_worker all GPUs of several machines (TF_CONFIG says which).",
            "precision": "What is computed in; auto takes bfloat16 where the hardware has it.",
            "jit_compile": "Compile the step with XLA; auto does so on GPUs.",
            "deterministic": "The same bits on every run, at some cost.",
            "checkpoint_minutes": "Minutes between checkpoints.",
            "scalar_interval": "Iterations between scalars.",
            "grid_interval": "Images between sample grids.",
            "eval_interval": "Images between short evaluations, in TensorBoard; 0 for none.",
            "log_real": "Write grids of real images, too, to samples/ and TensorBoard; scans show patients.",
            "profile_steps": "First and last iteration that TensorBoard's profiler records, as in 100,110.",
        },
        **shown,
    )
    text = "Numbers of the GPUs of this machine to use, as in 0,1; all if not given."
    flags.DEFINE_list("gpus", None, text, **shown)


def config(values: flags.FlagValues) -> TrainingConfig:
    """Makes a configuration of the flags.

    An explicit flag beats a flagfile beats what --model stands for beats the default. Where --data_dir is
    not given, the configuration's data_dir is where the phantoms of the run go.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    model = MODELS[values.model]
    run_dir = path(values, "run_dir") or pathlib.Path("runs", f"model_{values.model}")
    data_dir = path(values, "data_dir")
    finetune = values.finetune_iterations
    return TrainingConfig(
        run_dir=run_dir,
        data_dir=data_dir or RunFolder(run_dir).phantom_data,
        phantom_subjects=None if data_dir else values.phantom_subjects,
        phantom_contrasts=TrainingConfig.phantom_contrasts if data_dir else tuple(values.phantom_contrasts),
        model=values.model,
        conditions=tuple(values.conditions),
        init_from=shipped.saved_model(values.init_from) if values.init_from else None,
        network=network_flags.config(
            values, values.resolution, model.attention_discriminator, model.attention_generator
        ),
        schedule=from_flags(
            values,
            GrowthSchedule,
            finetune_iterations=model.finetune_iterations if finetune is None else finetune,
            batch_sizes=batch_sizes(values),
        ),
        optimization=from_flags(values, OptimizationConfig),
        runtime=from_flags(
            values,
            RuntimeConfig,
            gpus=None if values.gpus is None else integers(values, "gpus"),
            profile_steps=integers(values, "profile_steps"),
        ),
    )
