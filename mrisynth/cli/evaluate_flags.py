"""The flags of an evaluation."""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from mrisynth.cli import shipped
from mrisynth.cli.flag_values import define_fields, from_flags, group, path
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationConfig, EvaluationSettings
from mrisynth.privacy.verdict import Thresholds
from mrisynth.run_folder import RunFolder

_FOLDERS = ("run_dir", "saved_model", "data_dir", "output", "features", "show_real")


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    define_fields(EvaluationConfig, _FOLDERS, **group(values, "What is evaluated"))
    own = [field.name for field in dataclasses.fields(EvaluationSettings)]
    settings = [name for name in own if name not in ("thresholds", "short")]
    define_fields(EvaluationSettings, settings, **group(values, "How thoroughly"))
    limits = [field.name for field in dataclasses.fields(Thresholds)]
    define_fields(Thresholds, limits, **group(values, "What the verdict on copying is decided by"))


def config(values: flags.FlagValues) -> EvaluationConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If a flag has a value that it cannot have.
    """
    run_dir = path(values, "run_dir")
    return EvaluationConfig(
        run_dir=run_dir,
        saved_model=shipped.saved_model(values.saved_model) if values.saved_model else None,
        data_dir=path(values, "data_dir"),
        output=path(values, "output") or _default_output(run_dir),
        features=path(values, "features"),
        show_real=values.show_real,
        settings=from_flags(values, EvaluationSettings, thresholds=from_flags(values, Thresholds)),
    )


def _default_output(run_dir: pathlib.Path | None) -> pathlib.Path:
    if run_dir is None:
        # Not beside a SavedModel: servers watch its folder.
        raise UserError(
            "without --run_dir, --output must name the folder for results.json and report.html; give "
            "--run_dir, or --saved_model with --data_dir and --output"
        )
    return RunFolder(run_dir).evaluation
