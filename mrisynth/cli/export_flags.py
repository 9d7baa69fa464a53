"""The flags of exporting a generator."""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from mrisynth.cli.flag_values import define_fields, group, path
from mrisynth.errors import UserError
from mrisynth.export.formats import DEFAULT_FORMAT, format_names


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to.

    Attributes:
        run_dir: A run's folder.
        output: The model's folder, which gets a new version.
        data_dir: The run's data set; where it was when the run was trained if None.
        export_format: One of `mrisynth.export.formats.format_names`.
    """

    run_dir: pathlib.Path
    output: pathlib.Path
    data_dir: pathlib.Path | None = None
    export_format: str = DEFAULT_FORMAT


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    define_fields(
        ExportConfig,
        {
            "run_dir": "Folder of a run that has grown to its full resolution.",
            "output": "Folder of the model, as in saved_models/NAME; gets a new version.",
            "data_dir": "The run's data set, if it is no longer where it was.",
        },
        **group(values, "Export"),
    )
    flags.DEFINE_enum(
        "format",
        DEFAULT_FORMAT,
        format_names(),
        "What is written; saved_model is for TensorFlow and TensorFlow Serving, onnx for other runtimes.",
        **group(values, "Export"),
    )


def config(values: flags.FlagValues) -> ExportConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If one is missing.
    """
    run_dir, output = path(values, "run_dir"), path(values, "output")
    if run_dir is None or output is None:
        raise UserError("give --run_dir=RUN and --output=saved_models/NAME")
    return ExportConfig(run_dir, output, path(values, "data_dir"), values.format)
