import functools
import pathlib

import pytest

from mrisynth.cli import evaluate_flags
from mrisynth.errors import UserError
from mrisynth.evaluation.config import AT_END, DURING, UtilityTask

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into the configuration of an evaluation."""
    return functools.partial(parse_flags, evaluate_flags)


def test_where_an_evaluation_goes(parse):
    assert str(parse("--run_dir=R").output) == "R/evaluation"
    assert str(parse("--run_dir=R", "--output=O").output) == "O"
    assert str(parse("--saved_model=S", "--data_dir=D", "--output=O").output) == "O"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --run_dir, or --saved_model with --data_dir and --output"),
        (["--output=O"], "give --run_dir, or --saved_model with --data_dir and --output"),
        (["--saved_model=S", "--data_dir=D"], "without --run_dir, --output must name the folder"),
        (["--saved_model=S", "--output=O"], "--saved_model needs --data_dir"),
        (["--run_dir=R", "--saved_model=S"], "give --run_dir, or --saved_model"),
        (["--run_dir=R", "--pairs=39"], "--pairs=39 are too few for --repeats=4; use at least 40"),
        (["--run_dir=R", "--repeats=3000"], "--pairs=20000 are too few for --repeats=3000"),
        (["--run_dir=R", "--repeats=1"], "--repeats=1 is too few"),
    ],
)
def test_wrong_flags_of_an_evaluation_are_named(parse, arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)


@pytest.mark.parametrize(("pairs", "repeats", "used"), [(2000, 3, 2001), (100, 4, 100), (30, 3, 30)])
def test_every_repeat_gets_as_many_pairs(parse, pairs, repeats, used):
    settings = parse("--run_dir=R", f"--pairs={pairs}", f"--repeats={repeats}").settings
    assert settings.pairs == used
    assert AT_END.pairs % AT_END.repeats == DURING.pairs % DURING.repeats == 0


def test_thresholds_and_settings_are_taken(parse):
    settings = parse(
        "--run_dir=R", "--copy_ratio=0.5", "--max_nearer_auc=0.6", "--images=50", "--seed=3"
    ).settings
    assert (settings.thresholds.copy_ratio, settings.thresholds.max_nearer_auc) == (0.5, 0.6)
    assert (settings.images, settings.seed, settings.short) == (50, 3, False)


def test_a_model_that_comes_with_mrisynth_is_found_by_name(parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = parse("--saved_model=head_phantom", "--data_dir=D", "--output=O").saved_model
    assert found == ROOT / "saved_models" / "head_phantom"


def test_what_networks_are_trained_for_is_chosen_by_name(parse):
    assert parse("--run_dir=R").settings.utility is UtilityTask.AUTO
    settings = parse("--run_dir=R", "--utility=none", "--utility_steps=7").settings
    assert (settings.utility, settings.utility_steps) == (UtilityTask.NONE, 7)
    assert AT_END.utility is DURING.utility is UtilityTask.NONE
    with pytest.raises(UserError, match="--utility=pleasure"):
        parse("--run_dir=R", "--utility=pleasure")
    with pytest.raises(UserError, match="--utility_steps=0 is too few; use at least 1"):
        parse("--run_dir=R", "--utility_steps=0")


def test_labels_are_not_read_off_images_where_a_flag_says_so(parse):
    assert parse("--run_dir=R").settings.fidelity
    settings = parse("--run_dir=R", "--nofidelity", "--fidelity_steps=7").settings
    assert (settings.fidelity, settings.fidelity_steps) == (False, 7)
