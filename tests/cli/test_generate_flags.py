import functools
import pathlib

import pytest

from mrisynth.cli import generate_flags
from mrisynth.errors import UserError
from mrisynth.sampling.conditions import Condition

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into the configuration of a release or of an interpolation."""
    return functools.partial(parse_flags, generate_flags)


def test_a_release(parse):
    config = parse("--saved_model=S", "--count=3", "--output=O", "--format=png", "--bits=16", "--seed=4")
    assert (str(config.saved_model), str(config.output), config.count) == ("S", "O", 3)
    assert (config.format, config.bits, config.seed, config.truncation) == ("png", 16, 4, 1.0)
    assert (config.data_dir, config.suffix) == (None, None)
    filtered = parse("--saved_model=S", "--count=3", "--output=O", "--filter_copies", "--data_dir=D")
    assert str(filtered.data_dir) == "D"


@pytest.mark.parametrize("asked", [["--count=3", "--output=O"], ["--interpolate=way.gif"]])
def test_a_model_that_copies_is_drawn_from_only_if_that_is_asked_for(asked, parse):
    assert not parse("--saved_model=S", *asked).release_despite_copies
    assert parse("--saved_model=S", *asked, "--release_despite_copies").release_despite_copies


def test_a_way_from_seed_to_seed(parse):
    config = parse("--saved_model=S", "--interpolate=way.gif")
    assert (str(config.picture), config.count, config.steps, config.seed) == ("way.gif", 5, 9, 0)
    config = parse("--saved_model=S", "--interpolate=way.png", "--count=2", "--steps=4", "--seed=7")
    assert (config.count, config.steps, config.seed) == (2, 4, 7)


def test_a_model_that_comes_with_mrisynth_is_found_by_name(parse, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = ROOT / "saved_models" / "head_phantom"
    for name in ("head_phantom", "saved_models/head_phantom"):
        assert parse(f"--saved_model={name}", "--count=1", "--output=O").saved_model == shipped
    (tmp_path / "head_phantom").mkdir()
    assert str(parse("--saved_model=head_phantom", "--count=1", "--output=O").saved_model) == "head_phantom"


@pytest.mark.parametrize("flag", ["output=O", "format=png", "truncation=0.5", "suffix=T1w", "data_dir=D"])
def test_what_is_for_a_release_is_refused_beside_interpolate(parse, flag):
    with pytest.raises(UserError, match=f"--{flag.split('=')[0]} is for a release"):
        parse("--saved_model=S", "--interpolate=way.gif", f"--{flag}")


def test_what_is_asked_of_labels(parse):
    asked = ["--condition=suffix=T1w", "--condition=position_mm=10:30", "--condition=age=", "--force"]
    conditions = (Condition("suffix", "T1w"), Condition("position_mm", "10:30"), Condition("age", ""))
    for rest in (
        ["--count=3", "--output=O"],
        ["--interpolate=way.gif"],
        ["--sweep=sex=F,M", "--output=S.png"],
    ):
        config = parse("--saved_model=S", *rest, *asked)
        assert config.conditions == conditions
        assert config.force
    assert parse("--saved_model=S", "--count=3", "--output=O").conditions == ()


def test_a_sweep(parse):
    config = parse("--saved_model=S", "--sweep=position_mm=-40:60:20", "--output=sweep.gif", "--seed=3")
    assert (config.sweep, str(config.output)) == (Condition("position_mm", "-40:60:20"), "sweep.gif")
    assert (config.seed, config.count) == (3, 5)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sweep=sex=F,M"], "give --output, a .gif or .png file for --sweep"),
        (["--sweep=sex", "--output=S.png"], "--sweep=sex is not NAME=VALUE"),
        (["--sweep=sex=F,M", "--output=S.png", "--format=png"], "--format is not for --sweep"),
        (["--sweep=sex=F,M", "--output=S.png", "--interpolate=way.gif"], "--interpolate is not for --sweep"),
        (["--condition=T1w", "--count=3", "--output=O"], "--condition=T1w is not NAME=VALUE"),
    ],
)
def test_sweeps_and_conditions_that_cannot_be_are_refused(flags, message, parse):
    with pytest.raises(UserError, match=message):
        parse("--saved_model=S", *flags)
