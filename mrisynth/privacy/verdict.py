"""The privacy figures put into words, by one rule: no sign of copying, inconclusive, or copies found."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from mrisynth.errors import UserError
from mrisynth.metrics.estimates import Interval, percent
from mrisynth.privacy.sample_size import MARGIN, auc_error, images_needed, subjects_needed, times_as_many

if TYPE_CHECKING:  # Flags are read, and thresholds checked, without TensorFlow.
    from mrisynth.privacy.statistics import Closeness, Copies

NO_SIGN = "no sign of copying"
INCONCLUSIVE = "inconclusive"
COPIES_FOUND = "copies found"
UNKNOWN = "nothing can be said about copying"
"""Of a generator that does not say what it was trained on."""

RULE = (
    "Every figure has a 95 % interval and a limit, beyond which it is harmful. If the whole interval of any "
    'figure lies beyond its limit, harm is shown, and the verdict is "copies found". If the whole interval '
    'of every figure lies within its limit, harm is excluded, and the verdict is "no sign of copying". '
    'Otherwise it is "inconclusive", and the report says what would settle it. '
    "Images that count as copies are harmful as soon as there are more of them than chance has it among "
    "slices of new subjects, and leave the question open where there are nearly more. "
    "Images without detail are close to every scan: that images are close is harmful only if the membership "
    "attack works, too, with its whole interval above 50 % by every measure of distance, and otherwise "
    "leaves the question open. With too few subjects, every figure but the copies leaves it open."
)
"""How figures make the verdict; stands in the documentation, in --help and in the report."""

HARMFUL = "harmful"
HARMLESS = "harmless"
OPEN = "open"

CHANCE = 0.5
"""Area under the curve of a guess."""

COPIES = "images that count as copies"
MEMBERSHIP = "guessing who was trained on"
CLOSER = "images closer than the closest new subjects"
NEARER = "images nearer than new subjects of their kind"
AUTHENTICITY = "authenticity lost"
"""What figures are called in tables."""

_NEARLY = 0.8
"""Copies leave the question open if they are more than chance has it with this confidence."""

_TOO_MANY = 0.5
"""Part of new subjects' slices that count as copies beyond which real copies cannot be seen among them."""

_NO_DETAIL = "More subjects do not settle it: copies would be so close, and so would images without detail."


@dataclasses.dataclass(frozen=True)
class Thresholds:
    """What the verdict is decided by.

    Attributes:
        copy_ratio: A generated image is a copy if it is nearer to a training slice than half of the held-out
            slices, and its distance to that subject is less than this part of the distance to any other.
        max_unseen_copies: Part of the images that count as copies that the interval must exclude. Less than
            1 %, so that copying of 1 % of the images cannot pass.
        closest_part: Generated images count as close beyond this part of new subjects' slices.
        max_closer_share: Part of close generated images that is still harmless.
        max_authenticity_loss: How much smaller AuthPct of generated images may be than that of new subjects.
        max_nearer_auc: How often a generated image may be nearer to training slices than a new subject's.
        max_membership_auc: Area under the membership attack's curve that is still harmless.
        max_auc_error: Half the interval of that area, in the absence of any leak, beyond which there are too
            few subjects to say anything.
    """

    copy_ratio: float = 0.25
    max_unseen_copies: float = 0.0075
    closest_part: float = 0.01
    max_closer_share: float = 0.2
    max_authenticity_loss: float = 0.3
    max_nearer_auc: float = 0.7
    max_membership_auc: float = 0.7
    max_auc_error: float = 0.2

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not 0 < value < 1:
                raise UserError(f"--{field.name}={value} must be more than 0 and less than 1")
        for name in ("max_nearer_auc", "max_membership_auc"):
            if getattr(self, name) <= CHANCE:
                raise UserError(f"--{name}={getattr(self, name)} must be more than 0.5, which is guessing")
        if self.max_closer_share <= self.closest_part:
            raise UserError(
                f"--max_closer_share={self.max_closer_share} must be more than "
                f"--closest_part={self.closest_part}, which is what new subjects reach"
            )
        if not 0.01 <= self.max_auc_error < CHANCE:
            raise UserError(f"--max_auc_error={self.max_auc_error} must be at least 0.01 and less than 0.5")

    @property
    def changed(self) -> dict[str, float]:
        """Those that are not mrisynth's own, by name."""
        return changed_limits(vars(self))

    @property
    def looser(self) -> bool:
        """Whether any lets pass what mrisynth's own would not."""
        return any(
            value > getattr(Thresholds, name)
            if name.startswith("max_")
            else value < getattr(Thresholds, name)
            for name, value in vars(self).items()
        )


def changed_limits(limits: Mapping[str, float]) -> dict[str, float]:
    """The limits, by name, that are not mrisynth's own."""
    return {name: value for name, value in limits.items() if value != getattr(Thresholds, name, None)}


def limits_in_words(changed: Mapping[str, float]) -> str:
    """Says that a verdict is by other limits than mrisynth's, and by which; empty if there are none."""
    limits = ", ".join(
        f"{name} {value:g} (not {getattr(Thresholds, name, 0):g})" for name, value in changed.items()
    )
    return f"The verdict is by other limits than mrisynth's: {limits}." if limits else ""


@dataclasses.dataclass(frozen=True)
class Figure:
    """A figure that the verdict rests on.

    Attributes:
        name: What it is, for a table.
        distance: Name of the measure of distance; empty for what all of them say together.
        interval: The figure, a part or a difference of parts, with its interval.
        expected: What new subjects in the place of the generated images would have.
        limit: What is more than this is harmful.
        finding: `HARMFUL`, `HARMLESS` or `OPEN`.
        sentence: The figure in words.
        settled_by: What would settle it if it is open, as part of a sentence; else empty.
    """

    name: str
    distance: str
    interval: Interval
    expected: float
    limit: float
    finding: str
    sentence: str
    settled_by: str = ""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The answer in plain words.

    Attributes:
        words: `NO_SIGN`, `INCONCLUSIVE`, `COPIES_FOUND` or `UNKNOWN`.
        reasons: What it rests on, each a sentence.
        figures: The figures that `RULE` was applied to; none if copies were not looked for.
    """

    words: str
    reasons: tuple[str, ...]
    figures: tuple[Figure, ...] = ()


NOT_EXAMINED = Verdict(
    UNKNOWN,
    (
        "The model does not say which data set it was trained on, and copies can only be looked for in that "
        "one. The images were compared with this data set for their quality alone.",
    ),
)


_OTHER_SCANS = (
    "The model's first weights were trained on other scans, with which the images were not compared: copies "
    "of those would not have been found."
)


def beside_other_scans(verdict: Verdict) -> Verdict:
    """The verdict on a model whose first weights were trained on scans of patients that nobody looked at.

    No sign of copying among the scans that were compared leaves the question open; copies stay copies.

    Args:
        verdict: What is said by the data set that the model was trained on last.
    """
    words = INCONCLUSIVE if verdict.words == NO_SIGN else verdict.words
    reasons = (*verdict.reasons, _OTHER_SCANS) if words == COPIES_FOUND else (_OTHER_SCANS, *verdict.reasons)
    return dataclasses.replace(verdict, words=words, reasons=reasons)


def decide(
    copies: Copies,
    measured: Mapping[str, Closeness],
    training_subjects: int,
    heldout_subjects: int,
    limits: Thresholds,
) -> Verdict:
    """Puts the figures into words by `RULE`.

    Args:
        copies: What was found.
        measured: The figures by the name of each measure of distance.
        training_subjects: How many there are.
        heldout_subjects: How many there are.
        limits: See `Thresholds`.

    Returns:
        The verdict. What decided it comes first among its reasons.
    """
    subjects = _Subjects(training_subjects, heldout_subjects, limits)
    figures = [_copies(copies, limits)]
    told_apart = all(closeness.membership_auc.low > CHANCE for closeness in measured.values())
    for distance, closeness in measured.items():
        figures += _by_distance(distance, closeness, told_apart, subjects, limits)
    harmful = [figure.sentence for figure in figures if figure.finding == HARMFUL]
    still_open = [figure for figure in figures if figure.finding == OPEN]
    too_few = [subjects.too_few] if subjects.too_few else []
    if harmful:
        return Verdict(COPIES_FOUND, (*harmful, *too_few), tuple(figures))
    # What is open for want of subjects is said once for all figures.
    said = [figure for figure in still_open if not (too_few and figure.distance)]
    reasons = [*too_few, *(f"{figure.sentence} {figure.settled_by}" for figure in said)]
    words = INCONCLUSIVE if still_open else NO_SIGN
    return Verdict(words, (*reasons, *_harmless(figures)), tuple(figures))


def _harmless(figures: Sequence[Figure]) -> Iterator[str]:
    """Says what lies within its limit: of each measure of distance, the attack, and how many figures do."""
    for figure in figures:
        if figure.finding == HARMLESS and figure.name in (COPIES, MEMBERSHIP):
            yield figure.sentence
    for distance in dict.fromkeys(figure.distance for figure in figures if figure.distance):
        found = [figure.finding == HARMLESS for figure in figures if figure.distance == distance]
        if any(found):
            by = _by(distance)
            yield f"By {by}, {sum(found)} of {len(found)} figures lie wholly within their limits."


def lack_of_subjects(training: int, heldout: int, limits: Thresholds) -> str:
    """Says where there are too few subjects for any verdict but "inconclusive", and how many would do.

    Args:
        training: How many were trained on, at least 1.
        heldout: How many were held out, at least 1.
        limits: What the verdict is decided by.

    Returns:
        A sentence; empty where there are enough.
    """
    if auc_error(training, heldout) <= limits.max_auc_error:
        return ""
    clear = (limits.max_membership_auc - CHANCE) / MARGIN
    needed = subjects_needed(training, heldout, min(limits.max_auc_error, clear))
    return (
        f"{training} training and {heldout} held-out subjects are too few to tell copying from chance; "
        f"{needed[0]:,} and {needed[1]:,} would do."
    )


class _Subjects:
    """How many subjects there are, and how many it would take."""

    def __init__(self, training: int, heldout: int, limits: Thresholds) -> None:
        self._training, self._heldout = training, heldout
        self.too_few = lack_of_subjects(training, heldout, limits)

    def settle(self, interval: Interval, expected: float, limit: float) -> str:
        """Says how many subjects would settle a figure."""
        times = times_as_many(interval, expected, limit)
        if times is None:
            return "It is so near its limit that no number of subjects is sure to settle it."
        training, heldout = (math.ceil(times * count) for count in (self._training, self._heldout))
        return f"About {training:,} training and {heldout:,} held-out subjects would settle it."


def _copies(copies: Copies, limits: Thresholds) -> Figure:
    """Judges the images that count as copies."""
    count, total, share = copies.count, len(copies.generated), copies.share
    by_chance = copies.controls / copies.control_count
    # A copy of a subject that is in the data set twice cannot be seen: of the others there may be fewer.
    most = (1 - by_chance) * limits.max_unseen_copies
    finding, settled_by = OPEN, ""
    if count and share.value > copies.most_by_chance():
        finding = HARMFUL
    elif by_chance > _TOO_MANY:
        settled_by = "That is too many to see copies among; maybe some subjects are in the data set twice."
    elif count and (share.high > most or share.value > copies.most_by_chance(_NEARLY)):
        settled_by = "Look at the most suspicious pairs; more images would tell."
    elif share.high > most:
        settled_by = f"{images_needed(most):,} images without a copy would do."
    else:
        finding = HARMLESS
    are = "is" if count == 1 else "are"
    new = f"of {copies.control_count:,} slices of new subjects {_number(copies.controls)} so close"
    if count or by_chance > _TOO_MANY:
        chance = ", which may be chance" if finding != HARMFUL and count else ""
        sentence = (
            f"{count:,} of {total:,} generated images {are} far closer to a slice of one training subject "
            f"than to any other subject{chance}; {new}."
        )
    else:
        sentence = (
            f"None of {total:,} generated images is far closer to one training subject than to any other; "
            f"copies rarer than {percent(share.high)} of all could have been missed."
        )
    limit = copies.most_by_chance() if finding == HARMFUL else most
    return Figure(COPIES, "", share, by_chance, limit, finding, sentence, settled_by)


def _by_distance(
    distance: str, closeness: Closeness, told_apart: bool, subjects: _Subjects, limits: Thresholds
) -> Iterator[Figure]:
    """Judges what one measure of distance says."""

    def judge(name: str, interval: Interval, expected: float, limit: float, words: str) -> Figure:
        finding = _finding(interval, limit)
        settled_by = ""
        if subjects.too_few:
            finding, settled_by = OPEN, subjects.too_few
        elif interval.value > limit and name != MEMBERSHIP and not told_apart:
            finding, settled_by = OPEN, _NO_DETAIL
        elif finding == OPEN:
            settled_by = subjects.settle(interval, expected, limit)
        sentence = f"By {_by(distance)}, {words}; the limit is {percent(limit)}."
        return Figure(name, distance, interval, expected, limit, finding, sentence, settled_by)

    area = closeness.membership_auc
    yield judge(
        MEMBERSHIP,
        area,
        CHANCE,
        limits.max_membership_auc,
        f"a guess which of two subjects was trained on is right {percent(area.value)} of the time "
        f"({_range(area)}; chance is 50 %)",
    )
    share = closeness.closer_share
    yield judge(
        CLOSER,
        share,
        closeness.expected_share,
        limits.max_closer_share,
        f"{percent(share.value)} of the generated images ({_range(share)}) are closer to training slices "
        f"than the closest {percent(limits.closest_part)} of new subjects' slices",
    )
    nearer = closeness.nearer_auc
    yield judge(
        NEARER,
        nearer,
        CHANCE,
        limits.max_nearer_auc,
        f"generated images are nearer to training slices than new subjects' slices of their kind "
        f"{percent(nearer.value)} of the time ({_range(nearer)}; chance is 50 %)",
    )
    lost = closeness.authenticity_loss
    ours, theirs = (
        percent(1 - each.value) for each in (closeness.authenticity, closeness.authenticity_heldout)
    )
    yield judge(
        AUTHENTICITY,
        lost,
        0.0,
        limits.max_authenticity_loss,
        f"{ours} of the generated images and {theirs} of new subjects' slices are nearer to a training slice "
        f"than other subjects are to that (a difference of {percent(lost.value)}, {_range(lost)})",
    )


def _finding(interval: Interval, limit: float) -> str:
    """Where an interval lies; what is not a number is open."""
    if interval.low > limit:
        return HARMFUL
    return HARMLESS if interval.high <= limit else OPEN


def _number(count: int) -> str:
    return {0: "none is", 1: "one is"}.get(count, f"{count:,} are")


def _by(distance: str) -> str:
    """What sentences call a measure of distance."""
    return distance.replace("_", " ")


def _range(interval: Interval) -> str:
    return f"{percent(interval.low)} to {percent(interval.high)}"
