"""The labels of a release's images as tables, and what their columns hold."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from mrisynth.atomic_io import write_json_aside, write_text_aside
from mrisynth.data.labels import UNCONDITIONAL, UNKNOWN, LabelKind, LabelSchema
from mrisynth.sampling.conditions import SeededLabels, Values

SEED = "The seed from which the generator draws the image again."
"""What a column of seeds holds."""

_PARTICIPANT = "participant/"
_UNITS = {"age": "year", "position_mm": "mm"}


@dataclasses.dataclass(frozen=True)
class LabelTable:
    """The labels of images.

    Attributes:
        schema: What they are.
        values: Of all images in their order, by the name of the label; None where one is unknown.
    """

    schema: LabelSchema
    values: Values

    @classmethod
    def of_seeds(cls, labels: SeededLabels | None, seeds: Sequence[int]) -> LabelTable:
        """The labels that images of these seeds were drawn with; none of a model that knows no labels."""
        if labels is None:
            return cls(UNCONDITIONAL, {})
        values = labels.values(seeds[0], seeds[-1] - seeds[0] + 1)
        places = [seed - seeds[0] for seed in seeds]
        return cls(labels.schema, {name: [all_[i] for i in places] for name, all_ in values.items()})

    def of_participants(self) -> LabelTable:
        """Those of persons, not of slices, by the names that participants.tsv has for them."""
        labels = [label for label in self.schema.labels if label.name.startswith(_PARTICIPANT)]
        short = {label.name: label.name.removeprefix(_PARTICIPANT) for label in labels}
        return LabelTable(
            LabelSchema(tuple(dataclasses.replace(label, name=short[label.name]) for label in labels)),
            {short[label.name]: self.values[label.name] for label in labels},
        )

    def write(
        self, folder: pathlib.Path, name: str, columns: Mapping[str, tuple[str, Sequence[Any]]]
    ) -> None:
        """Writes NAME.tsv, a row for each image, and NAME.json, which says what its columns are.

        Args:
            folder: Where to.
            name: What the files are called.
            columns: Description and values of the columns that stand before the labels, by their names.
        """
        described = {column: {"Description": words} for column, (words, _) in columns.items()}
        write_json_aside(folder / f"{name}.json", {**described, **self._descriptions()})
        values = {**{column: values for column, (_, values) in columns.items()}, **self.values}
        rows = [
            [UNKNOWN if value is None else str(value) for value in row]
            for row in zip(*values.values(), strict=True)
        ]
        text = "".join("\t".join(row) + "\n" for row in [list(values), *rows])
        write_text_aside(folder / f"{name}.tsv", text)

    def _descriptions(self) -> dict[str, Mapping[str, Any]]:
        described: dict[str, Mapping[str, Any]] = {}
        for label in self.schema.labels:
            words = f"What the model was asked for as {label.name}; {UNKNOWN} where it was left open."
            if label.kind is LabelKind.CATEGORICAL:
                described[label.name] = {
                    "Description": words,
                    "Levels": {value: f"{value}, as in the training data" for value in label.vocabulary},
                }
            else:
                unit = _UNITS.get(label.name.rsplit("/", 1)[-1])
                described[label.name] = {"Description": words, **({"Units": unit} if unit else {})}
        return described
