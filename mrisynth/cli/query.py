"""Asks a running TensorFlow Serving for images and saves them.

    mrisynth-query --server=localhost:8501 --model=head_phantom --count=16 --seed=0 --output=images.png
    mrisynth-query --server=localhost:8500 --protocol=grpc --model=head_phantom --output=images.npy

A model that was trained on labels is asked for them, as in --condition=suffix=T1w. gRPC needs
tensorflow-serving-api (mrisynth's extra serving), REST nothing.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import query_flags
from mrisynth.image_io import save_images
from mrisynth.serving import client


def main() -> None:
    """Runs the program."""
    app.run(_query, query_flags.define, __doc__)


def _query(values: flags.FlagValues) -> None:
    """Asks for the images, saves them and says where they are."""
    config = query_flags.config(values)
    if config.query.needs_tensorflow:
        app.import_tensorflow()
    images = client.fetch(config.query)
    save_images(images, config.query.seed, config.output)
    print(f"{len(images)} images of {images.shape[1]}x{images.shape[2]} are in {config.output}.")
