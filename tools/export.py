"""Exports the generator of a run for TensorFlow Serving, or for any Python that has TensorFlow.

    python tools/export.py --run_dir=RUN --output=saved_models/NAME

Writes the next free version, saved_models/NAME/VERSION: a SavedModel, requests that warm a server up and the
model card. A server that watches saved_models/NAME loads it when it is whole. See --help for the flags.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from mrisynth.cli.options import define_export_flags, export_config


def main() -> None:
    """Exports the generator and says where it is."""
    config = export_config()
    app.import_tensorflow()
    from mrisynth.disk_errors import naming_disk_errors
    from mrisynth.export.from_run import export_run

    with naming_disk_errors(config.output):
        path = export_run(config.run_dir, config.output, config.data_dir)
    print(f"The generator is in {path}, what it is in {path}/assets.extra/model_card.md.")


if __name__ == "__main__":
    define_export_flags()
    app.run(main)
