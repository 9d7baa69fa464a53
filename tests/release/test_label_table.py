"""Tables of labels beside a release."""

import json

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.release.label_table import LabelTable
from mrisynth.sampling.conditions import SeededLabels
from tests.label_tables import DISTRIBUTION

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),
        Label("participant/age", LabelKind.CONTINUOUS, (), 40.0, 12.0, 0.3),
    )
)
TABLE = LabelTable(SCHEMA, {"suffix": ["T1w", None], "participant/age": [None, 41.5]})


def test_unknown_is_not_available_and_every_column_is_described(tmp_path):
    TABLE.write(tmp_path, "labels", {"seed": ("What draws it.", [3, 5])})
    assert (
        tmp_path / "labels.tsv"
    ).read_text() == "seed\tsuffix\tparticipant/age\n3\tT1w\tn/a\n5\tn/a\t41.5\n"
    described = json.loads((tmp_path / "labels.json").read_text())
    assert described["seed"] == {"Description": "What draws it."}
    assert list(described["suffix"]["Levels"]) == ["FLAIR", "T1w"]
    assert described["participant/age"]["Units"] == "year"
    assert all(column["Description"] for column in described.values())


def test_what_belongs_to_a_person_is_called_as_in_participants():
    persons = TABLE.of_participants()
    assert persons.values == {"age": [None, 41.5]}
    assert [label.name for label in persons.schema.labels] == ["age"]


def test_seeds_may_be_missing_between_others():
    labels = SeededLabels(DISTRIBUTION)
    found = LabelTable.of_seeds(labels, [4, 5, 9])
    for index, seed in enumerate((4, 5, 9)):
        assert {name: [values[index]] for name, values in found.values.items()} == labels.values(seed, 1)
    assert LabelTable.of_seeds(None, [4, 5]).values == {}
