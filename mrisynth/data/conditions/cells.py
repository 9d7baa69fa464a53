"""How the labels of a training side are distributed, in cells that many subjects share.

A generator that is not told every label needs rows of labels as they occur together. A row of a single
subject would identify a person. So no cell and no combination of fewer than `FEWEST_SUBJECTS` is kept, and
numbers end where that many subjects have one as large, or as small. The schema itself is not protected so:
its vocabularies hold every category and its means all numbers, as the network is made for them.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.conditions.schema import read_training_labels
from mrisynth.data.labels import Label, LabelKind, LabelSchema, read_number
from mrisynth.errors import UserError

FEWEST_SUBJECTS = 10
_BINS = 5

Bin = tuple[float, float, float]
"""The smallest number of a bin, the mean of those in it, and the largest."""


@dataclasses.dataclass(frozen=True)
class LabelCell:
    """What some rows of a label table have in common.

    Attributes:
        values: For every label of the schema a category, a bin, or None where it is unknown.
        weight: Part of the training side's samples that the cell stands for.
        subjects: Number of subjects whose samples these are; None where they are fewer than
            `FEWEST_SUBJECTS`, which only the cell of unknown labels can be.
    """

    values: tuple[str | Bin | None, ...]
    weight: float
    subjects: int | None


@dataclasses.dataclass(frozen=True)
class LabelDistribution:
    """The labels of a training side: what there is, and how often it comes together.

    Attributes:
        schema: The labels.
        bins: The bins of every label by its name, none of a categorical one. A number that is much more
            frequent than others has a bin of its own, and those come first. Any edge of a bin is reached by
            `FEWEST_SUBJECTS` from either side; numbers beyond the outer ones count as these. There are no
            bins where subjects are too few.
        combinations: What `FEWEST_SUBJECTS` share, a category, a bin or None for every label. A combination
            with fewer of its labels known is not listed beside one that holds it.
        cells: The cells; their weights make 1.
    """

    schema: LabelSchema
    bins: Mapping[str, tuple[Bin, ...]]
    combinations: tuple[tuple[str | None, ...], ...]
    cells: tuple[LabelCell, ...]

    def range_of(self, label: Label) -> tuple[float, float]:
        """The smallest and the largest number of a continuous label that may be asked for.

        They are reached by `FEWEST_SUBJECTS`; where those are too few, all that the encoding reaches.
        """
        bins = self.bins[label.name]
        if not bins:
            return label.reach
        return min(low for low, _, _ in bins), max(high for _, _, high in bins)

    def shares(self, values: Sequence[str | Bin | None]) -> bool:
        """Whether `FEWEST_SUBJECTS` have this together: a category, a bin or None for anything, by label."""
        return not any(values) or any(
            all(value in (None, shared) for value, shared in zip(values, combination, strict=True))
            for combination in self.combinations
        )

    def to_json(self) -> dict[str, Any]:
        """The distribution as JSON can hold it."""
        labels = []
        for label, entry in zip(self.schema.labels, self.schema.to_json(), strict=True):
            numbers = label.kind is LabelKind.CONTINUOUS
            extra = {"range": self.range_of(label), "bins": self.bins[label.name]} if numbers else {}
            labels.append({**entry, **extra})
        cells = [dataclasses.asdict(cell) for cell in self.cells]
        return {"labels": labels, "combinations": self.combinations, "cells": cells}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LabelDistribution:
        """The distribution that `to_json` gave; entries of labels that are not ours do not matter.

        Raises:
            KeyError, TypeError or ValueError: If it is damaged.
        """
        known = [field.name for field in dataclasses.fields(Label)]
        entries = document["labels"]
        schema = LabelSchema(tuple(Label(**{name: entry[name] for name in known}) for entry in entries))
        bins = {entry["name"]: tuple(map(_bin_of_json, entry.get("bins", ()))) for entry in entries}
        cells = tuple(
            LabelCell(_values_of_json(cell["values"]), float(cell["weight"]), cell["subjects"])
            for cell in document["cells"]
        )
        return cls(schema, bins, tuple(map(_values_of_json, document["combinations"])), cells)


def _values_of_json(values: Sequence[Any]) -> tuple[str | Bin | None, ...]:
    return tuple(_bin_of_json(value) if isinstance(value, list) else value for value in values)


def _bin_of_json(numbers: Sequence[float]) -> Bin:
    low, mean, high = map(float, numbers)
    return low, mean, high


def find_bin(number: float, bins: Sequence[Bin]) -> Bin | None:
    """The first bin that a number is in; None if it is in none of them."""
    return next((each for each in bins if each[0] <= number <= each[2]), None)


def label_distribution(data_dir: str | Path, schema: LabelSchema) -> LabelDistribution | None:
    """How the labels of a data set's training side are distributed; None if the schema has no labels.

    Raises:
        UserError: If the folder is no prepared data set, not a complete one, or has no values of a label.
    """
    if not schema.width:
        return None
    table = read_training_labels(data_dir)
    for label in schema.labels:
        if not any(label.encode(table.get(label.name, ()))[:, -1]):
            raise UserError(
                f"--data_dir: {data_dir} has no values of {label.name}, which the generator knows; name the "
                "data set that it was trained on"
            )
    return distribution_of(table, schema)


def distribution_of(table: Mapping[str, Sequence[str]], schema: LabelSchema) -> LabelDistribution:
    """Describes how the labels of a table are distributed.

    The cell of a row has a category or a bin for every label. Where fewer than `FEWEST_SUBJECTS` have rows
    in a cell, the last label of these rows is made unknown, and so on until there are enough or none is
    known.

    Args:
        table: The columns of the schema's labels and `subject`, a row a sample.
        schema: The labels.
    """
    columns, bins = [], {}
    for label in schema.labels:
        if label.kind is LabelKind.CATEGORICAL:
            bins[label.name] = ()
            columns.append([value if value in label.vocabulary else None for value in table[label.name]])
        else:
            column, bins[label.name] = _binned(label, table[label.name], table["subject"])
            columns.append(column)
    rows = list(zip(*columns, strict=True))
    cells = _cells(rows, table["subject"])
    return LabelDistribution(schema, bins, _combinations(rows, table["subject"]), cells)


def _binned(
    label: Label, values: Sequence[str], subjects: Sequence[str]
) -> tuple[list[Bin | None], tuple[Bin, ...]]:
    """The bin of every value of a continuous label, and all its bins."""
    numbers = [read_number(value) for value in values]
    known = [index for index, number in enumerate(numbers) if number is not None]
    whose = [subjects[index] for index in known]
    low, high = _shared_ends([numbers[index] for index in known], whose)
    low, high = max(low, label.reach[0]), min(high, label.reach[1])
    if low > high:
        return [None] * len(values), ()
    edges: NDArray[np.float64] = np.quantile(
        [numbers[index] for index in known], np.linspace(0, 1, _BINS + 1), method="nearest"
    )
    clipped = [None if number is None else min(max(number, low), high) for number in numbers]
    bins = _bins([clipped[index] for index in known], whose, edges, (low, high))
    return [None if number is None else find_bin(number, bins) for number in clipped], bins


def _shared_ends(numbers: Sequence[float], subjects: Sequence[str]) -> tuple[float, float]:
    """What `FEWEST_SUBJECTS` have a number as small as, and one as large as; no range if they are too few."""
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    for number, subject in zip(numbers, subjects, strict=True):
        least[subject] = min(number, least.get(subject, number))
        most[subject] = max(number, most.get(subject, number))
    if len(least) < FEWEST_SUBJECTS:
        return np.inf, -np.inf
    return sorted(least.values())[FEWEST_SUBJECTS - 1], sorted(most.values())[-FEWEST_SUBJECTS]


def _bins(
    numbers: Sequence[float], subjects: Sequence[str], edges: NDArray[np.float64], ends: tuple[float, float]
) -> tuple[Bin, ...]:
    """Bins between quantiles, the edges, up to the ends; a number that two quantiles share has its own.

    Where fewer than `FEWEST_SUBJECTS` have numbers in a bin, its middle stands for their mean.
    """
    values, counts = np.unique(edges, return_counts=True)
    points = [(float(value),) * 3 for value in values[counts > 1] if ends[0] <= value <= ends[1]]
    values = np.unique(np.clip(values, *ends))
    ends = zip(values[:-1].tolist(), values[1:].tolist(), strict=True)
    bins = [*points, *((low, (low + high) / 2, high) for low, high in ends)]
    within: dict[Bin, list[int]] = {}
    for index, number in enumerate(numbers):
        within.setdefault(find_bin(number, bins), []).append(index)
    return tuple(
        (each[0], float(np.mean([numbers[index] for index in within[each]])), each[2])
        if len({subjects[index] for index in within.get(each, ())}) >= FEWEST_SUBJECTS
        else each
        for each in bins
    )


def _cells(rows: Sequence[tuple[Any, ...]], subjects: Sequence[str]) -> tuple[LabelCell, ...]:
    """The cells of rows, the most frequent first."""
    labels = len(rows[0])
    shared: dict[tuple[Any, ...], list[int]] = {}
    left = list(range(len(rows)))
    for known in range(labels, -1, -1):
        grouped: dict[tuple[Any, ...], list[int]] = {}
        for index in left:
            grouped.setdefault((*rows[index][:known], *[None] * (labels - known)), []).append(index)
        left = []
        for values, indices in grouped.items():
            if (
                known == 0
                or values in shared
                or len({subjects[index] for index in indices}) >= FEWEST_SUBJECTS
            ):
                shared.setdefault(values, []).extend(indices)
            else:
                left += indices
    cells = []
    for values, indices in shared.items():
        count = len({subjects[index] for index in indices})
        weight = len(indices) / len(rows)
        cells.append(LabelCell(values, weight, count if count >= FEWEST_SUBJECTS else None))
    return tuple(sorted(cells, key=lambda cell: (-cell.weight, repr(cell.values))))


def _combinations(
    rows: Sequence[tuple[Any, ...]], subjects: Sequence[str]
) -> tuple[tuple[str | Bin | None, ...], ...]:
    """What enough subjects share of rows, without what follows from a combination of more labels."""
    having: dict[tuple[Any, ...], set[str]] = {}
    for row, subject in zip(rows, subjects, strict=True):
        having.setdefault(row, set()).add(subject)
    labels = range(len(rows[0]))
    found, follows = [], set()
    for known in reversed(labels):
        shared = []
        for kept in itertools.combinations(labels, known + 1):
            grouped: dict[tuple[Any, ...], set[str]] = {}
            for row, whose in having.items():
                if all(row[label] is not None for label in kept):
                    values = tuple(row[label] if label in kept else None for label in labels)
                    grouped.setdefault(values, set()).update(whose)
            shared += [values for values, whose in grouped.items() if len(whose) >= FEWEST_SUBJECTS]
        found += [values for values in shared if values not in follows]
        follows = {(*values[:label], None, *values[label + 1 :]) for values in shared for label in labels}
    return tuple(sorted(found, key=repr))
