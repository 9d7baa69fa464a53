"""How the categories of a data set come together: who shares a combination of them, and what is confounded.

A generator that is asked for one label moves with it whatever always came with it in training. What is said
here follows from the manifest alone: the labels that a scan has as a whole.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mrisynth.data.conditions.schema import identifies_people
from mrisynth.data.labels import UNKNOWN, LabelKind, describe_values
from mrisynth.data.storing.manifest import Manifest, Source, Split

_SUFFIX = "suffix"
_MOST_COLUMNS = 4
_MOST_CODES = 12
"""Numbers of no more values than these are codes for groups, such as sites or grades."""

_CHANCE = 0.01
"""That all subjects of a category share another one is worth a word if as many of the others hardly would."""


@dataclasses.dataclass(frozen=True)
class LabelGroups:
    """What is said of a data set's categories.

    Attributes:
        labels: The labels that divide the subjects into groups, at most four, those of few values first.
        subjects: For each combination of their values, the number of training and of held-out subjects that
            have it, the most frequent first.
        confounded: What a generator cannot learn apart, in sentences.
        identifying: Labels that identify people on the training side, so that they are no conditions.
    """

    labels: tuple[str, ...]
    subjects: Mapping[tuple[str, ...], tuple[int, int]]
    confounded: tuple[str, ...]
    identifying: tuple[str, ...]


def label_groups(manifest: Manifest) -> LabelGroups:
    """Finds how the categories of a data set come together."""
    training = [source for source in manifest.used if source.split == Split.TRAIN]
    subjects = [source.subject for source in training]
    identifying, values = [], {}
    for name, column in _columns(training).items():
        if identifies_people(describe_values(column)["kind"], subjects, column):
            identifying.append(name)
        elif _divides(subjects, column):
            values[name] = column
    few_first = sorted(values, key=lambda name: (name != _SUFFIX, len(set(values[name])), name))
    confounded = [
        sentence
        for first, second in itertools.combinations(few_first, 2)
        for sentence in _confounding(subjects, (first, values[first]), (second, values[second]))
    ]
    shown = tuple(few_first[:_MOST_COLUMNS])
    return LabelGroups(shown, _shared(manifest.used, shown), tuple(confounded), tuple(identifying))


def _columns(sources: Sequence[Source]) -> dict[str, list[str]]:
    """The labels of scans, by their names as --conditions takes them."""
    keys = sorted({key for source in sources for key in source.participant})
    columns = {_SUFFIX: [source.suffix or UNKNOWN for source in sources]}
    for key in keys:
        name = f"participant/{key}" if key == _SUFFIX else key
        columns[name] = [source.participant.get(key) or UNKNOWN for source in sources]
    return columns


def _divides(subjects: Sequence[str], values: Sequence[str]) -> bool:
    """Whether a label's values are groups of subjects, no measurement, and there are two at least."""
    known = {(subject, value) for subject, value in zip(subjects, values, strict=True) if value != UNKNOWN}
    kinds = {value for _, value in known}
    is_category = describe_values(values)["kind"] is LabelKind.CATEGORICAL
    is_code = len(kinds) <= min(_MOST_CODES, len(known) / 2) and all(kind.isdecimal() for kind in kinds)
    return len(kinds) > 1 and (is_category or is_code)


def _shared(used: Sequence[Source], labels: Sequence[str]) -> dict[tuple[str, ...], tuple[int, int]]:
    """The number of subjects of every combination, on both sides."""
    if not labels:
        return {}
    columns = _columns(used)
    combinations = zip(*(columns[label] for label in labels), strict=True)
    having = {(each, source.split, source.subject) for each, source in zip(combinations, used, strict=True)}
    counts = Counter((each, split) for each, split, _ in having)
    both = {each: (counts[each, Split.TRAIN], counts[each, Split.HELDOUT]) for each, _ in counts}
    return dict(sorted(both.items(), key=lambda item: (-sum(item[1]), item[0])))


def _confounding(
    subjects: Sequence[str], first: tuple[str, Sequence[str]], second: tuple[str, Sequence[str]]
) -> Iterator[str]:
    """Says whether one of two labels, each with its name and a value for every scan, determines the other."""
    known = {
        (subject, a, b)
        for subject, a, b in zip(subjects, first[1], second[1], strict=True)
        if UNKNOWN not in (a, b)
    }
    turned = {(subject, b, a) for subject, a, b in known}
    names = first[0], second[0]
    forth, back = _determines(known), _determines(turned)
    if forth and back:
        yield f"{names[0]} and {names[1]} say the same of every scan ({_pairs(known)})"
        return
    if forth or back:
        one, other = names if forth else names[::-1]
        yield f"{one} determines {other} ({_pairs(known if forth else turned)})"
    for rows, (one, other), is_said in ((known, names, forth), (turned, names[::-1], back)):
        for value in sorted({a for _, a, _ in rows} if not is_said else ()):
            if alone := _only(rows, value):
                number = len({subject for subject, a, _ in rows if a == value})
                yield f"all {number} subjects with {one} {value} have {other} {alone}"


def _determines(rows: set[tuple[str, str, str]]) -> bool:
    """Whether each first value has one second value, there being several, and two subjects at the mean."""
    values = {a for _, a, _ in rows}
    pairs = {(a, b) for _, a, b in rows}
    several = len({b for _, b in pairs}) > 1
    return several and len(pairs) == len(values) <= len({subject for subject, _, _ in rows}) / 2


def _only(rows: set[tuple[str, str, str]], value: str) -> str:
    """The second value that all subjects of a first one share, if that is hardly by chance; else empty."""
    there = {b for _, a, b in rows if a == value}
    others = [b for _, a, b in rows if a != value]
    if len(there) != 1 or set(others) <= there:
        return ""
    alone = there.pop()
    number = len({subject for subject, a, _ in rows if a == value})
    share = (others.count(alone) + 1) / (len(others) + 2)  # Laplace's estimate, which is never 0.
    return alone if share**number < _CHANCE else ""


def _pairs(rows: set[tuple[str, str, str]]) -> str:
    pairs = sorted({f"{a}: {b}" for _, a, b in rows})
    return ", ".join(pairs[:4]) + (", ..." if len(pairs) > 4 else "")
