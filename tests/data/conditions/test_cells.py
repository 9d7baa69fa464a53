import json

import numpy as np
import pytest

from mrisynth.data.conditions.cells import (
    FEWEST_SUBJECTS,
    LabelDistribution,
    distribution_of,
    find_bin,
    label_distribution,
)
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from tests.label_tables import DISTRIBUTION, SCHEMA, make_table


@pytest.fixture
def distribution():
    return DISTRIBUTION


def rows_in(cell, table):
    """Which rows have what a cell says."""
    columns = [table[label.name] for label in SCHEMA.labels]

    def agrees(value, text):
        return (
            value is None
            or (isinstance(value, str) and value == text)
            or (not isinstance(value, str) and value[0] <= float(text) <= value[2])
        )

    return [
        index
        for index, row in enumerate(zip(*columns, strict=True))
        if all(agrees(value, text) for value, text in zip(cell.values, row, strict=True))
    ]


def test_every_cell_is_shared_by_enough_subjects(distribution):
    table = make_table()
    for cell in distribution.cells:
        subjects = {table["subject"][index] for index in rows_in(cell, table)}
        assert len(subjects) >= FEWEST_SUBJECTS
        assert cell.subjects is None or FEWEST_SUBJECTS <= cell.subjects <= len(subjects)
    assert sum(cell.weight for cell in distribution.cells) == pytest.approx(1)


def test_known_cells_have_known_counts(distribution):
    """T2w of women is shared by 12; T2w of men and a known contrast of unknown sex by too few."""
    whole = {cell.values: cell for cell in distribution.cells}
    women = {values: cell for values, cell in whole.items() if values[:2] == ("T2w", "F")}
    assert {cell.subjects for cell in women.values()} == {12}
    assert not any(values[:2] == ("T2w", "M") for values in whole)
    assert whole[("FLAIR", "M", distribution.bins["position_mm"][0])].subjects == 20
    # 15 rows of three men, and 18 of the one whose sex is not known.
    unknown = whole[(None, None, None)]
    assert unknown.subjects is None
    assert unknown.weight == pytest.approx(33 / (40 * 18 + 15 * 5))


def test_rows_that_few_share_lose_their_last_labels_first():
    schema = LabelSchema(SCHEMA.labels[:2])
    sexes = ["F"] * 14 + ["n/a"] * 6 + ["M"] * 4
    table = {"subject": [f"{n}" for n in range(24)], "suffix": ["T1w"] * 24, "participant/sex": sexes}
    cells = {cell.values: (cell.subjects, cell.weight) for cell in distribution_of(table, schema).cells}
    assert cells == {("T1w", "F"): (14, 14 / 24), ("T1w", None): (10, 10 / 24)}


def test_of_few_subjects_nothing_is_known_and_no_number_written():
    table = {"subject": list("abc"), "suffix": ["T1w", "T1w", "T2w"]}
    found = distribution_of(table, LabelSchema(SCHEMA.labels[:1]))
    assert [(cell.values, cell.subjects, cell.weight) for cell in found.cells] == [((None,), None, 1.0)]
    assert '"subjects": null' in json.dumps(found.to_json())


def test_no_count_below_the_fewest_is_ever_written(distribution):
    counts = [cell["subjects"] for cell in distribution.to_json()["cells"]]
    assert all(count is None or count >= FEWEST_SUBJECTS for count in counts)


def test_combinations_are_what_enough_subjects_share(distribution):
    bins = distribution.bins["position_mm"]
    there = {(suffix, sex, each) for suffix in ("FLAIR", "T1w") for sex in "FM" for each in bins}
    lower = [each for each in bins if each[0] < 0]
    assert set(distribution.combinations) == there | {("T2w", "F", each) for each in lower}
    assert distribution.shares((None, "M", None))
    assert distribution.shares((None, None, None))
    assert distribution.shares(("T2w", None, lower[0]))
    assert not distribution.shares(("T2w", "M", None))


def test_what_only_later_labels_share_is_known_too():
    """Each of three sites has 4 subjects; 12 are women. The site is lost, the sex is not."""
    schema = LabelSchema(
        (
            Label("site", LabelKind.CATEGORICAL, ("a", "b", "c")),
            Label("sex", LabelKind.CATEGORICAL, ("F", "M")),
        )
    )
    table = {"subject": [f"{n}" for n in range(13)], "site": list("abc" * 4 + "a"), "sex": ["F"] * 12 + ["M"]}
    found = distribution_of(table, schema)
    assert found.combinations == ((None, "F"),)
    assert not found.shares(("a", None))
    assert not distribution_of({name: column[:9] for name, column in table.items()}, schema).combinations


def ages_of(ages, mean=50.0, deviation=20.0):
    schema = LabelSchema((Label("age", LabelKind.CONTINUOUS, (), mean, deviation),))
    subjects = [f"{n}" for n in range(len(ages))]
    return distribution_of({"subject": subjects, "age": [f"{age}" for age in ages]}, schema)


def test_no_edge_of_a_bin_is_passed_by_fewer_than_enough_subjects():
    ages = [18.5, *range(30, 80), 97.5, 98.5, 103]
    found = ages_of(ages)
    assert found.range_of(found.schema.labels[0]) == (38, 73)
    for edge in np.ravel(found.bins["age"]):
        assert min(np.sum(np.array(ages) <= edge), np.sum(np.array(ages) >= edge)) >= FEWEST_SUBJECTS
    for single in ("18.5", "97.5", "98.5", "103"):
        assert single not in json.dumps(found.to_json())
    # Whoever lies beyond counts as the outer bins.
    assert sum(cell.weight for cell in found.cells if cell.values != (None,)) == 1


@pytest.mark.parametrize("count", [3, 12, 19])
def test_of_few_ages_none_is_written(count):
    found = ages_of(range(40, 40 + count))
    assert found.bins["age"] == ()
    assert found.range_of(found.schema.labels[0]) == (-10, 110)
    assert [cell.values for cell in found.cells] == [(None,)]


def test_numbers_end_where_the_encoding_does():
    found = ages_of(range(100), mean=50.0, deviation=10.0)
    assert found.range_of(found.schema.labels[0]) == (20, 80)


def test_a_number_that_most_have_is_known_although_few_have_others():
    found = ages_of([0.0] * 30 + [0.1, 0.2, 0.3], mean=0.02, deviation=0.1)
    assert found.bins["age"] == ((0.0, 0.0, 0.0),)
    assert found.range_of(found.schema.labels[0]) == (0, 0)


def test_bins_lie_between_quantiles_and_hold_every_number(distribution):
    bins = distribution.bins["position_mm"]
    assert distribution.range_of(SCHEMA.labels[2]) == (-40, 40)
    assert all(find_bin(number, bins) for number in np.linspace(-40, 40, 81))
    assert find_bin(41, bins) is None


def test_a_frequent_number_has_a_bin_of_its_own():
    """Most slices have no lesion; a slice drawn from their bin must have none, either."""
    numbers = [0.0] * 60 + list(np.linspace(0.01, 0.4, 40))
    schema = LabelSchema((Label("lesion_fraction", LabelKind.CONTINUOUS, (), 0.1, 0.1),))
    table = {"subject": [f"{n}" for n in range(100)], "lesion_fraction": [str(n) for n in numbers]}
    found = distribution_of(table, schema)
    assert {cell.values: cell.weight for cell in found.cells}[((0.0, 0.0, 0.0),)] == pytest.approx(0.6)
    assert find_bin(0.0, found.bins["lesion_fraction"]) == (0.0, 0.0, 0.0)
    # Of 0.01, ..., 0.2; of 0.21, ..., 0.3 and ten that count as 0.31.
    assert [each[1] for each in found.bins["lesion_fraction"]] == pytest.approx([0, 0.105, 0.2825])


def test_a_distribution_survives_json(distribution):
    assert LabelDistribution.from_json(json.loads(json.dumps(distribution.to_json()))) == distribution


@pytest.mark.parametrize("name", ["participant/age", "lesion_fraction"])
def test_a_data_set_without_a_label_is_not_the_generators(name, small_dataset):
    """It has no ages, and no lesion is known, as it has no masks."""
    schema = LabelSchema((Label(name, LabelKind.CONTINUOUS),))
    with pytest.raises(UserError, match=f"--data_dir: .* has no values of {name}, .* it was trained on"):
        label_distribution(small_dataset, schema)


def test_without_labels_no_data_set_is_needed(tmp_path):
    assert label_distribution(tmp_path / "nowhere", LabelSchema()) is None
