"""Draws images from an exported generator: a data set that others can use, or a way from image to image.

    python tools/generate.py --saved_model=saved_models/NAME --count=1000 --output=DIR
    python tools/generate.py --saved_model=saved_models/NAME --count=1000 --output=DIR --format=png --bits=16
    python tools/generate.py --saved_model=saved_models/NAME --interpolate=way.gif

It needs nothing but the export. The same command again goes on where the last one stopped; a larger --count
extends what is there. See --help for the flags.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from mrisynth.cli.options import define_release_flags, release_config
from mrisynth.sampling.config import InterpolationConfig


def main() -> None:
    """Draws what was asked for and says what there is."""
    config = release_config()
    app.import_tensorflow()
    if isinstance(config, InterpolationConfig):
        from mrisynth.sampling.interpolation import write_interpolation

        print(f"{config.picture}: {write_interpolation(config)} images")
        return
    from mrisynth.release.release import make_release

    print(make_release(config))


if __name__ == "__main__":
    define_release_flags()
    app.run(main)
