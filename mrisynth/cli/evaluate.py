r"""Measures how good, how diverse and how private a generator's images are.

    mrisynth-evaluate --run_dir=runs/quickstart
    mrisynth-evaluate --saved_model=runs/quickstart/saved_model --data_dir=runs/quickstart/phantoms/prepared \
        --output=evaluation

The run of these examples is the quickstart's (mrisynth-train --help). Writes results.json and report.html,
one page that needs nothing else, to --output, by default RUN/evaluation. From there the model card of the
run's own export, RUN/saved_model, gets the verdict.
"""

from __future__ import annotations

import textwrap

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import evaluate_flags
from mrisynth.errors import UserError
from mrisynth.privacy.verdict import RULE
from mrisynth.run_folder import RESULTS_NAME, RunFolder


def main() -> None:
    """Runs the program."""
    app.run(_evaluate, evaluate_flags.define, f"{__doc__}\n{textwrap.fill(RULE, 110)}\n")


def _evaluate(values: flags.FlagValues) -> None:
    """Evaluates the generator and says what was found."""
    config = evaluate_flags.config(values)
    app.import_tensorflow()
    from mrisynth.export.from_run import add_evaluation
    from mrisynth.report import evaluate_and_report

    evaluation = evaluate_and_report.evaluate_and_report(config)
    print(evaluate_and_report.summary(evaluation, config.output))
    run = config.run_dir and RunFolder(config.run_dir)
    if run and run.exported.exists() and config.output == run.evaluation:
        add_evaluation(run.exported, run.path, config.data_dir)
    if evaluation.faults:
        raise UserError(
            f"not every figure is a number; {config.output / RESULTS_NAME} has the others, and names these "
            "under faults; look at the images, or evaluate again with more of them (--images)"
        )
