"""From a generator and a data set to results.json and report.html."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import pathlib
import tempfile
from collections.abc import Iterator

from mrisynth.atomic_io import folder_to_write
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.evaluation.config import EvaluationConfig
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.reference import check_trained_on, load_reference
from mrisynth.evaluation.results import Evaluation, read_results, write_results
from mrisynth.locking import exclusive
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import NOT_A_NUMBER, format_number
from mrisynth.metrics.features import load_features
from mrisynth.privacy.copying import Privacy
from mrisynth.privacy.verdict import INCONCLUSIVE, limits_in_words
from mrisynth.report.page import write_report
from mrisynth.run_folder import REPORT_NAME, RESULTS_NAME, RunFolder
from mrisynth.sampling.generators import Sampler, open_export, open_run
from mrisynth.training.run_config import RunConfig, read_run_config
from mrisynth.utility import tables
from mrisynth.utility.experiment import Utility

_MEANING = {
    INCONCLUSIVE: "Copying is neither shown nor excluded. With few subjects a run cannot end otherwise. Why:"
}


def evaluate_and_report(config: EvaluationConfig) -> Evaluation:
    """Evaluates a generator and writes what was found, which is returned, too.

    Raises:
        UserError: If generator and data set cannot be evaluated, or the folder cannot be written.
    """
    sampler, data_dir = _open(config)
    # What takes hours must not be for nothing.
    with _writing_to(config.output):
        tempfile.TemporaryFile(dir=config.output).close()
    extractor = load_features(config.features) if config.features else None
    real = load_reference(data_dir, sampler.resolution, sampler.label_schema)
    evaluation = Evaluator(real, config.settings, extractor).evaluate(sampler)
    with _writing_to(config.output):
        checksum = write_report(evaluation, config.output / REPORT_NAME, show_real=config.show_real)
        # Last: where it is, the evaluation is complete.
        write_results(evaluation, config.output / RESULTS_NAME, checksum)
    return evaluation


def evaluated_iterations(output: pathlib.Path) -> int | None:
    """How far the run had come whose evaluation is in a folder; None if there is none, or not of a run."""
    try:
        results = read_results(output / RESULTS_NAME)
    except UserError:
        return None
    return results and results["generator"].get("iterations")


def _open(config: EvaluationConfig) -> tuple[Sampler, pathlib.Path]:
    """The generator, and the data set to compare it with."""
    if config.run_dir is None:
        sampler = open_export(config.saved_model)
        check_trained_on(config.data_dir, sampler.trained_on, f"--saved_model={config.saved_model}")
        return sampler, config.data_dir
    run = read_run_config(RunFolder(config.run_dir))
    data_dir = _find_data(config, run)
    check_trained_on(data_dir, run.fingerprint, f"--run_dir={config.run_dir}")
    sampler, _ = open_run(config.run_dir, data_dir)
    return sampler, data_dir


def _find_data(config: EvaluationConfig, run: RunConfig) -> pathlib.Path:
    """The data set of a run."""
    trained_on = run.training.data_dir
    if config.data_dir is None and not trained_on.is_dir():
        raise UserError(
            f"the data set of --run_dir={config.run_dir} is not in {trained_on} any more; --data_dir can "
            "name where it is now"
        )
    return config.data_dir or trained_on


@contextlib.contextmanager
def _writing_to(output: pathlib.Path) -> Iterator[None]:
    """Keeps others from writing there; what is raised where --output cannot be written is one sentence."""
    with naming_disk_errors(output, "--output"), folder_to_write(output), exclusive(output / ".lock"):
        for path in (output / RESULTS_NAME, output / REPORT_NAME):
            if path.is_dir():
                raise IsADirectoryError(errno.EISDIR, f"{path.name} is a folder there")
        yield


def summary(evaluation: Evaluation, output: pathlib.Path) -> str:
    """What was found, in a few lines for the screen."""
    rows = [("", "generated", "real")]
    for key, measure in evaluation.measures.items():
        rows.append((registry.full_title(key), str(measure.generated), str(measure.real)))
    fidelity = evaluation.fidelity
    for row in fidelity.shown if fidelity else ():
        rows.append((row.title, format_number(row.generated), format_number(row.real.value)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [f"{name:{widths[0]}}  {ours:>{widths[1]}}  {theirs:>{widths[2]}}" for name, ours, theirs in rows]
    privacy, images = evaluation.privacy, evaluation.data["generated_images"]
    verdict = privacy.verdict
    limits = limits_in_words(privacy.thresholds.changed) if isinstance(privacy, Privacy) else ""
    form = f" (short form, {images:,} images)" if evaluation.short else ""
    unlike = evaluation.unlike_the_data
    return "\n".join(
        [
            *table,
            *_utility_lines(evaluation.utility),
            *([fidelity.summary] if fidelity else []),
            f"copying{form}: {verdict.words}",
            *(f"  {sentence}" for sentence in (unlike, limits, _MEANING.get(verdict.words)) if sentence),
            *(f"  {reason}" for reason in verdict.reasons),
            *(f"{NOT_A_NUMBER}: {fault}" for fault in evaluation.faults),
            f"see {output / REPORT_NAME}",
        ]
    )


def _utility_lines(utility: Utility | None) -> list[str]:
    if utility is None:
        return []
    found = dataclasses.asdict(utility)
    cells = [tables.head(found), *tables.rows(found)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
