"""Draws images from an exported generator: a data set that others can use, or pictures of what it can draw.

    mrisynth-generate --saved_model=head_phantom --count=100 --output=images --format=png
    mrisynth-generate --saved_model=head_phantom --interpolate=way.gif

head_phantom comes with mrisynth. It was trained on labels, and so these can be asked for:

    mrisynth-generate --saved_model=head_phantom --count=1000 --output=DIR --condition=suffix=T1w
    mrisynth-generate --saved_model=head_phantom --sweep=position_mm=-40:60:20 --output=sweep.png

It needs nothing but the export. The same command again goes on where the last one stopped; a larger --count
extends what is there.
"""

from __future__ import annotations

from mrisynth.cli import app  # isort: skip  (before TensorFlow is imported)

from absl import flags

from mrisynth.cli import generate_flags
from mrisynth.sampling.config import InterpolationConfig, SweepConfig


def main() -> None:
    """Runs the program."""
    app.run(_generate, generate_flags.define, __doc__)


def _generate(values: flags.FlagValues) -> None:
    """Draws what was asked for and says what there is."""
    config = generate_flags.config(values)
    app.import_tensorflow()
    if isinstance(config, InterpolationConfig):
        from mrisynth.sampling.interpolation import write_interpolation

        print(write_interpolation(config))
        return
    if isinstance(config, SweepConfig):
        from mrisynth.sampling.sweep import write_sweep

        print(write_sweep(config))
        return
    from mrisynth.release.release import make_release

    print(make_release(config))
