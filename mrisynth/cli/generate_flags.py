"""The flags of drawing images from an export."""

from __future__ import annotations

import pathlib

from absl import flags

from mrisynth.cli import shipped
from mrisynth.cli.flag_values import define_fields, from_flags, group, path
from mrisynth.errors import UserError
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats import FORMATS
from mrisynth.release.formats.png import BITS
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.config import InterpolationConfig, SweepConfig

_CONDITION = (
    "NAME=VALUE, what is asked of a label of every image: a category, a number, a range as in 10:30, or "
    "nothing for unknown; may be given several times. Other labels are as in the training data."
)
_RELEASE_ONLY = ("output", "format", "truncation", "bits", "rescale", "suffix", "filter_copies", "data_dir")


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    shown = group(values, "Images")
    define_fields(ReleaseConfig, ("saved_model", "seed", "truncation"), **shown)
    text = (
        "Images of the release; seeds on the way of --interpolate or in the rows of --sweep, "
        f"{InterpolationConfig.count} if not given."
    )
    flags.DEFINE_integer("count", None, text, **shown)
    shown = group(values, "Labels")
    flags.DEFINE_multi_string("condition", [], _CONDITION, **shown)
    text = (
        "In place of a release, a .gif or .png file --output of the same images while a label moves: "
        "NAME=FIRST:LAST:STEP, or NAME=CATEGORY,CATEGORY."
    )
    flags.DEFINE_string("sweep", None, text, **shown)
    define_fields(ReleaseConfig, ("force",), **shown)
    shown = group(values, "Release")
    define_fields(ReleaseConfig, ("output", "suffix"), **shown)
    text = "; ".join(f"{name}: {kind.summary}" for name, kind in FORMATS.items()) + "."
    flags.DEFINE_enum("format", ReleaseConfig.format, list(FORMATS), text, **shown)
    text = "Of DICOM files: keep in them, and not only beside them, what makes intensities of their values."
    flags.DEFINE_bool("rescale", None, text, **shown)
    text = "Of PNG files; 8 if not given."
    flags.DEFINE_enum("bits", None, list(map(str, BITS)), text, **shown)
    shown = group(values, "Copies of training images")
    text = "Leave out images that are too close to the training data in --data_dir."
    flags.DEFINE_bool("filter_copies", False, text, **shown)
    define_fields(ReleaseConfig, ("data_dir", "copy_ratio", "release_despite_copies"), **shown)
    shown = group(values, "Way from seed to seed")
    text = "In place of a release, a .gif or .png file of the way from seed to seed."
    flags.DEFINE_string("interpolate", None, text, **shown)
    define_fields(InterpolationConfig, ("steps",), **shown)


def config(values: flags.FlagValues) -> ReleaseConfig | InterpolationConfig | SweepConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If a flag has a value that it cannot have, or one is missing.
    """
    if not values.saved_model:
        raise UserError("give --saved_model, a generator that mrisynth exported, as in saved_models/NAME")
    saved_model = shipped.saved_model(values.saved_model)
    asked = tuple(Condition.read(text) for text in values.condition)
    if values.sweep:
        return _sweep(values, saved_model, asked)
    if values.interpolate:
        return _interpolation(values, saved_model, asked)
    for name, example in (("count", "100"), ("output", "DIR")):
        if values[name].value in (None, ""):
            raise UserError(f"give --{name}, as in --{name}={example}, or --interpolate=way.gif")
    if values.filter_copies != bool(values.data_dir):
        raise UserError(
            "--filter_copies needs --data_dir, the data set that the generator was trained on, and is what "
            "--data_dir is for; give both or neither"
        )
    return from_flags(
        values,
        ReleaseConfig,
        saved_model=saved_model,
        output=path(values, "output"),
        bits=int(values.bits) if values.bits else None,
        data_dir=path(values, "data_dir"),
        conditions=asked,
    )


def _interpolation(
    values: flags.FlagValues, saved_model: pathlib.Path, asked: tuple[Condition, ...]
) -> InterpolationConfig:
    given = [name for name in _RELEASE_ONLY if values[name].present]
    if given:
        raise UserError(f"--{given[0]} is for a release; --interpolate shows images as they are")
    return from_flags(
        values,
        InterpolationConfig,
        saved_model=saved_model,
        picture=path(values, "interpolate"),
        count=InterpolationConfig.count if values.count is None else values.count,
        conditions=asked,
    )


def _sweep(values: flags.FlagValues, saved_model: pathlib.Path, asked: tuple[Condition, ...]) -> SweepConfig:
    for name in ("interpolate", "steps", *(name for name in _RELEASE_ONLY if name != "output")):
        if values[name].present:
            raise UserError(f"--{name} is not for --sweep, which shows the same images while a label moves")
    if not values.output:
        raise UserError("give --output, a .gif or .png file for --sweep, as in --output=sweep.png")
    return from_flags(
        values,
        SweepConfig,
        saved_model=saved_model,
        output=path(values, "output"),
        sweep=Condition.read(values.sweep, "--sweep"),
        count=SweepConfig.count if values.count is None else values.count,
        conditions=asked,
    )
