"""Trains a progressive GAN with self-attention on MR slices and exports its generator.

    mrisynth-train --flagfile=quickstart.flags
    mrisynth-train --flagfile=cpu_64.flags --data_dir=data --run_dir=runs/heads

The first one draws head phantoms, learns them and needs no data; mrisynth-prepare makes data. Running the
same command again resumes the run; a finished run says so.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import train_flags
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.training.config import Strategy, TrainingConfig

if TYPE_CHECKING:
    import tensorflow as tf

    from mrisynth.training.trainer import Evaluate


_FIXED_ENDING_SECONDS = 15.0
# Of slices, each of which is looked up among all: what counts where there are tens of thousands.
_SECONDS_PER_PAIR = 8e-8


def main() -> None:
    """Runs the program."""
    app.run(_main, train_flags.define, __doc__)


def _main(values: flags.FlagValues) -> None:
    """Draws phantoms where no data is given, trains, exports and evaluates; or says what that will need."""
    config = train_flags.config(values)
    strategy = _start_tensorflow(config)
    from mrisynth.training import strategies

    with strategies.naming_lost_workers(strategy):
        if values.dry_run:
            _dry_run(config, strategy)
        else:
            _train(config, strategy)


def _train(config: TrainingConfig, strategy: tf.distribute.Strategy) -> None:
    """Carries the run out, from wherever it stands."""
    from mrisynth.export.from_run import add_evaluation, export_run, is_of_run
    from mrisynth.training import checkpoints, strategies, trainer
    from mrisynth.training.interruption import Interrupted

    strategies.check_batches(config.schedule.used_batch_sizes, strategy.num_replicas_in_sync)
    checkpoints.check_run_dir(config)
    chief = strategies.is_chief(strategy)
    if config.phantom_subjects is not None and chief:
        _prepare_phantoms(config, config.phantom_subjects)
    evaluate = _watch(config) if chief and config.runtime.eval_interval else None
    try:
        strategies.meet(strategy)
        trainer.train(config, strategy, evaluate, _ending_seconds(config))
    except Interrupted as interruption:
        if chief:
            print(f"Stopped; run the same command again to go on from {config.folder.checkpoints}.")
        sys.exit(128 + interruption.signal_number)
    if not chief:
        return
    exported = config.folder.exported
    if exported.exists() and is_of_run(exported, config.run_dir):
        print(f"{config.run_dir} is finished: its generator is in {exported}.")
    else:
        with naming_disk_errors(config.run_dir):
            exported = export_run(config.run_dir, config.folder.saved_model)
        print(f"Finished: samples are in {config.folder.samples}, the generator is in {exported}.")
    sys.stdout.flush()
    if _evaluate(config):
        with naming_disk_errors(config.run_dir):
            add_evaluation(exported, config.run_dir)


def _ending_seconds(config: TrainingConfig) -> float:
    """What export and evaluation are expected to take on a CPU, by the number and the size of the slices."""
    from mrisynth.data import read_manifest

    manifest, pixels = read_manifest(config.data_dir), config.network.resolution**2
    slices = sum(split.slices for split in manifest.splits.values())
    describing = len(manifest.channels) * (3.4e-4 * pixels + (3.6e-3 + 1.6e-7 * pixels) * slices)
    return _FIXED_ENDING_SECONDS + describing + _SECONDS_PER_PAIR * slices**2


def _watch(config: TrainingConfig) -> Evaluate:
    """What --eval_interval measures.

    Raises:
        UserError: If the data set has no held-out side, or too few slices on one of its sides.
    """
    from mrisynth.data import open_dataset
    from mrisynth.evaluation.callback import EvaluationCallback

    open_dataset(config.data_dir, config.network.resolution, batch_size=1, split="heldout")
    return EvaluationCallback(config.data_dir)


def _evaluate(config: TrainingConfig) -> bool:
    """The short form of mrisynth-evaluate, unless the finished run has an evaluation.

    A run that cannot be evaluated says why; it has been exported all the same.

    Returns:
        Whether there is an evaluation that was not there before.
    """
    from mrisynth.evaluation.callback import scalars
    from mrisynth.evaluation.config import AT_END, EvaluationConfig
    from mrisynth.evaluation.evaluator import FAULTS, reason
    from mrisynth.report import evaluate_and_report
    from mrisynth.training.summaries import write_final_evaluation

    output = config.folder.evaluation
    if evaluate_and_report.evaluated_iterations(output) == config.schedule.iterations:
        return False
    asked = EvaluationConfig(config.run_dir, None, config.data_dir, output, settings=AT_END)
    try:
        found = evaluate_and_report.evaluate_and_report(asked)
    except FAULTS as fault:
        print(f"Not evaluated: {reason(fault)}.")
        return False
    words = evaluate_and_report.summary(found, output)
    print(words)
    measured = scalars(found.measures, found.privacy, AT_END.images)
    write_final_evaluation(config.folder, config.schedule.images, measured, words)
    return True


def _start_tensorflow(config: TrainingConfig) -> tf.distribute.Strategy:
    """Imports TensorFlow and makes the strategy, for which other workers may have to be waited for."""

    def make_strategy() -> tf.distribute.Strategy:
        from mrisynth.training import strategies

        return strategies.make_strategy(config.runtime.strategy)

    if config.runtime.strategy is Strategy.MULTI_WORKER:
        sys.stderr.write("waiting for the other workers\n")
    return app.import_tensorflow(gpus=config.runtime.gpus, start=make_strategy)


def _dry_run(config: TrainingConfig, strategy: tf.distribute.Strategy) -> None:
    """Prints what the run will need.

    Raises:
        UserError: If the machine has not got it.
    """
    from mrisynth.dry_run import estimate, measure
    from mrisynth.training import strategies

    found = measure.measure(config, strategy)
    if not strategies.is_chief(strategy):
        return
    print(estimate.table(config, found))
    print(estimate.summary(config, found))
    if problems := estimate.find_problems(config, found):
        raise UserError("; ".join(problems))


def _prepare_phantoms(config: TrainingConfig, subjects: int) -> None:
    """Draws head phantoms and prepares them like scans, unless the run already has them.

    Raises:
        UserError: If the run's folder cannot be written.
    """
    from mrisynth.data import PreparationConfig, prepare_dataset
    from mrisynth.data.reading.resampling import SliceMode
    from mrisynth.data.storing.manifest import FILE_NAME
    from mrisynth.phantoms.dataset import write_phantoms

    if (config.data_dir / FILE_NAME).exists():
        return
    scans = config.folder.phantom_scans
    if not scans.exists():
        with naming_disk_errors(config.run_dir, "--run_dir"):
            write_phantoms(scans, subjects, seed=0, contrasts=config.phantom_contrasts)
    prepare_dataset(
        PreparationConfig(
            input=(str(scans),),
            output=str(config.data_dir),
            suffix=",".join(config.phantom_contrasts),
            masks="derivatives/lesion",
            resolution=config.network.resolution,
            # As before there was a choice: the same phantoms train the same model.
            slices=SliceMode.ISOTROPIC,
        )
    )


if __name__ == "__main__":
    sys.exit(main())
