"""The flags of asking a server for images."""

from __future__ import annotations

import dataclasses
import pathlib

from absl import flags

from mrisynth.cli.flag_values import define_fields, from_flags, group, path
from mrisynth.errors import UserError
from mrisynth.sampling.conditions import Condition
from mrisynth.serving.client import PROTOCOLS, SIGNATURES, Query


@dataclasses.dataclass(frozen=True)
class QueryConfig:
    """What a server is asked, and where the images go.

    Attributes:
        query: What is asked.
        output: A folder, or a file NAME.npy or NAME.png.
    """

    query: Query
    output: pathlib.Path


def define(values: flags.FlagValues) -> None:
    """Defines every flag of the program."""
    shown = group(values, "Server")
    text = "HOST:PORT of a running TensorFlow Serving."
    flags.DEFINE_string("server", "localhost:8501", text, **shown)
    text = "What the server is spoken to by."
    flags.DEFINE_enum("protocol", Query.protocol, list(PROTOCOLS), text, **shown)
    text = "Name that the server knows the model by."
    flags.DEFINE_string("model", None, text, **shown)
    text = (
        "generate has the server draw images from seeds, png sends 8-bit PNG, serving_default sends the "
        "latents of those seeds to the server."
    )
    flags.DEFINE_enum("signature", Query.signature, list(SIGNATURES), text, **shown)
    shown = group(values, "Images")
    define_fields(Query, ("count", "seed", "truncation"), **shown)
    text = (
        "NAME=VALUE, what is asked of a label: a category, a number or a range as in 10:30; may be given "
        "several times. Other labels are unknown."
    )
    flags.DEFINE_multi_string("condition", [], text, **shown)
    text = "NAME.png for one picture of all, NAME.npy for an array, else a folder of PNG files."
    flags.DEFINE_string("output", None, text, **shown)


def config(values: flags.FlagValues) -> QueryConfig:
    """Makes a configuration of the flags.

    Raises:
        UserError: If one is missing or has a value that it cannot have.
    """
    for name in ("model", "output"):
        if not values[name].value:
            raise UserError("give --model=NAME, as the server knows it, and --output=FILE or folder")
    conditions = tuple(Condition.read(text) for text in values.condition)
    return QueryConfig(from_flags(values, Query, conditions=conditions), path(values, "output"))
