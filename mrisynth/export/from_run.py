"""From a finished run to an exported generator with its card."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any

from mrisynth.data import read_manifest
from mrisynth.data.conditions.cells import label_distribution
from mrisynth.errors import UserError
from mrisynth.evaluation.results import read_results
from mrisynth.export.formats import DEFAULT_FORMAT, export_as
from mrisynth.export.model_card import describe, write_card
from mrisynth.export_folder import ExportFolder
from mrisynth.networks.config import resolution_of
from mrisynth.run_folder import RunFolder
from mrisynth.training.ema import AveragedGenerator, load_average
from mrisynth.training.origin import PHANTOMS
from mrisynth.training.warm_start import checksum_of, discriminator_of


def export_run(
    run_dir: pathlib.Path,
    output: pathlib.Path,
    data_dir: pathlib.Path | None = None,
    export_format: str = DEFAULT_FORMAT,
    with_discriminator: bool = False,
    even_of_patients: bool = False,
) -> pathlib.Path:
    """Exports the averaged generator of a run that has grown to its full size, with its model card.

    Args:
        run_dir: The run's folder.
        output: The model's folder, NAME, or what else the format writes.
        data_dir: The run's data set, if it is no longer where it was.
        export_format: One of `mrisynth.export.formats.format_names`.
        with_discriminator: Whether the discriminator is stored beside, for runs that start from the model.
        even_of_patients: Whether it may be if any data set that it was trained on is not of phantoms.

    Returns:
        What was written, such as NAME/VERSION.

    Raises:
        UserError: If there is no run, it is still growing, its data set is not there, something is in the
            way, or the discriminator may not be stored.
    """
    average = load_average(run_dir)
    _check_grown(run_dir, average)
    card = _card(output.resolve().name.removesuffix(".html"), run_dir, average, data_dir)
    if not with_discriminator:
        return export_as(export_format, average.generator, output, card)
    if export_format != DEFAULT_FORMAT:
        raise UserError(f"--with_discriminator needs --format={DEFAULT_FORMAT}, not {export_format}")
    if card["data"]["kind"] != PHANTOMS and not even_of_patients:
        raise UserError(
            f"--with_discriminator: that of --run_dir={run_dir} tells of the patients it was trained on; "
            "leave it out, or give --even_of_patients, too, if whoever gets the model may know who they are"
        )
    discriminator = discriminator_of(RunFolder(run_dir))
    card["model"]["discriminator_checksum"] = checksum_of(discriminator)
    return export_as(export_format, average.generator, output, card, discriminator=discriminator)


def is_of_run(exported: pathlib.Path, run_dir: pathlib.Path) -> bool:
    """Whether an export, NAME/VERSION, holds the weights that a run has now.

    Raises:
        UserError: If there is no run, or the export has no card.
    """
    return _holds(ExportFolder(exported).read_card(), load_average(run_dir))


def _holds(card: Mapping[str, Any], average: AveragedGenerator) -> bool:
    return card["model"]["weights_checksum"] == average.checksum


def add_evaluation(
    exported: pathlib.Path, run_dir: pathlib.Path, data_dir: pathlib.Path | None = None
) -> None:
    """Puts into a run's exported card what has been measured since, unless the run has gone on since.

    Args:
        exported: NAME/VERSION, exported from the run.
        run_dir: The run's folder.
        data_dir: The run's data set, if it is no longer where it was.

    Raises:
        UserError: As `export_run`, or if there is no card.
    """
    folder, average = ExportFolder(exported), load_average(run_dir)
    card = folder.read_card()
    if not _holds(card, average):
        return
    renewed = {**_card(card["model"]["name"], run_dir, average, data_dir), "date": card["date"]}
    if beside := card["model"].get("discriminator_checksum"):
        renewed["model"]["discriminator_checksum"] = beside
    if renewed["evaluation"] != card["evaluation"]:
        write_card(renewed, folder)


def _card(
    name: str, run_dir: pathlib.Path, average: AveragedGenerator, data_dir: pathlib.Path | None = None
) -> dict[str, Any]:
    data_dir = data_dir or average.config.training.data_dir
    manifest = read_manifest(data_dir)
    if manifest.fingerprint != average.config.fingerprint:
        raise UserError(
            f"--data_dir={data_dir} is not the data set that --run_dir={run_dir} was trained on; say where "
            "that is"
        )
    labels = label_distribution(data_dir, average.generator.label_schema)
    return describe(name, average, manifest, _results(run_dir, average), labels)


def _check_grown(run_dir: pathlib.Path, average: AveragedGenerator) -> None:
    full = average.generator.resolution
    if average.level < average.generator.top_level or average.alpha < 1:
        reached = resolution_of(average.level)
        state = f"fades {reached}x{reached} in" if average.alpha < 1 else f"is at {reached}x{reached}"
        raise UserError(
            f"--run_dir={run_dir} still grows (it {state}); go on training until {full}x{full} has faded in"
        )
    training = average.config.training
    weight = training.schedule.label_weight(average.images)
    if training.label_schema.width and weight < 1:
        raise UserError(
            f"--run_dir={run_dir} does not give its labels their whole weight yet, but {weight:.0%} of it; "
            "go on training"
        )


def _results(run_dir: pathlib.Path, average: AveragedGenerator) -> dict[str, Any] | None:
    """The run's results.json, if it is of these very weights and the data set that they were trained on."""
    results = read_results(RunFolder(run_dir).results)
    if results is None:
        return None
    evaluated = (results["generator"].get("weights_checksum"), results["data"].get("fingerprint"))
    return results if evaluated == (average.checksum, average.config.fingerprint) else None
