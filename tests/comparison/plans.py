"""Comparisons of tiny runs."""

from absl import flags

from mrisynth.cli import app, compare_flags
from tests.training_flags import TINY

# 16x16 is the least that can be evaluated.
SMALLEST = [
    *TINY,
    "--resolution=16",
    "--batch_sizes=4:8,8:8,16:8",
    "--fmap_base=64",
    "--attention_discriminator=16",
    "--fade_images=8",
    "--stable_images=16",
    "--deterministic",
]


def planned(data_dir, output, *arguments):
    """The comparison of a command line."""
    values = flags.FlagValues()
    compare_flags.define(values)
    app.parse_flags(values, [*SMALLEST, f"--data_dir={data_dir}", f"--output={output}", *arguments])
    return compare_flags.config(values)
