"""Which labels of a data set a generator can be asked for, and the schema that encodes them.

[CC] is Ding et al. 2021, arXiv 2011.07466.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrisynth.data.labels import UNKNOWN, Label, LabelKind, LabelSchema, describe_values, read_number
from mrisynth.data.storing.manifest import Split, read_manifest
from mrisynth.data.storing.storage import read_labels
from mrisynth.errors import UserError

_PARTICIPANT = "participant/"
_NOT_CONDITIONS = ("subject", "session", "source", "slice_index")
_FEW_CATEGORIES = 8
"""So many categories may be shared by few subjects each, in a small data set."""
_FEWEST_NUMBERS = 20
"""Subjects of whom each has a whole number of its own, from which on that number must be an identifier."""


def label_schema(data_dir: str | Path, conditions: Sequence[str]) -> LabelSchema:
    """Makes the schema of the labels that a training is to know.

    Args:
        data_dir: A folder that `prepare_dataset` wrote.
        conditions: Columns of its label table, "participant/age" or shorter "age". Each may be followed by
            its kind, as in "age:continuous"; else its values on the training side say which it is.

    Returns:
        The labels in the order of `conditions`, with the vocabulary, mean and deviation of the training side.

    Raises:
        UserError: A column is not there, has one value or none, has a value that cannot be read, or
            identifies people.
    """
    if not conditions:
        return LabelSchema()
    table = read_training_labels(data_dir)
    labels = []
    for condition in conditions:
        name, _, kind = condition.partition(":")
        name = _column(name, table, data_dir)
        labels.append(_label(name, _kind(condition, kind, table[name]), table["subject"], table[name]))
    try:
        return LabelSchema(tuple(labels))
    except ValueError as error:
        raise UserError(f"--conditions: {error}") from error


def read_training_labels(data_dir: str | Path) -> dict[str, list[str]]:
    """Reads the label table of a data set's training side, column by column.

    Raises:
        UserError: The folder is no prepared data set, or not a complete one.
    """
    return read_labels(Path(data_dir), read_manifest(data_dir), Split.TRAIN)


def _column(name: str, table: dict[str, list[str]], folder: str | Path) -> str:
    """The column of the label table that a condition names."""
    offered = [column for column in table if column not in _NOT_CONDITIONS]
    for column in (name, _PARTICIPANT + name):
        if column in offered:
            return column
    raise UserError(f"--conditions: {folder} has no label {name} to ask for; there are {', '.join(offered)}")


def _kind(condition: str, kind: str, values: Sequence[str]) -> LabelKind:
    """The kind that a condition states, or that the values of its column have."""
    if not kind:
        return describe_values(values)["kind"]
    try:
        return LabelKind(kind)
    except ValueError as error:
        raise UserError(f"--conditions={condition}: a kind is {' or '.join(LabelKind)}") from error


def identifies_people(kind: LabelKind, subjects: Sequence[str], values: Sequence[str]) -> bool:
    """Whether most subjects have values of their own of a label, as names and numbers of people are."""
    known = _known(subjects, values)
    different, people = {value for _, value in known}, {subject for subject, _ in known}
    if kind is LabelKind.CATEGORICAL:
        # Two people may share a name, or a day of birth.
        return len(different) >= max(2, len(people)) or len(different) > max(_FEW_CATEGORIES, len(people) / 2)
    numbers = [read_number(value) for value in different]
    one_each = len(known) == len(people) == len(set(numbers))
    return one_each and len(people) >= _FEWEST_NUMBERS and all(map(_is_whole, numbers))


def _known(subjects: Sequence[str], values: Sequence[str]) -> set[tuple[str, str]]:
    """Every subject with its known values, each once."""
    return {pair for pair in zip(subjects, values, strict=True) if pair[1] not in (UNKNOWN, "")}


def _is_whole(number: float | None) -> bool:
    return number is not None and number.is_integer()


def _label(name: str, kind: LabelKind, subjects: Sequence[str], values: Sequence[str]) -> Label:
    """One label; a value that a subject has more than once counts once."""
    known = sorted(_known(subjects, values))
    different: set[str] | set[float] = {value for _, value in known}
    if kind is LabelKind.CONTINUOUS:
        numbers = [_read(name, subject, value) for subject, value in known]
        different = set(numbers)
    if len(different) < 2:
        raise UserError(
            f"--conditions: {name} has {'one value' if known else 'no value'} on the training side; "
            "there is nothing to ask for"
        )
    if identifies_people(kind, subjects, values):
        raise UserError(
            f"--conditions: {name} has a value of its own for nearly every subject; it identifies people, "
            "and a generator must not be asked for one of them"
        )
    if kind is LabelKind.CATEGORICAL:
        return Label(name, kind, tuple(sorted({value for _, value in known})))
    # [CC] section 3: the rule of thumb for the width of a Gaussian kernel, where values lie far apart. Where
    # they do not, it would only blur what can be asked for.
    deviation, gap = float(np.std(numbers)), float(np.ptp(numbers)) / (len(different) - 1)
    bandwidth = min(1.06 * len(numbers) ** -0.2, gap / deviation)
    return Label(name, kind, (), float(np.mean(numbers)), deviation, bandwidth)


def _read(name: str, subject: str, value: str) -> float:
    number = read_number(value)
    if number is None:
        raise UserError(
            f"--conditions: {name} of {subject} is '{value}', which is no number; correct it in the table it "
            f"came from, write {UNKNOWN} where it is unknown, or ask for {name}:categorical"
        )
    return number
