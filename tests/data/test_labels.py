"""Labels as numbers."""

import json

import numpy as np
import pytest

from mrisynth.data.labels import Label, LabelKind, LabelSchema, describe_values, read_number

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),
        Label("participant/age", LabelKind.CONTINUOUS, mean=50.0, deviation=10.0),
    )
)


def test_labels_are_encoded_as_by_hand():
    table = {"suffix": ["T1w", "FLAIR", "T2w"], "participant/age": ["60", 20.0, 1000]}
    expected = [[0, 1, 1, 1, 1], [1, 0, 1, -3, 1], [0, 0, 0, 3, 1]]
    np.testing.assert_array_equal(SCHEMA.encode(table, 3), expected)


@pytest.mark.parametrize("unknown", ["n/a", "", None, float("nan"), "inf", "forty"])
def test_what_is_unknown_is_zero_everywhere(unknown):
    table = {"suffix": [unknown], "participant/age": [unknown]}
    np.testing.assert_array_equal(SCHEMA.encode(table, 1), np.zeros((1, SCHEMA.width)))
    np.testing.assert_array_equal(SCHEMA.encode({}, 1), np.zeros((1, SCHEMA.width)))


def test_columns_lie_side_by_side():
    assert SCHEMA.width == 5
    assert [(label.name, (place.start, place.stop)) for label, place in SCHEMA.columns()] == [
        ("suffix", (0, 3)),
        ("participant/age", (3, 5)),
    ]


def test_a_schema_survives_json():
    assert LabelSchema.from_json(json.loads(json.dumps(SCHEMA.to_json()))) == SCHEMA


def test_without_labels_the_width_is_0():
    assert LabelSchema().width == 0
    assert LabelSchema().encode({}, 4).shape == (4, 0)


@pytest.mark.parametrize("document", [[{"name": "a", "kind": "categorical"}], [{"name": "a", "kind": "odd"}]])
def test_what_is_no_label_is_refused(document):
    with pytest.raises(ValueError):  # noqa: PT011
        LabelSchema.from_json(document)


def test_a_label_stands_once():
    with pytest.raises(ValueError, match="twice"):
        LabelSchema((*SCHEMA.labels, SCHEMA.labels[0]))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["40", "n/a", "41.5", ""], {"kind": "continuous", "minimum": 40.0, "maximum": 41.5}),
        (["M", "n/a", "F", "M"], {"kind": "categorical", "values": ("F", "M")}),
        (["40", "89+"], {"kind": "continuous", "minimum": 40.0, "maximum": 89.0}),
        (["40", "old"], {"kind": "categorical", "values": ("40", "old")}),
        (["1", "inf"], {"kind": "categorical", "values": ("1", "inf")}),
        (["n/a", ""], {"kind": "categorical", "values": ()}),
    ],
)
def test_values_tell_numbers_from_categories(values, expected):
    assert describe_values(values) == expected


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("41.5", 41.5), ("41,5", 41.5), (" 7 ", 7), ("-3", -3), ("1e-3", 0.001), (".5", 0.5), (12, 12)),
        *(("89+", 89), (">89", 89), ("< 1", 1), ("+4", 4)),
        *(("", None), ("n/a", None), ("nan", None), ("inf", None), ("4-5", None), ("89 years", None)),
        *(("1 2", None), ("0x1F", None), (None, None), (float("inf"), None)),
    ],
)
def test_numbers_as_people_write_them(text, number):
    assert read_number(text) == number


def test_examples_show_what_a_label_does():
    suffix, age = SCHEMA.labels
    assert suffix.examples() == ("FLAIR", "T1w")
    assert age.examples() == (30.0, 40.0, 50.0, 60.0, 70.0)


def test_decoding_undoes_encoding():
    table = {"suffix": ["T1w", None, "FLAIR"], "participant/age": [55.5, 48.25, None]}
    decoded = SCHEMA.decode(SCHEMA.encode(table, 3))
    assert decoded["suffix"] == table["suffix"]
    assert decoded["participant/age"][:2] == pytest.approx([55.5, 48.25])
    assert decoded["participant/age"][2] is None
    np.testing.assert_array_equal(SCHEMA.encode(decoded, 3), SCHEMA.encode(table, 3))
