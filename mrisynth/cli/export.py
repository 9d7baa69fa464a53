"""Exports the generator of a run for TensorFlow Serving, or for any Python that has TensorFlow.

    mrisynth-export --run_dir=runs/quickstart --output=saved_models/heads
    mrisynth-export --saved_model=head_phantom --output=heads_onnx --format=onnx
    mrisynth-export --saved_model=head_phantom --output=head_phantom.html --format=page

The run of the first example is the quickstart's (mrisynth-train --help). Writes the next free version,
saved_models/NAME/VERSION: a SavedModel, requests that warm a server up and the model card. A server that
watches saved_models/NAME loads it when it is whole. With --format=onnx it writes OUTPUT/generator.onnx, for
runtimes without TensorFlow; with --format=page one HTML file, which draws images in a browser, without a
server or a network. An export can be exported again, in another format.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import export_flags
from mrisynth.errors import naming_disk_errors
from mrisynth.export_folder import ExportFolder


def main() -> None:
    """Runs the program."""
    app.run(_export, export_flags.define, __doc__)


def _export(values: flags.FlagValues) -> None:
    """Exports the generator and says where it is."""
    config = export_flags.config(values)
    app.import_tensorflow()
    from mrisynth.export.from_run import export_run
    from mrisynth.export.from_saved_model import export_again

    with naming_disk_errors(config.output, "--output"):
        if config.saved_model:
            path = export_again(config.saved_model, config.output, config.export_format)
        else:
            path = export_run(
                config.run_dir,
                config.output,
                config.data_dir,
                config.export_format,
                config.with_discriminator,
                config.even_of_patients,
            )
    card = ExportFolder(path if path.is_dir() else path.parent).card_page
    said = f", what it is in {card}" if card.is_file() else "; open it in a browser"
    print(f"The generator is in {path}{said}.")
