"""What images are asked for, label by label, and which labels a seed has where nothing is asked.

Whatever is drawn follows from the seed alone, by NumPy's Philox, whose numbers are the same in every version
and on every machine: seed s has the same labels in a release, in the report and in Python.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import keyword
import re
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.conditions.cells import FEWEST_SUBJECTS, Bin, LabelCell, LabelDistribution, find_bin
from mrisynth.data.labels import UNKNOWN, Label, LabelKind, LabelSchema, read_number
from mrisynth.errors import UserError

Value = str | float | None
Range = tuple[float, float]
Values = dict[str, list[Value]]
"""Values of samples by the name of the label; None where one is unknown."""

OTHER_INPUTS = ("latents", "seed", "count", "truncation")
"""What a served generator takes beside labels."""

_MOST_STEPS = 100
_NO_BIN = (np.inf, np.nan, -np.inf)
"""In place of the bin of a number that is in none."""


def input_name(label: str) -> str:
    """What a label is called where a served generator takes it, unless another one is called so already.

    It is what follows the last slash of the name, in small letters, with "_" for all but a to z and digits;
    "label_" is put before what is taken or does not begin with a letter.
    """
    name = re.sub(r"[^a-z0-9_]", "_", label.rsplit("/", 1)[-1].lower())
    # "class" and the like cannot be arguments of a Python function.
    reserved = not name[:1].isalpha() or name in OTHER_INPUTS or keyword.iskeyword(name)
    return f"label_{name}" if reserved else name


def input_names(schema: LabelSchema) -> dict[str, str]:
    """What the labels are called where a served generator takes them, by their names."""
    names: dict[str, str] = {}
    for label in schema.labels:
        name = input_name(label.name)
        while name in names.values():
            name = f"label_{name}"
        names[label.name] = name
    return names


def named_inputs(schema: LabelSchema, values: Values) -> dict[str, NDArray]:
    """Values of N samples as a served generator takes them.

    Args:
        schema: The labels.
        values: By the name of the label.

    Returns:
        By the name of the input: numbers as float32 [N], NaN where unknown; categories as texts [N], ""
        where unknown.
    """
    inputs: dict[str, NDArray] = {}
    for label in schema.labels:
        given, name = values[label.name], input_names(schema)[label.name]
        if label.kind is LabelKind.CATEGORICAL:
            inputs[name] = np.array([value or "" for value in given], object)
        else:
            inputs[name] = np.array([np.nan if value is None else value for value in given], np.float32)
    return inputs


@dataclasses.dataclass(frozen=True)
class Condition:
    """What is asked of one label.

    Attributes:
        name: The label, in full or what follows its last slash.
        text: What is asked: a category; a number, or FROM:TO; nothing, or "n/a", for unknown.
    """

    name: str
    text: str

    @classmethod
    def read(cls, text: str, flag: str = "--condition") -> Condition:
        """Reads "NAME=VALUE".

        Raises:
            UserError: If it is not written that way.
        """
        name, separator, value = text.partition("=")
        if not (name and separator):
            raise UserError(f"{flag}={text} is not NAME=VALUE, as in suffix=T1w or position_mm=10:30")
        return cls(name, "" if value.strip() == UNKNOWN else value.strip())

    def __str__(self) -> str:
        return f"{self.name}={self.text}"

    def range(self) -> Range | None:
        """The smallest and the largest number that may be drawn, or None where nothing is known.

        Raises:
            UserError: If it is no number and no range.
        """
        if not self.text:
            return None
        ends = [read_number(end) for end in self.text.split(":")]
        if None in ends or len(ends) > 2 or ends[0] > ends[-1]:
            raise UserError(
                f"--condition={self.name}={self.text}: {self.name} is a number, or a range as in 10:30"
            )
        return ends[0], ends[-1]


def uniform(seed: int, name: str) -> float:
    """A number from U[0, 1) for a seed and a label; the name "" is for the choice of a cell."""
    key = (seed % 2**64) + (zlib.crc32(name.encode()) << 64)
    return float(np.random.Philox(key=key).random_raw() >> 11) * 2.0**-53


class SeededLabels:
    """The labels of seeds: what is asked of them, all else as it is distributed on the training side.

    The labels that nothing is asked of are a cell's, taken among those that agree with what is asked.

    Args:
        distribution: The labels of the training side.
        asked: What is asked of some of them.
        force: Whether numbers and combinations may be asked for that fewer than `FEWEST_SUBJECTS` of the
            training side have. Numbers that the encoding cannot stand for become the next that it can.

    Attributes:
        schema: The labels.
        asked: What is asked, by the name of the label; None where it is to be unknown.

    Raises:
        UserError: If the model has no such label or category, or too few subjects have what is asked.
    """

    def __init__(
        self, distribution: LabelDistribution, asked: Sequence[Condition] = (), force: bool = False
    ) -> None:
        self.schema = distribution.schema
        self._distribution = distribution
        self._inputs = input_names(self.schema)
        self.asked: dict[str, str | Range | None] = {}
        for condition in asked:
            label = _find(condition, self.schema)
            if label.name in self.asked:
                raise UserError(
                    f"--condition asks for {label.name} twice; ask once, for one value or a range"
                )
            self.asked[label.name] = self._checked(condition, label, force)
        if not force:
            self._check_shared(self.asked, "--condition")
        self._agreeing = functools.cache(self._find_agreeing)

    def asking(self, asked: Sequence[Condition], force: bool = False) -> SeededLabels:
        """The labels of the same seeds where this, and nothing else, is asked."""
        return SeededLabels(self._distribution, asked, force)

    def values(self, first_seed: int, count: int) -> Values:
        """The values of `count` seeds from the first on, the same however many are drawn at a time."""
        rows = [self._row(seed) for seed in range(first_seed, first_seed + count)]
        return {label.name: [row[index] for row in rows] for index, label in enumerate(self.schema.labels)}

    def encode(self, first_seed: int, count: int) -> NDArray[np.float32]:
        """The same, encoded: float32 [count, schema.width]."""
        return self.schema.encode(self.values(first_seed, count), count)

    def sweep(self, asked: Condition, force: bool = False) -> tuple[str, list[str | float]]:
        """The values that one label is to take in turn.

        Args:
            asked: FIRST:LAST:STEP of a number, or categories with commas between them.
            force: Whether numbers may be asked for that the training side has not.

        Returns:
            The name of the label, and the values.

        Raises:
            UserError: If the model has no such label, or not these values.
        """
        label = _find(asked, self.schema, "--sweep")
        if label.name in self.asked:
            raise UserError(
                f"--sweep moves {label.name}, which --condition holds still; leave one of them out"
            )
        if label.kind is LabelKind.CATEGORICAL:
            texts: Sequence[str | float] = asked.text.split(",")
        else:
            texts = _steps(asked)
        values = []
        for text in texts:
            part = self._checked(Condition(label.name, str(text)), label, force, "--sweep")
            if not force:
                self._check_shared({**self.asked, label.name: part}, "--sweep")
            values.append(part[0] if isinstance(part, tuple) else text)
        return label.name, values

    def _checked(
        self, condition: Condition, label: Label, force: bool, flag: str = "--condition"
    ) -> str | Range | None:
        if label.kind is LabelKind.CATEGORICAL:
            if condition.text and condition.text not in label.vocabulary:
                raise UserError(
                    f"{flag}: {label.name} is {', '.join(label.vocabulary)}, never {condition.text}"
                )
            return condition.text or None
        asked, (low, high) = condition.range(), self._distribution.range_of(label)
        if asked and not force and not low <= asked[0] <= asked[1] <= high:
            raise UserError(
                f"{flag}: {label.name} goes from {low:g} to {high:g} where training subjects are enough, "
                f"not to {condition.text}; --force asks for it all the same"
            )
        if asked is None:
            return None
        low, high = label.reach
        return min(max(asked[0], low), high), min(max(asked[1], low), high)

    def _check_shared(self, asked: Mapping[str, str | Range | None], flag: str) -> None:
        """Checks that enough training subjects have what is asked, within every bin of a range."""
        parts = []
        for label in self.schema.labels:
            part, bins = asked.get(label.name), self._distribution.bins[label.name]
            if isinstance(part, tuple) and part[0] < part[1]:
                parts.append([each for each in bins if max(each[0], part[0]) < min(each[2], part[1])])
            else:
                parts.append([find_bin(part[0], bins) if isinstance(part, tuple) else part])
            if part is not None and parts[-1] in ([], [None]):
                parts[-1] = [_NO_BIN]
        if not all(self._distribution.shares(values) for values in itertools.product(*parts)):
            words = " and ".join(f"{name}={_in_words(part)}" for name, part in asked.items() if part)
            raise UserError(
                f"{flag}: fewer than {FEWEST_SUBJECTS} training subjects have {words}; --force asks for it "
                "all the same"
            )

    def _row(self, seed: int) -> tuple[Value, ...]:
        asked = {
            name: draw_between(seed, self._inputs[name], part) if isinstance(part, tuple) else part
            for name, part in self.asked.items()
        }
        targets = []
        for label in self.schema.labels:
            value = asked.get(label.name)
            if label.kind is LabelKind.CONTINUOUS and value is not None:
                value = find_bin(value, self._distribution.bins[label.name]) or _NO_BIN
            targets.append(value)
        cells, weights = self._agreeing(tuple(targets))
        cell = cells[int(np.searchsorted(weights, uniform(seed, "") * weights[-1], side="right"))]
        return tuple(
            asked[label.name]
            if label.name in asked
            else (_draw_from_bin(seed, self._inputs[label.name], part) if isinstance(part, tuple) else part)
            for label, part in zip(self.schema.labels, cell.values, strict=True)
        )

    def _find_agreeing(
        self, targets: tuple[str | Bin | None, ...]
    ) -> tuple[Sequence[LabelCell], NDArray[np.float64]]:
        """The cells that agree with categories and bins, or else do not contradict them; sums of weights."""
        for also in ((), (None,)):
            cells = [
                cell
                for cell in self._distribution.cells
                if all(
                    target is None or value == target or value in also
                    for value, target in zip(cell.values, targets, strict=True)
                )
            ]
            if cells:
                return cells, np.cumsum([cell.weight for cell in cells])
        return [LabelCell((None,) * len(targets), 1.0, None)], np.ones(1)


def draw_between(seed: int, name: str, between: Range) -> float:
    """A number between two others, uniformly, by the seed and the name of the label's input."""
    low, high = between
    return low + uniform(seed, name) * (high - low)


def _draw_from_bin(seed: int, name: str, found: Bin) -> float:
    """A number from a bin, by a power of a uniform one that has the mean of the bin's numbers."""
    low, mean, high = found
    if mean <= low:
        return low
    return low + (high - low) * uniform(seed, name) ** ((high - low) / (mean - low) - 1)


def between_rows(first: Mapping[str, Value], last: Mapping[str, Value], part: float) -> dict[str, Value]:
    """Labels a part of the way, 0 to 1, between two images: numbers move evenly, others change half-way."""
    row = {}
    for name, begin in first.items():
        end = last[name]
        if isinstance(begin, float) and isinstance(end, float):
            row[name] = begin + part * (end - begin)
        else:
            row[name] = begin if part < 0.5 else end
    return row


def _in_words(part: str | Range) -> str:
    return part if isinstance(part, str) else ":".join(f"{end:g}" for end in dict.fromkeys(part))


def _find(condition: Condition, schema: LabelSchema, flag: str = "--condition") -> Label:
    for label in schema.labels:
        if condition.name in (label.name, label.name.rsplit("/", 1)[-1]):
            return label
    names = ", ".join(label.name for label in schema.labels)
    raise UserError(f"{flag}={condition.name}: the model has no such label; it knows {names}")


def _steps(asked: Condition) -> list[float]:
    """The numbers FIRST, FIRST + STEP, ... up to LAST."""
    numbers = [read_number(part) for part in asked.text.split(":")]
    usage = f"--sweep={asked.name}={asked.text}: write FIRST:LAST:STEP, as in {asked.name}=-40:60:20"
    if None in numbers or len(numbers) != 3 or numbers[2] == 0:
        raise UserError(usage)
    first, last, step = numbers
    # A little more, lest rounding loses the last one.
    count = int((last - first) / step + 1e-6) + 1 if (last - first) * step >= 0 else 0
    if not 2 <= count <= _MOST_STEPS:
        raise UserError(f"{usage}; that makes {count} values, 2 to {_MOST_STEPS} can be shown")
    return [first + index * step for index in range(count)]
