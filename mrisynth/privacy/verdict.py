"""The privacy figures put into words: no sign of copying, inconclusive, or copies found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mrisynth.errors import UserError

if TYPE_CHECKING:  # Flags are read, and thresholds checked, without TensorFlow.
    from mrisynth.privacy.statistics import Closeness, Copies

NO_SIGN = "no sign of copying"
INCONCLUSIVE = "inconclusive"
COPIES_FOUND = "copies found"
UNKNOWN = "nothing can be said about copying"
"""Of a generator that does not say what it was trained on."""

CHANCE = 0.5
"""Area under the curve of a guess."""

_Z = 1.96


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """What the verdict is decided by.

    Attributes:
        copy_ratio: A generated image is a copy if it is nearer to a training slice than half of the held-out
            slices, and its distance to that subject is less than this part of the distance to any other.
        max_unseen_copies: Too few images are generated if a larger part of them could be copies, none of
            which has been drawn.
        closest_part: Part of the held-out slices against which generated images are close.
        max_closer_share: Part of the generated images that may be close before it is a doubt.
        min_c_t: C_T below which it is a doubt.
        max_membership_auc: Area under the membership attack's curve that is still harmless.
        max_auc_error: Half the interval of that area, in the absence of any leak, beyond which there are too
            few subjects to say anything.
    """

    copy_ratio: float = 0.25
    max_unseen_copies: float = 0.01
    closest_part: float = 0.01
    max_closer_share: float = 0.05
    min_c_t: float = -3.0
    max_membership_auc: float = 0.7
    max_auc_error: float = 0.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "min_c_t" and not 0 < value < 1:
                raise UserError(f"--{field.name}={value} must be more than 0 and less than 1")
        if self.min_c_t > 0:
            raise UserError(f"--min_c_t={self.min_c_t} must not be more than 0, which is no copying at all")
        if self.max_membership_auc <= CHANCE:
            raise UserError(
                f"--max_membership_auc={self.max_membership_auc} must be more than 0.5, which is guessing"
            )
        if not 0.01 <= self.max_auc_error < CHANCE:
            raise UserError(f"--max_auc_error={self.max_auc_error} must be at least 0.01 and less than 0.5")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer in plain words.

    Attributes:
        words: `NO_SIGN`, `INCONCLUSIVE`, `COPIES_FOUND` or `UNKNOWN`.
        reasons: What it rests on, each a sentence.
    """

    words: str
    reasons: tuple[str, ...]


NOT_EXAMINED = Verdict(
    UNKNOWN,
    (
        "The model does not say which data set it was trained on, and copies can only be looked for in that "
        "one. The images were compared with this data set for their quality alone.",
    ),
)


def decide(
    copies: Copies,
    measured: Mapping[str, Closeness],
    training_subjects: int,
    heldout_subjects: int,
    limits: Thresholds,
) -> Verdict:
    """Puts the figures into words.

    Args:
        copies: What was found.
        measured: The figures by the name of each measure of distance.
        training_subjects: How many there are.
        heldout_subjects: How many there are.
        limits: See `Thresholds`.

    Returns:
        "copies found" if there are more copies than chance has it, or if training subjects can be told from
        others; "inconclusive" if any figure points to copying, or if there are too few subjects or images to
        say; "no sign of copying" if none of that is so.
    """
    too_few = _lack_of_subjects(training_subjects, heldout_subjects, limits)
    # With too few subjects any two groups of them can be told apart, and what tells them apart says nothing.
    leaks = [*_copies_found(copies), *([] if too_few else _leaks(measured, limits))]
    if leaks:
        return Verdict(COPIES_FOUND, (*leaks, *too_few))
    doubts = [
        *too_few,
        *_copies_by_chance(copies),
        *_lack_of_images(len(copies.generated), limits),
        *_doubts(measured, training_subjects, heldout_subjects, limits),
    ]
    return Verdict(INCONCLUSIVE if doubts else NO_SIGN, (*doubts, *_findings(copies, measured, limits)))


def _copies_found(copies: Copies) -> list[str]:
    """Says where there are more copies than chance has it, which suffices for "copies found"."""
    if not (copies.count and copies.is_more_than_chance):
        return []
    return [
        f"{copies.count:,} of {len(copies.generated):,} generated images are far closer to a slice of one "
        f"training subject than to any other subject; of {copies.control_count:,} slices of new patients "
        f"{_number(copies.controls)} so close. The closest pairs are shown."
    ]


def _leaks(measured: Mapping[str, Closeness], limits: Thresholds) -> list[str]:
    """Says where training subjects can be told from others, which suffices for "copies found"."""
    reasons = []
    for distance, figures in measured.items():
        share, area = figures.closer_share, figures.membership_auc
        # Smooth images are close to everything; only what is closer to training subjects than to others is
        # evidence of copying.
        many_and_told_apart = share.low > limits.max_closer_share and area.low > CHANCE
        if area.low > limits.max_membership_auc or many_and_told_apart:
            reasons.append(
                f"By {distance}, training subjects lie closer to the generated images than subjects "
                f"who were never trained on: {_guess(figures)}."
            )
    return reasons


def _lack_of_subjects(training_subjects: int, heldout_subjects: int, limits: Thresholds) -> list[str]:
    """Says where there are too few subjects, which makes the answer "inconclusive"."""
    if auc_error(training_subjects, heldout_subjects) <= limits.max_auc_error:
        return []
    training, heldout = subjects_needed(training_subjects, heldout_subjects, limits.max_auc_error)
    return [
        f"{training_subjects} training and {heldout_subjects} held-out subjects are too few to tell copying "
        f"from chance; {training} and {heldout} would do."
    ]


def _lack_of_images(count: int, limits: Thresholds) -> list[str]:
    """Says where there are too few images, which makes the answer "inconclusive"."""
    unseen = unseen_copies(count)
    if unseen <= limits.max_unseen_copies:
        return []
    return [
        f"{count:,} images are too few: up to {_percent(unseen)} of all could be copies without one of them "
        f"here; {math.ceil(3 / limits.max_unseen_copies):,} would do."
    ]


def _copies_by_chance(copies: Copies) -> list[str]:
    """Says where images look like copies no more often than new patients' slices do."""
    if not copies.count:
        return []
    return [
        f"{copies.count:,} of {len(copies.generated):,} generated images are far closer to one training "
        f"subject than to any other, which may be chance: of {copies.control_count:,} slices of new patients "
        f"{_number(copies.controls)} so close. Look at the closest pairs."
    ]


def _doubts(
    measured: Mapping[str, Closeness], training_subjects: int, heldout_subjects: int, limits: Thresholds
) -> list[str]:
    """Says which figures point to copying, or may, and so make the answer "inconclusive"."""
    reasons = []
    for distance, figures in measured.items():
        by = f"By {distance},"
        if figures.closer_share.low > limits.max_closer_share:
            reasons.append(
                f"{by} {_percent(figures.closer_share.value)} of the generated images are closer to training "
                f"slices than the closest {_percent(limits.closest_part)} of new patients' slices: copies "
                "would be, and so would images without detail."
            )
        if figures.authenticity.high < figures.authenticity_heldout.low:
            reasons.append(
                f"{by} generated images are nearer to single training slices than other subjects are, more "
                f"often than new patients' slices ({_percent(1 - figures.authenticity.value)} against "
                f"{_percent(1 - figures.authenticity_heldout.value)})."
            )
        if figures.c_t.high < limits.min_c_t:
            reasons.append(
                f"{by} generated images are closer to training slices than new patients' of the same kind "
                f"(C_T {figures.c_t.value:.1f})."
            )
        if figures.membership_auc.high > limits.max_membership_auc:
            needed = _needed_to_settle(figures, training_subjects, heldout_subjects, limits)
            reasons.append(
                f"{by} it cannot be ruled out that membership can be guessed: {_guess(figures)}{needed}."
            )
    return reasons


def _needed_to_settle(
    figures: Closeness, training_subjects: int, heldout_subjects: int, limits: Thresholds
) -> str:
    """Says how many subjects would settle the question, if any number would."""
    error = limits.max_membership_auc - figures.membership_auc.value
    if error <= 0:
        return ""
    training, heldout = subjects_needed(training_subjects, heldout_subjects, error)
    return f"; {training} training and {heldout} held-out subjects would settle it"


def _findings(copies: Copies, measured: Mapping[str, Closeness], limits: Thresholds) -> list[str]:
    """Says what was found where nothing points to copying."""
    total = len(copies.generated)
    reasons = []
    if not copies.count:
        reasons.append(
            f"None of {total:,} generated images is far closer to one training subject than to any other; "
            f"copies rarer than {_percent(unseen_copies(total))} of all could have been missed."
        )
    for distance, figures in measured.items():
        reasons.append(
            f"By {distance}, {_percent(figures.closer_share.value)} of the generated images are "
            f"closer to training slices than the closest {_percent(limits.closest_part)} of new patients' "
            f"slices; {_guess(figures)}."
        )
    return reasons


def unseen_copies(count: int) -> float:
    """The part of all images that could be copies, with 95 % confidence, if none of so many is one."""
    return min(1.0, 3 / count)


def _number(count: int) -> str:
    return {0: "none is", 1: "one is"}.get(count, f"{count:,} are")


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
    # auc_error solved for the total; whole numbers of subjects may take a few more.
    total = math.floor(_Z**2 / (12 * share * (1 - share) * error**2))
    while True:
        heldout = min(max(1, round(share * total)), max(1, total - 1))
        if total > heldout and auc_error(total - heldout, heldout) <= error:
            return total - heldout, heldout
        total += 1
