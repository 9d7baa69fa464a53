import pytest

from mrisynth.data.conditions import schema
from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.labels import LabelKind
from mrisynth.errors import UserError

SUBJECTS = [f"sub-{number:02d}" for number in range(24)]


@pytest.fixture
def schema_of(monkeypatch, tmp_path):
    """The schema of a data set whose label table has these columns on the training side."""

    def make(columns, *asked):
        count = len(next(iter(columns.values())))
        table = {"subject": SUBJECTS[:count], "session": ["n/a"] * count, "source": ["0"] * count}
        monkeypatch.setattr(schema, "read_manifest", lambda _: None)
        monkeypatch.setattr(schema, "read_labels", lambda *_: {**table, **columns})
        return label_schema(tmp_path, asked)

    return make


def test_labels_come_in_the_order_that_was_asked_for(schema_of):
    columns = {"suffix": ["FLAIR", "T1w", "FLAIR"], "participant/age": ["40", "n/a", "60"]}
    age, suffix = schema_of(columns, "age", "suffix").labels
    assert (age.name, age.kind, age.mean, age.deviation) == (
        *("participant/age", LabelKind.CONTINUOUS),
        *(50.0, 10.0),
    )
    assert age.bandwidth == pytest.approx(1.06 * 2**-0.2)
    assert (suffix.name, suffix.kind, suffix.vocabulary) == (
        *("suffix", LabelKind.CATEGORICAL),
        ("FLAIR", "T1w"),
    )


def test_without_conditions_nothing_is_read(tmp_path):
    assert label_schema(tmp_path / "nowhere", ()).width == 0


def test_a_subjects_value_counts_once_however_many_slices_it_has(schema_of):
    columns = {"subject": ["a", "a", "a", "b"], "participant/age": ["40", "40", "40", "60"]}
    (age,) = schema_of(columns, "participant/age").labels
    assert (age.mean, age.deviation) == (50.0, 10.0)
    columns = {"subject": ["a", "a", "b", "b"], "position_mm": ["-30", "30", "-10", "10"]}
    (position,) = schema_of(columns, "position_mm").labels
    assert position.deviation == pytest.approx(500**0.5)


def test_noise_is_no_wider_than_values_lie_apart(schema_of):
    # 101 positions of -50 to 50 mm, which are 1 mm apart; by their number alone it would be 11 mm.
    columns = {"subject": ["a", "b"] * 101, "position_mm": [str(mm) for mm in range(-50, 51) for _ in "ab"]}
    (position,) = schema_of(columns, "position_mm").labels
    assert position.bandwidth * position.deviation == pytest.approx(1)
    # Ages that lie 30 years apart in the mean, 1.14 deviations.
    (age,) = schema_of({"subject": list("abc"), "participant/age": ["20", "30", "80"]}, "age").labels
    assert age.bandwidth == pytest.approx(1.06 * 3**-0.2)


def test_a_kind_may_be_stated(schema_of):
    columns = {"participant/grade": ["2", "3", "4", "2"]}
    assert schema_of(columns, "grade").labels[0].kind is LabelKind.CONTINUOUS
    (grade,) = schema_of(columns, "grade:categorical").labels
    assert grade.vocabulary == ("2", "3", "4")
    with pytest.raises(UserError, match=r"--conditions=grade:ordinal: a kind is categorical or continuous"):
        schema_of(columns, "grade:ordinal")


def test_numbers_as_tables_have_them(schema_of):
    columns = {"participant/age": ["41,5", "89+", ">89", "n/a", "40.5"]}
    (age,) = schema_of(columns, "age").labels
    assert age.kind is LabelKind.CONTINUOUS
    assert age.mean == pytest.approx((41.5 + 89 + 89 + 40.5) / 4)


def test_what_is_no_number_is_named_with_its_subject(schema_of):
    with pytest.raises(UserError, match=r"participant/age of sub-01 is 'about forty', which is no number"):
        schema_of({"participant/age": ["41", "about forty"]}, "age:continuous")


@pytest.mark.parametrize("values", [["M", "M", "M"], ["n/a", "n/a", "n/a"], ["1", "1.0", "1,0"]])
def test_what_does_not_vary_cannot_be_asked_for(schema_of, values):
    with pytest.raises(UserError, match=r"participant/sex has (one|no) value"):
        schema_of({"participant/sex": values}, "sex")


@pytest.mark.parametrize(
    "values",
    [
        ["Ann", "Bob", "Cem"],
        [f"name {number // 2 if number < 2 else number}" for number in range(24)],
        [f"{number:04d}" for number in range(100, 124)],
    ],
)
def test_what_identifies_people_cannot_be_asked_for(schema_of, values):
    with pytest.raises(UserError, match="identifies people"):
        schema_of({"participant/record": values}, "record")


def test_ages_do_not_identify_people(schema_of):
    assert schema_of({"participant/age": ["41", "50", "33"]}, "age").width == 2
    ages = [str(30 + 2 * (number % 23)) for number in range(24)]
    assert schema_of({"participant/age": ages}, "age").width == 2


@pytest.mark.parametrize("name", ["weight", "subject", "source"])
def test_what_is_no_label_is_named_with_those_that_are(schema_of, name):
    with pytest.raises(UserError, match=f"no label {name} to ask for; there are suffix"):
        schema_of({"suffix": ["FLAIR", "T1w"]}, name)


def test_a_label_is_asked_for_once(schema_of):
    with pytest.raises(UserError, match=r"--conditions: a label is named twice"):
        schema_of({"suffix": ["FLAIR", "T1w", "T1w"]}, "suffix", "suffix")


def test_the_training_side_alone_is_read(small_dataset):
    """The phantoms of the tests are of one contrast, so it is nothing to ask for; their places are."""
    (position,) = label_schema(small_dataset, ("position_mm",)).labels
    assert position.kind is LabelKind.CONTINUOUS
    with pytest.raises(UserError, match="suffix has one value"):
        label_schema(small_dataset, ("suffix",))
