"""Asks a running TensorFlow Serving for images and saves them.

    python tools/query_serving.py --server=localhost:8501 --model=NAME --count=16 --seed=0 --output=images.png
    python tools/query_serving.py --server=localhost:8500 --protocol=grpc --model=NAME --output=images.npy

gRPC needs tensorflow-serving-api ('.[serving]'), REST nothing. See --help for the flags.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from mrisynth.cli.options import define_query_flags, query_config
from mrisynth.image_io import save_images
from mrisynth.serving import client


def main() -> None:
    """Asks for the images, saves them and says where they are."""
    config = query_config()
    if config.query.needs_tensorflow:
        app.import_tensorflow()
    images = client.fetch(config.query)
    save_images(images, config.query.seed, config.output)
    print(f"{len(images)} images of {images.shape[1]}x{images.shape[2]} are in {config.output}.")


if __name__ == "__main__":
    define_query_flags()
    app.run(main)
