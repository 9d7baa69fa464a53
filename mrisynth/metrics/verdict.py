"""The privacy figures put into words: no sign of copying, inconclusive, or copies found."""

from __future__ import annotations

import dataclasses
import math

from mrisynth.metrics.privacy import Closeness
from mrisynth.metrics.thresholds import CHANCE, Thresholds

NO_SIGN = "no sign of copying"
INCONCLUSIVE = "inconclusive"
COPIES_FOUND = "copies found"

_Z = 1.96


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer in plain words.

    Attributes:
        words: `NO_SIGN`, `INCONCLUSIVE` or `COPIES_FOUND`.
        reasons: What it rests on, each a sentence.
    """

    words: str
    reasons: tuple[str, ...]


def decide(
    copies: int, measured: list[Closeness], training_subjects: int, heldout_subjects: int, limits: Thresholds
) -> Verdict:
    """Puts the figures into words.

    Args:
        copies: How many generated images are copies.
        measured: By each measure of distance.
        training_subjects: How many there are.
        heldout_subjects: How many there are.
        limits: See `Thresholds`.

    Returns:
        "copies found" if there are copies, or if training subjects can be told from others; "inconclusive" if
        that cannot be ruled out with so few subjects; "no sign of copying" otherwise.
    """
    too_few = _lack_of_subjects(training_subjects, heldout_subjects, limits)
    # With too few subjects any two groups of them can be told apart, and what tells them apart says nothing.
    leaks = [*_copies(copies, measured), *([] if too_few else _leaks(measured, limits))]
    if leaks:
        return Verdict(COPIES_FOUND, tuple(leaks))
    doubts = too_few or _doubts(measured, limits)
    words = INCONCLUSIVE if doubts else NO_SIGN
    return Verdict(words, (*doubts, *_reassurances(measured, limits)))


def _copies(copies: int, measured: list[Closeness]) -> list[str]:
    """Copies that can be shown suffice for "copies found"."""
    if not copies:
        return []
    return [
        f"{copies:,} of {len(measured[0].generated):,} generated images are far closer to a slice of one "
        "training subject than to any other subject, and closer than new patients come; the closest pairs "
        "are shown."
    ]


def _leaks(measured: list[Closeness], limits: Thresholds) -> list[str]:
    """So does it if training subjects can be told from others."""
    reasons = []
    for figures in measured:
        share, area = figures.closer_share, figures.membership_auc
        # Smooth images are close to everything; only what is closer to training subjects than to others is
        # evidence of copying.
        many_and_told_apart = share.low > limits.max_closer_share and area.low > CHANCE
        if area.low > limits.max_membership_auc or many_and_told_apart:
            reasons.append(
                f"By {figures.measure}, training subjects lie closer to the generated images than subjects "
                f"who were never trained on: {_guess(figures)}."
            )
    return reasons


def _lack_of_subjects(training_subjects: int, heldout_subjects: int, limits: Thresholds) -> list[str]:
    """Too few of them is "inconclusive"."""
    if auc_error(training_subjects, heldout_subjects) <= limits.max_auc_error:
        return []
    training, heldout = subjects_needed(training_subjects, heldout_subjects, limits.max_auc_error)
    return [
        f"{training_subjects} training and {heldout_subjects} held-out subjects are too few to tell copying "
        f"from chance; {training} and {heldout} would do."
    ]


def _doubts(measured: list[Closeness], limits: Thresholds) -> list[str]:
    """So is an attack that may work better than was measured."""
    return [
        f"By {figures.measure}, it cannot be ruled out that membership can be guessed: {_guess(figures)}."
        for figures in measured
        if figures.membership_auc.high > limits.max_membership_auc
    ]


def _reassurances(measured: list[Closeness], limits: Thresholds) -> list[str]:
    """What was found where there were no copies."""
    reasons = ["No generated image is close to one training subject and to no other."]
    for figures in measured:
        reasons.append(
            f"By {figures.measure}, {_percent(figures.closer_share.value)} of the generated images are "
            f"closer to training slices than the closest {_percent(limits.closest_part)} of new patients' "
            f"slices; {_guess(figures)}."
        )
    return reasons


def _guess(figures: Closeness) -> str:
    area = figures.membership_auc
    return (
        f"a guess which of two subjects was trained on is right {_percent(area.value)} of the time "
        f"({_percent(area.low)} to {_percent(area.high)}; chance is 50 %)"
    )


def _percent(part: float) -> str:
    return f"{100 * part:.3g} %"


def auc_error(training_subjects: int, heldout_subjects: int) -> float:
    """Half the 95 % interval of the attack's area where nothing leaks (Hanley and McNeil 1982)."""
    product = training_subjects * heldout_subjects
    return _Z * math.sqrt((training_subjects + heldout_subjects + 1) / (12 * product))


def subjects_needed(training_subjects: int, heldout_subjects: int, error: float) -> tuple[int, int]:
    """How many subjects, divided as they are, bring `auc_error` down to `error`."""
    share = heldout_subjects / (training_subjects + heldout_subjects)
    total = training_subjects + heldout_subjects
    while True:
        heldout = max(1, round(share * total))
        if auc_error(total - heldout, heldout) <= error:
            return total - heldout, heldout
        total += 1
