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
    define_fields(NetworkConfig, ("resolution",), **group(values, "Networks"))
    network_flags.define(values)
    _define_schedule(values)
    _define_optimization(values)
    _define_runtime(values)


def _define_run(values: flags.FlagValues) -> None:
    shown = group(values, "Run")
    define_fields(TrainingConfig, ("run_dir", "data_dir"), **shown)
    text = "How many phantoms are drawn where --data_dir is not given."
    flags.DEFINE_integer("phantom_subjects", 32, text, **shown)
    define_fields(
        TrainingConfig,
        {
            "phantom_contrasts": f"Contrasts of these phantoms, of {', '.join(CONTRASTS)}; of several, "
            "each scan is a sample with its contrast as the label suffix.",
        },
        **shown,
    )
    define_fields(TrainingConfig, ("conditions", "init_from"), **shown)
    text = "Model of the abstract; the attention and schedule it had."
    flags.DEFINE_enum("model", TrainingConfig.model, list(MODELS), text, **shown)
    text = "Estimate the run's time, memory and disk from a few steps; write nothing."
    flags.DEFINE_bool("dry_run", False, text, **shown)


def _define_schedule(values: flags.FlagValues) -> None:
    shown = group(values, "Growth")
    own = ("start_resolution", "fade_images", "stable_images", "total_iterations")
    define_fields(GrowthSchedule, (*own, "learning_rate", "finetune_learning_rate"), **shown)
    text = "Extra iterations at --finetune_learning_rate; if not given, what --model had."
    flags.DEFINE_integer("finetune_iterations", None, text, **shown)
    default = [f"{resolution}:{batch}" for resolution, batch in DEFAULT_BATCH_SIZES.items()]
    flags.DEFINE_list("batch_sizes", default, "Global batch by resolution.", **shown)


def _define_optimization(values: flags.FlagValues) -> None:
    shown = group(values, "Losses and optimizers")
    own = [field.name for field in dataclasses.fields(OptimizationConfig)]
    define_fields(OptimizationConfig, [name for name in own if name != "gradient_penalty"], **shown)
    text = "Weight of the gradient penalty; if not given, 10, with --loss=non_saturating 2.5."
    flags.DEFINE_float("gradient_penalty", None, text, **shown)


def _define_runtime(values: flags.FlagValues) -> None:
    shown = group(values, "Machine and intervals")
    own = [field.name for field in dataclasses.fields(RuntimeConfig)]
    define_fields(RuntimeConfig, [name for name in own if name != "gpus"], **shown)
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
