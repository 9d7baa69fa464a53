r"""Compares models of the abstract by pairs of runs that differ in nothing but the model.

    mrisynth-compare --flagfile=compare_64.flags --models=a,b --seeds=8 --data_dir=data --output=comparison
    mrisynth-compare --flagfile=quickstart.flags --models=a,c --seeds=2 --jobs=2 --output=quick \
        --data_dir=runs/quickstart/phantoms/prepared

Trains and evaluates a run of every model with every seed, and writes for every measure how much the models
differ, with an interval and a sign test over the seeds: to comparison.json and, as a table, to comparison.md,
after every run what is known by then. All flags of training are taken; those that say where attention is, or
how long fine-tuning takes, count for the models that have it. Running the same command again goes on; with
more models or seeds it adds their runs to those that are there.
"""

from __future__ import annotations

import sys

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import compare_flags
from mrisynth.errors import UserError
from mrisynth.locking import only_writer


def main() -> None:
    """Runs the program."""
    app.run(_compare, compare_flags.define, __doc__)


def _compare(values: flags.FlagValues) -> None:
    """Carries the comparison out and says what was found."""
    config = compare_flags.config(values)
    app.import_tensorflow(gpus=())  # All memory of GPUs is for the runs.
    from mrisynth.comparison import plan, programs, results
    from mrisynth.training.interruption import Interrupted

    plan.check_data_and_runs(config)
    with only_writer(config.output, "--output"):
        try:
            failures = programs.carry_out(config, lambda: results.write_comparison(config))
        except Interrupted as interruption:
            print(f"Stopped; run the same command again to go on from {config.output}.")
            sys.exit(128 + interruption.signal_number)
        print(results.write_comparison(config))
    if failures:
        name, reason = next(iter(failures.items()))
        raise UserError(
            f"{len(failures)} of {len(config.runs)} runs have failed; the same command tries them again. "
            f"Of {name}, {config.output / 'runs'} has the whole log; it ends: {reason}"
        )
