"""Whose scan each file is, judged over all files together: what their names share says nothing.

Where names can be read in two ways that put different files together, the user is asked. A person's scans
that count as two people's may stand on both sides of the split.
"""

from __future__ import annotations

import dataclasses
import re
import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from mrisynth.data.finding.bids import subject_labels
from mrisynth.data.finding.scan_names import is_group, is_visit_code, same_form, stem, whose
from mrisynth.errors import UserError

# What a visit is called when it has no word for it: patient7_1, patient7_I123, patient7_scan2.
_NUMBERED = re.compile(r"[a-z]{0,6}\d+[a-z]?|[a-z]", re.IGNORECASE)
_SEPARATOR = re.compile(r"[-_ .]+|(?<=\d)(?=[a-zA-Z]$)")


@dataclasses.dataclass(frozen=True)
class _Reading:
    """One way of reading names: a subject for every file."""

    subjects: tuple[str, ...]

    @property
    def groups(self) -> tuple[int, ...]:
        """For every file, the first file of the same subject: equal for readings that group equally."""
        first: dict[str, int] = {}
        return tuple(first.setdefault(same_form(name), number) for number, name in enumerate(self.subjects))

    @property
    def count(self) -> int:
        """Number of subjects."""
        return len(set(self.groups))

    def named_alike(self) -> tuple[str, ...]:
        """The subjects, each by the name that its first file has: p1 where others have P01."""
        return tuple(self.subjects[number] for number in self.groups)


def subjects_of(
    names: Sequence[str], pattern: re.Pattern[str] | None = None, folder: str = "scans"
) -> list[str]:
    """Says whose scan each file is.

    By the regular expression if there is one (its group `subject`, else its first group, else the whole
    match; empty where it does not match); else by the BIDS entity sub-, in the name or in a folder's name;
    else by what tells the files apart: words for visits and contrasts and folders that all share do not.

    Args:
        names: Paths relative to the folder that all inputs share, with forward slashes.
        pattern: The regular expression.
        folder: Name of the shared folder: the subject of files whose names say nothing of it.

    Returns:
        One subject per name; empty where its folder and its name contradict each other.

    Raises:
        UserError: Names can be read in two ways.
    """
    if pattern is not None:
        return [_matched(pattern, name) for name in names]
    labels = [subject_labels(name) for name in names]
    subjects = [label[0] if label else "" for label in labels]
    for is_bids, read in ((True, _by_labels), (False, lambda chosen: _by_differences(chosen, folder))):
        numbers = [number for number, label in enumerate(labels) if (label is not None) == is_bids]
        for number, subject in zip(numbers, read([names[number] for number in numbers]), strict=True):
            subjects[number] = subject
    return subjects


def _matched(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None:
        return ""
    found = match["subject"] if "subject" in pattern.groupindex else match[1 if pattern.groups else 0]
    return (found or "").replace("/", "_")


def _by_labels(names: Sequence[str]) -> Sequence[str]:
    """By BIDS labels, the shortest or, where an underscore belongs to them, the longest."""
    labels = [subject_labels(name) or ("", "") for name in names]
    short, long = (_Reading(tuple(label[end] for label in labels)) for end in (0, 1))
    if short.groups != long.groups:
        raise _question(names, (short, long))
    return short.subjects


def _by_differences(names: Sequence[str], folder: str) -> Sequence[str]:
    """By the level of folders, or the part of the name, that tells files of different subjects apart."""
    if not names:
        return ()
    levels = [_telling_levels(name) for name in names]
    if len({tuple(map(same_form, parts)) for parts in levels}) == 1:
        return [levels[0][-1] if levels[0] else folder] * len(names)
    levels = _without_shared(levels)
    reading = _level_of_subjects(names, levels, folder)
    for length in range(max(len(_SEPARATOR.split(name)) for name in reading.subjects) - 1, 0, -1):
        shorter = _shortened(reading, length)
        if shorter.count > 1 and shorter.groups != reading.groups:
            raise _question(names, (reading, shorter))
    return reading.named_alike()


def _telling_levels(name: str) -> list[str]:
    """What the folders and the stem say of whose a file is, the outermost first."""
    *folders, _ = name.split("/")
    outer = [words for words in map(whose, folders) if words]
    inner = [words for words in [whose(stem(name))] if words]
    # A folder v1 beside another name stands for a visit; by itself it may be what a subject is called.
    return [words for words in outer if not is_visit_code(words)] + inner or outer


def _without_shared(levels: Sequence[Sequence[str]], ends: Sequence[int] = (0, -1)) -> list[list[str]]:
    """Without the outermost (0) and innermost (-1) levels that are the same for all files."""
    rest = [list(parts) for parts in levels]
    for end in ends:
        while all(len(parts) > 0 for parts in rest) and len({same_form(parts[end]) for parts in rest}) == 1:
            for parts in rest:
                del parts[end]
    return rest


def _level_of_subjects(names: Sequence[str], levels: Sequence[Sequence[str]], folder: str) -> _Reading:
    """The level that names subjects."""
    inner = _reading(levels, lambda parts: parts[-1], folder)
    outer = _reading(levels, lambda parts: parts[0], folder)
    if inner.groups == outer.groups:
        return inner
    for depth in range(max(map(len, levels)) - 1):
        if all(_is_repeated_within(parts, depth) for parts in levels):
            return _reading(levels, lambda parts, depth=depth: parts[min(depth, len(parts) - 1)], folder)
    joined = _reading(levels, "_".join, folder)
    groups_only = all(is_group(part) for parts in levels for part in parts[:-1])
    if groups_only and joined.groups == inner.groups:
        return inner
    readings = {reading.groups: reading for reading in (joined, outer, inner) if reading.count > 1}
    if groups_only:
        readings.pop(outer.groups, None)
    if len(readings) == 1:
        return next(iter(readings.values()))
    raise _question(names, tuple(readings.values()))


def _reading(
    levels: Sequence[Sequence[str]], choose: Callable[[Sequence[str]], str], folder: str
) -> _Reading:
    return _Reading(tuple(choose(parts) if parts else folder for parts in levels))


def _is_repeated_within(parts: Sequence[str], depth: int) -> bool:
    """Whether all that lies below a folder has the folder's name in its own, as p1/p1_a.nii."""
    if len(parts) <= depth + 1:
        return True
    return f"_{same_form(parts[depth])}_" in f"_{same_form(parts[-1])}_"


def _shortened(reading: _Reading, length: int) -> _Reading:
    """The reading that takes a number, a letter or a repeated word behind some words for a visit's.

    A word is repeated that stands behind several beginnings: left and right in p1_left, p1_right, p2_left.
    """
    words = _without_shared([_SEPARATOR.split(name) for name in reading.subjects], ends=(-1,))
    begins = [_first_words(name, length) for name in reading.subjects]
    behind = {
        (same_form(begin), same_form(parts[-1]))
        for begin, parts in zip(begins, words, strict=True)
        if len(parts) > length
    }
    counts = Counter(last for _, last in behind)
    crossed = {begin for begin, last in behind if counts[last] > 1}

    def shorten(name: str, begin: str, parts: Sequence[str]) -> str:
        if len(parts) <= length or is_group(begin):
            return name
        is_visit = same_form(begin) in crossed or _NUMBERED.fullmatch(parts[-1])
        return begin if is_visit else name

    return _Reading(tuple(map(shorten, reading.subjects, begins, words)))


def _first_words(name: str, length: int) -> str:
    """The first words of a name, with the separators between them."""
    ends = [match.start() for match in _SEPARATOR.finditer(name)]
    return name[: ends[length - 1]] if len(ends) >= length else name


def _question(names: Sequence[str], readings: Sequence[_Reading]) -> UserError:
    """Shows every way of reading names, with the regular expression for each."""
    return UserError(
        "--subject_regex: whose scans these are can be read in more ways than one; give one of "
        + ", or ".join(_option(names, reading) for reading in readings)
    )


def _option(names: Sequence[str], reading: _Reading) -> str:
    subjects = sorted(set(reading.named_alike()))
    examples = ", ".join(subjects[:3]) + (", ..." if len(subjects) > 3 else "")
    expressions = list(_expressions(names))
    for is_same in (_Reading.__eq__, lambda one, other: one.groups == other.groups):
        for expression in expressions:
            found = _Reading(tuple(_matched(re.compile(expression), name) for name in names))
            if all(found.subjects) and is_same(found, reading):
                flag = shlex.quote(f"--subject_regex={expression}")
                return f"{flag} for {reading.count} subjects ({examples})"
    return f"one of your own for {reading.count} subjects ({examples})"


def _expressions(names: Sequence[str]) -> Iterable[str]:
    """Regular expressions that find subjects in names, the plainest first."""
    depth = max(name.count("/") for name in names)
    yield r"([^/.]+)[^/]*$"
    for level in range(depth):
        yield rf"^(?:[^/]+/){{{level}}}([^/]+)/" if level else r"^([^/]+)/"
    yield r"([^/_-]+[0-9])[a-zA-Z][^/0-9]*$"
    for words in range(1, 6):
        more = r"[-_ .][^-_ /.]+" * (words - 1)
        yield rf"([^-_ /.]+{more})[^/]*$"
    for level in range(depth):
        yield rf"^(?:[^/]+/){{{level}}}([^/]+/[^/.]+)" if level else r"^([^/]+/[^/.]+)"
