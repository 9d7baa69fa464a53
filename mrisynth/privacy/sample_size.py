"""How many subjects and images it takes to settle a question."""

from __future__ import annotations

import math

from mrisynth.metrics.estimates import Interval

_Z = 1.96

MARGIN = 2.2
"""How many times half its interval a figure is expected to be away from its limit, to be settled.

A figure that is as expected then lies within its limit, with its whole interval, 99 times of 100.
"""

_MOST_TIMES = 25
"""More times as many subjects are not worth telling: a figure so near its limit may stay there."""


def auc_error(training_subjects: int, heldout_subjects: int) -> float:
    """Half the 95 % interval of the attack's area where nothing leaks (Hanley and McNeil 1982)."""
    product = training_subjects * heldout_subjects
    return _Z * math.sqrt((training_subjects + heldout_subjects + 1) / (12 * product))


def subjects_needed(training_subjects: int, heldout_subjects: int, error: float) -> tuple[int, int]:
    """How many subjects, divided as they are, bring `auc_error` down to `error`."""
    share = heldout_subjects / (training_subjects + heldout_subjects)
    # auc_error solved for the total; whole numbers of subjects may take a few more.
    total = math.floor(_Z**2 / (12 * share * (1 - share) * error**2))
    while True:
        heldout = min(max(1, round(share * total)), max(1, total - 1))
        if total > heldout and auc_error(total - heldout, heldout) <= error:
            return total - heldout, heldout
        total += 1


def times_as_many(interval: Interval, expected: float, limit: float) -> float | None:
    """How many times as many subjects it takes until an interval no longer contains its limit.

    An interval is as wide as one over the root of the number of subjects. There are enough of them where a
    figure that is as expected is `MARGIN` away from its limit. Where that is so already, or the figure is
    beyond its limit, the figure is taken to stay what it is.

    Args:
        interval: A figure that should not be more than its limit, which it contains.
        expected: What the figure is if nothing is copied.
        limit: The limit, more than `expected`.

    Returns:
        At least 1; None if it is too many to say.
    """
    value = interval.value
    half = interval.high - value if value <= limit else value - interval.low
    root = MARGIN * half / (limit - expected) if value <= limit else 0.0
    if root <= 1:
        root = half / abs(limit - value) if value != limit else math.inf
    return root**2 if root**2 <= _MOST_TIMES else None


def images_needed(part: float) -> int:
    """Of how many images none must be a copy for the 95 % interval to exclude so large a part of copies."""
    return math.ceil(math.log(0.025) / math.log1p(-part))
