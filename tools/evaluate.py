"""Measures how good, how diverse and how private a generator's images are.

    python tools/evaluate.py --run_dir=RUN
    python tools/evaluate.py --saved_model=saved_models/NAME --data_dir=DATA --output=FOLDER

Writes results.json and report.html, one page that needs nothing else, to --output, by default RUN/evaluation.
See --help for the flags.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from mrisynth.cli.options import define_evaluation_flags, evaluation_config


def main() -> None:
    """Evaluates the generator and says what was found."""
    config = evaluation_config()
    app.import_tensorflow()
    from mrisynth.report import evaluate_and_report

    print(evaluate_and_report.summary(evaluate_and_report.evaluate_and_report(config), config.output))


if __name__ == "__main__":
    define_evaluation_flags()
    app.run(main)
