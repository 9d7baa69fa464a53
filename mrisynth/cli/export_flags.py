"""The flags of exporting a generator."""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from mrisynth.cli import shipped
from mrisynth.cli.flag_values import define_fields, from_flags, group, path
from mrisynth.errors import UserError
from mrisynth.export.formats import DEFAULT_FORMAT, format_names


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """What is exported, and where to.

    Attributes:
        output: The model's folder, which gets a new version, or what else the format writes.
        run_dir: A run's folder; None where an export is exported again.
        saved_model: An export, NAME or NAME/VERSION; None where a run is exported.
        data_dir: The run's data set; where it was when the run was trained if None.
        export_format: One of `mrisynth.export.formats.format_names`.
        with_discriminator: Whether the discriminator is stored beside the generator.
        even_of_patients: Whether it may be where it was trained on patients.
    """

    output: pathlib.Path
    run_dir: pathlib.Path | None = None
    saved_model: pathlib.Path | None = None
    data_dir: pathlib.Path | None = None
    export_format: str = DEFAULT_FORMAT
    with_discriminator: bool = False
    even_of_patients: bool = False


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    define_fields(
        ExportConfig,
        {
            "run_dir": "Folder of a run that has grown to its full resolution.",
            "saved_model": "In place of a run, an exported generator, NAME or NAME/VERSION.",
            "output": "Folder of the model, as in saved_models/NAME; gets a new version. A page is a file, "
            "NAME.html.",
            "data_dir": "The run's data set, if it is no longer where it was.",
            "with_discriminator": "Store the discriminator beside, so that --init_from can start a run from "
            "both networks; refused for models of patients, of whom it tells.",
            "even_of_patients": "With --with_discriminator: do so for a model of patients, too.",
        },
        **group(values, "Export"),
    )
    flags.DEFINE_enum(
        "format",
        DEFAULT_FORMAT,
        format_names(),
        "What is written: saved_model is for TensorFlow and its Serving, onnx for other runtimes, page one "
        "HTML file that draws images in a browser.",
        **group(values, "Export"),
    )


def config(values: flags.FlagValues) -> ExportConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If one is missing, or contradicts another.
    """
    run_dir, output, model = path(values, "run_dir"), path(values, "output"), values.saved_model
    if output is None or not (run_dir or model):
        raise UserError("give --run_dir=RUN, or --saved_model=NAME, and --output=saved_models/NAME")
    if run_dir and model:
        raise UserError(
            f"--saved_model={model} is exported in place of --run_dir={run_dir}; give one of them"
        )
    data_dir = path(values, "data_dir")
    if data_dir and model:
        raise UserError(
            f"--data_dir={data_dir} is for --run_dir; the card of --saved_model says what it needs"
        )
    if values.with_discriminator and model:
        raise UserError("--with_discriminator is for --run_dir; a --saved_model is exported again without")
    if values.even_of_patients and not values.with_discriminator:
        raise UserError("--even_of_patients allows --with_discriminator; give both, or neither")
    return from_flags(
        values,
        ExportConfig,
        output=output,
        run_dir=run_dir,
        saved_model=shipped.saved_model(model) if model else None,
        data_dir=data_dir,
        export_format=values.format,
    )
