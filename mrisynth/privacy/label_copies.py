"""Copies by what images were asked for: of few subjects a generator may repeat what of many it does not."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.conditions.cells import FEWEST_SUBJECTS
from mrisynth.data.labels import UNKNOWN, LabelKind, LabelSchema
from mrisynth.privacy.searches import Slices
from mrisynth.privacy.statistics import Closeness


@dataclasses.dataclass(frozen=True)
class CellCopies:
    """What is found among the images of one combination of categories.

    Attributes:
        categories: The category of every categorical label by its name; "n/a" where it is unknown.
        images: Number of generated images that were asked for them.
        training_subjects: How many training subjects have them, whatever they have in the place of an unknown
            one; None where they are fewer than `FEWEST_SUBJECTS`, of whom nothing else is said.
        copies: How many of the images count as copies; None of few subjects.
        closer_shares: Part of the images that are closer to training slices than the closest few of new
            subjects' slices, by the name of each measure of distance; none of few subjects or no image.
    """

    categories: dict[str, str]
    images: int
    training_subjects: int | None
    copies: int | None
    closer_shares: dict[str, float]


def copies_by_cell(
    schema: LabelSchema,
    labels: NDArray[np.float32],
    training: Slices,
    copies: NDArray[np.bool_],
    closeness: Mapping[str, Closeness],
) -> tuple[CellCopies, ...]:
    """Counts copies among the images of every combination of categories.

    Args:
        schema: The labels.
        labels: What the generated images were asked for, [N, width].
        training: What the generator was trained on, with labels.
        copies: Which generated images count as copies, [N].
        closeness: The figures by the name of each measure of distance.

    Returns:
        The combinations of generated images and of training slices, that of the most images first; none where
        no label is categorical.
    """
    names = [label.name for label in schema.labels if label.kind is LabelKind.CATEGORICAL]
    if not names:
        return ()
    given, real = (_rows(schema, names, each) for each in (labels, training.labels))
    people = set(zip(training.subjects.tolist(), real, strict=True))
    cells = []
    for values in {*given, *real}:
        subjects = {
            who for who, row in people if all(v in (None, r) for v, r in zip(values, row, strict=True))
        }
        where = np.array([row == values for row in given])
        enough = len(subjects) >= FEWEST_SUBJECTS
        cells.append(
            CellCopies(
                categories={name: value or UNKNOWN for name, value in zip(names, values, strict=True)},
                images=int(where.sum()),
                training_subjects=len(subjects) if enough else None,
                copies=int(copies[where].sum()) if enough else None,
                closer_shares={
                    name: float(np.mean(each.generated[where] < each.limit))
                    for name, each in closeness.items()
                    if enough and where.any()
                },
            )
        )
    return tuple(sorted(cells, key=lambda cell: (-cell.images, repr(cell.categories))))


def _rows(schema: LabelSchema, names: list[str], labels: NDArray[np.float32]) -> list[tuple[str | None, ...]]:
    values = schema.decode(labels)
    return list(zip(*(values[name] for name in names), strict=True))
