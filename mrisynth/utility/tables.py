"""What networks reached in words and tables, the same on the screen, in the report and in the model card."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from mrisynth.metrics.estimates import NOT_A_NUMBER, format_number
from mrisynth.utility.experiment import (
    AUGMENTED,
    BLIND,
    BOTH,
    BOTH_AUGMENTED,
    GENERATED,
    GENERATED_MANY,
    REAL,
)

_TITLES = {
    REAL: "real",
    GENERATED: "generated, as many",
    GENERATED_MANY: "generated, five times as many",
    BOTH: "real and generated",
    AUGMENTED: "real, augmented",
    BOTH_AUGMENTED: "real and generated, augmented",
    BLIND: "the same answer to every image",
}


_NOTHING_LEARNED = "real images taught nothing in so many steps"


def head(utility: Mapping[str, Any]) -> tuple[str, ...]:
    """The head of the table.

    Args:
        utility: A `Utility` as JSON has it; null is not a number.
    """
    return "trained on", "images", f"{utility['measure']}, {utility['target']}", "of what real images reach"


def rows(utility: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The rows of the table, with the arguments of `head`."""
    for name, row in utility["rows"].items():
        images = f"{row['images']:,}" if name != BLIND else ""
        part = _in_words(row["of_real"], 100, " %") if row["of_real"] else _NOTHING_LEARNED
        yield _TITLES[name], images, _in_words(row["score"]), part


def method(utility: Mapping[str, Any]) -> str:
    """How it was tried out, in sentences, with the arguments of `head`."""
    size, repeats = utility["resolution"], len(utility["rows"][REAL]["repeats"])
    network = "U-Net" if utility["task"] == "segmentation" else "classifier"
    return (
        f"A small {network} for images of {size}x{size} was trained on each set {repeats} times, for "
        f"{utility['steps']:,} steps of {utility['batch']} images each, whatever the set, and tested as it "
        f"was after the last step, on all slices of each of {utility['subjects']:,} held-out subjects "
        f"together. The {utility['measure']} is the mean over subjects and repeats; in brackets the 95 % "
        'interval, found by drawing subjects. "Augmented" images are mirrored, turned, scaled, shifted and '
        f'changed in brightness and contrast in each step. "{_TITLES[BLIND].capitalize()}" is what can be '
        "reached without looking at any image."
    )


def _in_words(interval: Mapping[str, float | None], factor: float = 1, unit: str = "") -> str:
    if not all(number is not None and math.isfinite(number) for number in interval.values()):
        return NOT_A_NUMBER
    value, low, high = (format_number(factor * interval[name]) for name in ("value", "low", "high"))
    return f"{value}{unit} ({low} to {high})"
