import collections

import numpy as np
import pytest

from mrisynth.data.conditions.cells import distribution_of
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.sampling.conditions import (
    Condition,
    SeededLabels,
    between_rows,
    input_names,
    named_inputs,
    uniform,
)
from tests.label_tables import DISTRIBUTION, SCHEMA, make_table


def asking(*texts, force=False):
    return SeededLabels(DISTRIBUTION, [Condition.read(text) for text in texts], force)


def test_a_seed_has_the_same_labels_however_many_are_drawn_at_a_time():
    labels = asking()
    whole = labels.values(100, 40)
    for first, count in ((100, 7), (107, 33), (139, 1)):
        start = first - 100
        part = {name: values[start : start + count] for name, values in whole.items()}
        assert labels.values(first, count) == part


def test_numbers_are_those_of_every_machine_and_version():
    assert [uniform(seed, "") for seed in (0, 1, 2**53 - 1)] == [
        0.011546754286331562,
        0.3035680343067586,
        0.40494715267903947,
    ]
    assert len({uniform(7, name) for name in ("", "age", "position_mm")}) == 3


def test_labels_come_together_as_on_the_training_side():
    values = asking().values(0, 4000)
    drawn, there = (
        collections.Counter(zip(table["suffix"], table["participant/sex"], strict=True))
        for table in (values, make_table())
    )
    for pair in (("FLAIR", "F"), ("T1w", "M"), ("T2w", "F")):
        assert drawn[pair] / 4000 == pytest.approx(there[pair] / there.total(), abs=0.03)
    assert ("T2w", "M") not in drawn
    t2 = [
        place
        for suffix, place in zip(values["suffix"], values["position_mm"], strict=True)
        if suffix == "T2w"
    ]
    assert -40 <= min(t2) <= max(t2) <= 10
    assert len(set(t2)) > 100


def test_what_is_asked_is_given_and_the_rest_agrees_with_it():
    values = asking("suffix=T2w").values(0, 300)
    assert set(values["suffix"]) == {"T2w"}
    assert set(values["participant/sex"]) == {"F"}
    values = asking("position_mm=15:30").values(0, 600)
    assert 15 <= min(values["position_mm"]) < 16
    assert 29 < max(values["position_mm"]) <= 30
    assert "T2w" not in values["suffix"]
    values = asking("position_mm=-5.5", "sex=").values(0, 300)
    assert set(values["position_mm"]) == {-5.5}
    assert set(values["participant/sex"]) == {None}
    assert set(values["suffix"]) == {"FLAIR", "T1w", "T2w"}


def test_what_no_cell_has_leaves_the_rest_to_those_that_do_not_contradict():
    values = asking("suffix=T2w", "sex=M", "position_mm=0:20", force=True).values(0, 50)
    assert set(values["suffix"]) == {"T2w"}
    assert all(0 <= place <= 20 for place in values["position_mm"])
    only = SeededLabels(DISTRIBUTION, [Condition.read("position_mm=90")], force=True).values(0, 50)
    assert set(only["suffix"]) == {None}


def test_numbers_have_the_training_sides_mean_and_range_where_most_are_small():
    numbers = np.random.default_rng(0).exponential(0.02, 3000).clip(0, 0.3) * (np.arange(3000) % 2)
    schema = LabelSchema((Label("lesion_fraction", LabelKind.CONTINUOUS, (), 0.01, 0.02),))
    table = {"subject": [f"{n % 60}" for n in range(3000)], "lesion_fraction": [str(n) for n in numbers]}
    labels = SeededLabels(distribution_of(table, schema))
    drawn = np.array(labels.values(0, 4000)["lesion_fraction"])
    assert np.mean(drawn == 0) == pytest.approx(0.5, abs=0.03)
    assert drawn.mean() == pytest.approx(numbers.mean(), rel=0.1)
    assert 0 <= drawn.min() < drawn.max() <= numbers.max()


@pytest.mark.parametrize("name", ["sex", "participant/sex"])
def test_a_label_has_a_full_and_a_short_name(name):
    assert set(asking(f"{name}=M").values(0, 20)["participant/sex"]) == {"M"}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["age=3"], r"--condition=age: the model has no such label; it knows suffix, participant/sex, pos"),
        (["suffix=PD"], "--condition: suffix is FLAIR, T1w, T2w, never PD"),
        (["position_mm=high"], "position_mm is a number, or a range as in"),
        (["position_mm=3:1"], "position_mm is a number, or a range as in"),
        (["position_mm=1:2:3"], "position_mm is a number, or a range as in"),
        (["position_mm=41"], "position_mm goes from -40 to 40 .*, not to 41; --force"),
        (["position_mm=-50:0"], "position_mm goes from -40 to 40 .*; --force"),
        (["sex=F", "participant/sex=M"], "asks for participant/sex twice"),
        (["suffix"], "--condition=suffix is not NAME=VALUE"),
        (["=T1w"], "is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(asked, message):
    with pytest.raises(UserError, match=message):
        asking(*asked)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (["suffix=T2w", "sex=M"], "suffix=T2w and participant/sex=M"),
        (["suffix=T2w", "position_mm=20"], "suffix=T2w and position_mm=20"),
        (["suffix=T2w", "position_mm=-30:30"], "suffix=T2w and position_mm=-30:30"),
    ],
)
def test_what_few_subjects_have_together_is_refused_unless_forced(asked, words):
    """T2w of three men, and of 15 subjects in the lower half."""
    with pytest.raises(UserError, match=f"--condition: fewer than 10 .* have {words}; --force"):
        asking(*asked)
    assert asking(*asked, force=True).values(0, 5)["suffix"] == ["T2w"] * 5
    assert set(asking("suffix=T2w", "position_mm=-30:-10").values(0, 5)["suffix"]) == {"T2w"}
    with pytest.raises(UserError, match=f"--sweep: fewer than 10 .* have {'suffix=T2w and .*=M'}"):
        asking("suffix=T2w").sweep(Condition.read("sex=F,M"))


def test_one_subjects_category_is_refused():
    table = make_table()
    table["participant/sex"] = ["M" if name == "sub-01" else "F" for name in table["subject"]]
    distribution = distribution_of(table, SCHEMA)
    with pytest.raises(UserError, match="fewer than 10 training subjects have participant/sex=M; --force"):
        SeededLabels(distribution, [Condition.read("sex=M")])


def test_numbers_outside_may_be_forced():
    assert asking("position_mm=41", force=True).values(0, 2)["position_mm"] == [41.0, 41.0]


def test_labels_are_what_the_encoding_stands_for():
    """3 deviations are 75 mm."""
    labels = asking("position_mm=90", force=True)
    assert labels.values(0, 2)["position_mm"] == [75.0, 75.0]
    decoded = SCHEMA.decode(asking("position_mm=60:500", force=True).encode(0, 50))["position_mm"]
    assert asking("position_mm=60:500", force=True).values(0, 50)["position_mm"] == pytest.approx(decoded)
    assert asking().sweep(Condition.read("position_mm=50:100:50"), force=True)[1] == [50, 75]


def test_a_sweep_goes_over_numbers_or_categories():
    assert asking().sweep(Condition.read("position_mm=-40:40:20")) == ("position_mm", [-40, -20, 0, 20, 40])
    assert asking().sweep(Condition.read("position_mm=0.3:0:-0.1"))[1] == pytest.approx([0.3, 0.2, 0.1, 0])
    assert asking("sex=F").sweep(Condition.read("suffix=T2w,FLAIR")) == ("suffix", ["T2w", "FLAIR"])
    assert asking().sweep(Condition.read("position_mm=0:60:30"), force=True)[1] == [0, 30, 60]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("position_mm=0:10", "write FIRST:LAST:STEP"),
        ("position_mm=0:10:0", "write FIRST:LAST:STEP"),
        ("position_mm=0:10:-1", "that makes 0 values, 2 to 100"),
        ("position_mm=0:10:0.01", "that makes 1001 values"),
        ("position_mm=0:60:20", "--sweep: position_mm goes from -40 to 40"),
        ("suffix=T1w,PD", "--sweep: suffix is FLAIR, T1w, T2w, never PD"),
        ("age=1:2:1", "--sweep=age: the model has no such label"),
        ("sex=F,M", "which --condition holds still"),
    ],
)
def test_sweeps_that_cannot_be_are_refused(text, message):
    with pytest.raises(UserError, match=message):
        asking("sex=F").sweep(Condition.read(text, "--sweep"))


def test_inputs_have_plain_names_of_their_own():
    names = ("participant/Age (years)", "site/age__years_", "participant/seed", "participant/class", "a/7T")
    labels = [Label(name, LabelKind.CONTINUOUS) for name in names]
    assert input_names(LabelSchema(tuple(labels))) == dict(
        zip(
            names,
            ("age__years_", "label_age__years_", "label_seed", "label_class", "label_7t"),
            strict=True,
        )
    )


def test_unknown_is_empty_or_nan_on_the_way_to_a_server():
    values = {"suffix": ["T1w", None], "participant/sex": [None, "F"], "position_mm": [None, 3.0]}
    inputs = named_inputs(SCHEMA, values)
    assert inputs["suffix"].tolist() == ["T1w", ""]
    assert inputs["sex"].tolist() == ["", "F"]
    np.testing.assert_array_equal(inputs["position_mm"], np.float32([np.nan, 3]))


def test_on_the_way_numbers_move_and_categories_change_half_way():
    first, last = {"a": "F", "b": 1.0, "c": None}, {"a": "M", "b": 3.0, "c": 2.0}
    assert between_rows(first, last, 0) == first
    assert between_rows(first, last, 1) == last
    assert between_rows(first, last, 0.25) == {"a": "F", "b": 1.5, "c": None}
