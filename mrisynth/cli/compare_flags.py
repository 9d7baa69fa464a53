"""The flags of a comparison: its own, and all of training."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

from absl import flags

from mrisynth.cli import train_flags
from mrisynth.cli.flag_values import define_fields, group, path
from mrisynth.cli.train_flags import MODELS, ModelDefaults
from mrisynth.comparison.plan import ComparisonConfig, PlannedRun
from mrisynth.errors import UserError
from mrisynth.evaluation.config import UtilityTask

_GROUP = "Comparison"


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    shown = group(values, _GROUP)
    known = ", ".join(MODELS)
    flags.DEFINE_list("models", ["a", "b"], f"Models of the abstract to compare, of {known}.", **shown)
    flags.DEFINE_integer("seeds", 8, "Pairs: runs of every model, with seeds from --seed on.", **shown)
    define_fields(ComparisonConfig, ("jobs", "images", "output"), **shown)
    tasks = [task for task in UtilityTask if task is not UtilityTask.AUTO]
    text = "What networks are trained on generated images for, to see of what use these are."
    flags.DEFINE_enum("utility", UtilityTask.NONE, tasks, text, **shown)
    train_flags.define(values)
    values["seed"].help = "Of the first pair: of weights, latents and the order of the data."
    for name in ("model", "run_dir"):
        values[name].help = "Of a single run, whose flagfile may have it; no effect here."
    values["dry_run"].help = "Of a single run; mrisynth-train has it."


def config(values: flags.FlagValues) -> ComparisonConfig:
    """Makes a configuration of the flags.

    Flags that say where attention is, or how long fine-tuning takes, count for the models that have it.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    output = path(values, "output")
    if output is None:
        raise UserError("--output must name the folder for the runs and for what their comparison says")
    if values.data_dir is None:
        raise UserError("--data_dir must name a prepared data set, which all runs of a comparison share")
    if values.dry_run:
        raise UserError("--dry_run estimates a single run; give the same flags to mrisynth-train")
    if len(set(values.models)) < max(2, len(values.models)):
        raise UserError(f"--models={','.join(values.models)} must name two models at least, each once")
    if unknown := [model for model in values.models if model not in MODELS]:
        raise UserError(f"--models={unknown[0]} is not one of {', '.join(MODELS)}")
    seeds = range(values.seed, values.seed + values.seeds)
    asked = {field.name: values[field.name].value for field in dataclasses.fields(ModelDefaults)}
    runs = tuple(_planned(values, output, model, asked, seed) for seed in seeds for model in values.models)
    return ComparisonConfig(output, runs, values.jobs, values.images, UtilityTask(values.utility))


def _planned(
    values: flags.FlagValues, output: pathlib.Path, model: str, asked: Mapping[str, Any], seed: int
) -> PlannedRun:
    """One run, with the flags that were given for all of them, `asked` for what a model may stand for."""
    values.model, values.seed = model, seed
    for name, default in dataclasses.asdict(MODELS[model]).items():
        values[name].value = asked[name] if default else default
        values[name].using_default_value = values[name].value is None
    values.run_dir = str(output / "runs" / f"model_{model}_seed_{seed}")
    given = (
        flag.serialize()
        for shown, members in values.flags_by_module_dict().items()
        for flag in members
        if shown != _GROUP and not flag.using_default_value
    )
    return PlannedRun(train_flags.config(values), tuple(given))
