import dataclasses

import numpy as np
import pytest

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.privacy.label_copies import CellCopies, copies_by_cell
from mrisynth.privacy.searches import Slices
from tests.report.example_evaluations import make_evaluation

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),
        Label("participant/age", LabelKind.CONTINUOUS, (), 50.0, 10.0),
        Label("participant/sex", LabelKind.CATEGORICAL, ("F", "M")),
    )
)


@pytest.fixture(scope="module")
def training():
    """Two slices each of 10 women and 9 men, one contrast; T1w of 4 of the women and 6 of the men."""
    rows = [(f"f{number}", "FLAIR", "F") for number in range(10)] * 2
    rows += [(f"m{number}", "FLAIR", "M") for number in range(9)] * 2
    rows += [(f"f{number}", "T1w", "F") for number in range(4)]
    rows += [(f"m{number}", "T1w", "M") for number in range(6)]
    subjects, suffixes, sexes = zip(*rows, strict=True)
    labels = SCHEMA.encode({"suffix": suffixes, "participant/sex": sexes}, len(rows))
    return Slices(np.zeros((len(rows), 16, 16, 1), np.uint8), np.array(subjects), labels)


def test_copies_are_counted_by_what_was_asked_for_and_few_subjects_have_no_figure(training):
    asked = {
        "suffix": ["FLAIR"] * 3 + ["T1w"] * 2 + ["FLAIR"],
        "participant/sex": ["F", "F", "F", None, None, "M"],
    }
    closeness = dataclasses.replace(
        make_evaluation(size=16, samples=1, pairs=0).privacy.closeness["gray_values"],
        generated=np.array([0.1, 0.3, 0.3, 0.1, 0.1, 0.1]),
        limit=0.2,
    )
    copies = np.array([True, False, True, False, True, True])
    found = copies_by_cell(SCHEMA, SCHEMA.encode(asked, 6), training, copies, {"gray_values": closeness})
    flair_women, t1w, flair_men, *others = found

    def cell(suffix, sex, *rest):
        return CellCopies({"suffix": suffix, "participant/sex": sex}, *rest)

    assert flair_women == cell("FLAIR", "F", 3, 10, 2, {"gray_values": pytest.approx(1 / 3)})
    assert t1w == cell("T1w", "n/a", 2, 10, 1, {"gray_values": 1.0})
    assert flair_men == cell("FLAIR", "M", 1, None, None, {})
    assert others == [cell("T1w", "F", 0, None, None, {}), cell("T1w", "M", 0, None, None, {})]


def test_without_categories_there_are_no_cells(training):
    schema = LabelSchema(SCHEMA.labels[1:2])
    assert copies_by_cell(schema, np.zeros((2, 2), np.float32), training, np.zeros(2, bool), {}) == ()
