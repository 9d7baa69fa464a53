"""Whether generated images are like the data at all, without which a verdict on copying says nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping

from mrisynth.metrics.estimates import Measure, format_number, percent

_FARTHER = 5.0
_PART = 0.75

RULE = (
    "Images count as unlike the data if they lie outside what real sets of the same size do among "
    "themselves: if their Fréchet distance to the held-out slices is more than 5 times that of as many "
    "training slices, and their precision is less than 0.75 times that of the training slices."
)
"""What `unlike_the_data` decides by, for readers.

The distance alone would not do: the more subjects there are, the closer real sets come to each other, and the
farther from them even a good generator seems."""


def unlike_the_data(measures: Mapping[str, Measure]) -> str:
    """Says where images lie outside what real sets do among themselves (see `RULE`); empty if they do not."""
    distance, part = measures["frechet"], measures["precision"]
    sides = [(measure.generated.mean, measure.real.mean) for measure in (distance, part)]
    if not all(math.isfinite(value) for values in sides for value in values):
        return (
            "Whether the images are like the data is not known, since a figure that decides it is not a "
            "number; whether such images are copies says nothing about the model."
        )
    (far, real_far), (among, real_among) = sides
    if far <= _FARTHER * real_far or among > _PART * real_among:
        return ""
    return (
        f"The images are not like the data: their Fréchet distance to the held-out slices is "
        f"{format_number(far)}, that of training slices {format_number(real_far)}, and {percent(among)} of "
        "them look like something that occurs among the held-out slices, against "
        f"{percent(real_among)} of the training slices (precision). Whether such images are copies says "
        "nothing about the model."
    )
