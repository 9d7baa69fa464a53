import pathlib

import pytest

from mrisynth.errors import UserError
from mrisynth.evaluation.config import AT_END, DURING, EvaluationConfig, EvaluationSettings

HERE = pathlib.Path("here")


@pytest.mark.parametrize(("pairs", "repeats", "rounded"), [(2100, 3, 2100), (41, 4, 44), (100, 3, 102)])
def test_every_repeat_has_as_many_pairs(pairs, repeats, rounded):
    assert EvaluationSettings(pairs=pairs, repeats=repeats).pairs == rounded


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"images": 19}, "--images=19 is too few; use at least 20"),
        ({"repeats": 1}, "--repeats=1 is too few; use at least 2"),
        ({"draws": 19}, "--draws=19 is too few"),
        ({"fidelity_steps": 0}, "--fidelity_steps=0 is too few; use at least 1"),
        ({"pairs": 39}, "--pairs=39 are too few for --repeats=4; use at least 40 pairs"),
        ({"seed": -1}, "--seed=-1 must be at least 0"),
        ({"seed": 2**32}, "must be at least 0 and less than 2\\^32"),
    ],
)
def test_senseless_settings_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        EvaluationSettings(**settings)


def test_the_short_forms_say_that_they_are_short():
    assert AT_END.short
    assert DURING.short
    assert not EvaluationSettings().short
    assert EvaluationSettings().changed_copies
    assert not AT_END.changed_copies
    assert not DURING.changed_copies


def test_the_short_forms_do_not_train_networks():
    assert EvaluationSettings().fidelity
    assert not AT_END.fidelity
    assert not DURING.fidelity


@pytest.mark.parametrize(
    ("run_dir", "saved_model", "data_dir", "message"),
    [
        (None, None, HERE, "give --run_dir, or --saved_model"),
        (HERE, HERE, HERE, "give --run_dir, or --saved_model"),
        (None, HERE, None, "--saved_model needs --data_dir"),
    ],
)
def test_one_generator_and_its_data_are_needed(run_dir, saved_model, data_dir, message):
    with pytest.raises(UserError, match=message):
        EvaluationConfig(run_dir, saved_model, data_dir, HERE)
