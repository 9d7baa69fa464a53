"""Labels of samples as numbers: what they can be, and how networks are told of them.

A categorical label is one-hot over its vocabulary; a continuous one is standardized by the training subjects'
mean and deviation and clipped at 3 deviations. Each has one column more, which is 1 where the label is known.
An unknown label is 0 in all of its columns.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "n/a"
"""What stands in tables, as BIDS has it, where a value is not known."""

MOST_DEVIATIONS = 3.0
"""At how many deviations from the mean numbers are clipped."""

_MOST_EXAMPLES = 8
# Ages above 89 are given as "89+" where they would identify people.
_NUMBER = re.compile(r"[<>]?\s*([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?)\s*\+?")


class LabelKind(str, enum.Enum):
    """How the values of a label are to be read."""

    CATEGORICAL = "categorical"
    CONTINUOUS = "continuous"


@dataclasses.dataclass(frozen=True)
class Label:
    """One label of every sample.

    Attributes:
        name: As in the table of labels, for instance "suffix" or "participant/age".
        kind: How its values are read.
        vocabulary: The categories of a categorical label, in the order of its columns.
        mean: Of a continuous label, over the training subjects.
        deviation: Its standard deviation over the training subjects, more than 0.
        bandwidth: Of a continuous label, how far around a value a sample speaks for it, in deviations: the
            standard deviation of the noise that training adds.
    """

    name: str
    kind: LabelKind
    vocabulary: tuple[str, ...] = ()
    mean: float = 0.0
    deviation: float = 1.0
    bandwidth: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", LabelKind(self.kind))
        object.__setattr__(self, "vocabulary", tuple(self.vocabulary))
        if self.kind is LabelKind.CATEGORICAL and not self.vocabulary:
            raise ValueError(f"the categorical label {self.name} needs a vocabulary")
        if not 0 < self.deviation < math.inf:
            raise ValueError(
                f"the deviation of the label {self.name} must be more than 0, not {self.deviation}"
            )

    @property
    def width(self) -> int:
        """Number of columns, that of being known included."""
        return 1 + (len(self.vocabulary) if self.kind is LabelKind.CATEGORICAL else 1)

    @property
    def reach(self) -> tuple[float, float]:
        """The smallest and the largest number that the encoding of a continuous label can stand for."""
        most = MOST_DEVIATIONS * self.deviation
        return self.mean - most, self.mean + most

    def examples(self) -> tuple[str | float, ...]:
        """A few values that show what the label does: categories, or the mean and up to 2 deviations off."""
        if self.kind is LabelKind.CATEGORICAL:
            return self.vocabulary[:_MOST_EXAMPLES]
        return tuple(self.mean + deviations * self.deviation for deviations in (-2, -1, 0, 1, 2))

    def encode(self, values: Sequence[Any]) -> NDArray[np.float32]:
        """Encodes the values of N samples.

        Args:
            values: Categories, or numbers or their texts. What is none of the vocabulary or no finite number
                is unknown.

        Returns:
            Float32 [N, width].
        """
        columns = np.zeros((len(values), self.width), np.float32)
        for row, value in enumerate(values):
            if self.kind is LabelKind.CATEGORICAL:
                if str(value) in self.vocabulary:
                    columns[row, self.vocabulary.index(str(value))] = 1
                    columns[row, -1] = 1
            elif (number := read_number(value)) is not None:
                deviations = (number - self.mean) / self.deviation
                columns[row] = (min(max(deviations, -MOST_DEVIATIONS), MOST_DEVIATIONS), 1)
        return columns

    def decode(self, columns: NDArray[np.floating]) -> list[str | float | None]:
        """The values of N samples that `encode` makes columns [N, width] of; None where one is unknown."""
        if self.kind is LabelKind.CATEGORICAL:
            values: list[Any] = [self.vocabulary[index] for index in columns[:, :-1].argmax(axis=1)]
        else:
            values = (self.mean + self.deviation * columns[:, 0].astype(np.float64)).tolist()
        return [value if known else None for value, known in zip(values, columns[:, -1] > 0, strict=True)]


def read_number(value: Any) -> float | None:
    """Reads a number as tables have it.

    Args:
        value: A number or a text: "41.5", "41,5" with a decimal comma, "89+" or ">89" for 89 and more.

    Returns:
        The number; None where the value is none, or not finite.
    """
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        value = match[1].replace(",", ".") if match else None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None


@dataclasses.dataclass(frozen=True)
class LabelSchema:
    """The labels of a data set or a model, in the order of their columns.

    Attributes:
        labels: Every label; none for an unconditional model.
    """

    labels: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", tuple(self.labels))
        names = [label.name for label in self.labels]
        if len(set(names)) != len(names):
            raise ValueError(f"a label is named twice in {', '.join(names)}")

    @property
    def width(self) -> int:
        """Number of columns of all labels together."""
        return sum(label.width for label in self.labels)

    def columns(self) -> Iterator[tuple[Label, slice]]:
        """Every label with its columns; the last of these says whether the label is known."""
        first = 0
        for label in self.labels:
            yield label, slice(first, first + label.width)
            first += label.width

    def encode(self, table: Mapping[str, Sequence[Any]], count: int) -> NDArray[np.float32]:
        """Encodes the values of `count` samples by label, [N, width]; a label that is missing is unknown."""
        parts = [label.encode(table.get(label.name, [None] * count)) for label in self.labels]
        return np.concatenate([np.zeros((count, 0), np.float32), *parts], axis=1)

    def decode(self, labels: NDArray[np.floating]) -> dict[str, list[str | float | None]]:
        """The values by label of samples that `encode` encoded, [N, width]; None where one is unknown."""
        return {label.name: label.decode(labels[:, columns]) for label, columns in self.columns()}

    def to_json(self) -> list[dict[str, Any]]:
        """The schema as JSON can hold it."""
        return [dataclasses.asdict(label) for label in self.labels]

    @classmethod
    def from_json(cls, document: Sequence[Mapping[str, Any]]) -> LabelSchema:
        """The schema that `to_json` gave.

        Raises:
            TypeError: If a label has a field that there is not.
            ValueError: If a label is none.
        """
        return cls(tuple(Label(**entry) for entry in document))


def describe_values(values: Iterable[str]) -> dict[str, Any]:
    """What a label can be, judging by its values in a data set.

    Args:
        values: In any order; "n/a" and the empty text are unknown and do not count.

    Returns:
        The `kind`; of a continuous label, whose values are all finite numbers, the `minimum` and `maximum`;
        of a categorical one the `values` in order.
    """
    known = sorted(set(values) - {UNKNOWN, ""})
    numbers = [read_number(value) for value in known]
    if not known or None in numbers:
        return {"kind": LabelKind.CATEGORICAL, "values": tuple(known)}
    return {"kind": LabelKind.CONTINUOUS, "minimum": min(numbers), "maximum": max(numbers)}


UNCONDITIONAL = LabelSchema()
"""No labels, as of data that nothing is known about."""
