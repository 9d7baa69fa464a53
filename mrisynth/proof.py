"""From a generator and a data set to results.json and report.html."""

from __future__ import annotations

import pathlib

from mrisynth.evaluation.configuration import EvaluationConfig
from mrisynth.evaluation.document import write_results
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.generators import open_run, open_saved_model
from mrisynth.evaluation.real import load_real
from mrisynth.evaluation.results import Evaluation
from mrisynth.metrics.features import load_features
from mrisynth.report.page import write_report

RESULTS = "results.json"
REPORT = "report.html"


def prove(config: EvaluationConfig, progress: bool = True) -> Evaluation:
    """Evaluates a generator and writes what was found.

    Args:
        config: What, against what, where to.
        progress: Whether to show progress bars.

    Returns:
        What was found.

    Raises:
        UserError: If generator and data set cannot be evaluated, or the folder cannot be written.
    """
    if config.run_dir is not None:
        sampler, data_dir = open_run(config.run_dir)
    else:
        sampler, data_dir = open_saved_model(config.saved_model), config.data_dir
    extractor = load_features(config.features) if config.features else None
    real = load_real(config.data_dir or data_dir, sampler.resolution, progress)
    evaluation = Evaluator(real, config.settings, extractor, progress).evaluate(sampler)
    config.output.mkdir(parents=True, exist_ok=True)
    write_results(evaluation, config.output / RESULTS)
    write_report(evaluation, config.output / REPORT, show_real=config.show_real)
    return evaluation


def summary(evaluation: Evaluation, output: pathlib.Path) -> str:
    """What was found, in a few lines for the screen."""
    rows = [("", "generated", "real")]
    for measure in evaluation.measures:
        both = (measure.generated, measure.real)
        values = (f"{spread.mean:.4g} +- {spread.standard_deviation:.2g}" for spread in both)
        rows.append((f"{measure.group}, {measure.title}", *values))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    table = [f"{name:{widths[0]}}  {ours:>{widths[1]}}  {theirs:>{widths[2]}}" for name, ours, theirs in rows]
    verdict = evaluation.privacy.verdict
    return "\n".join(
        [
            *table,
            f"copying: {verdict.words}",
            *(f"  {reason}" for reason in verdict.reasons),
            f"see {output / REPORT}",
        ]
    )
