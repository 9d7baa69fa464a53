import dataclasses
import functools

import pytest

from mrisynth.cli import prepare_flags
from mrisynth.data.config import PreparationConfig
from mrisynth.errors import UserError


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into the configuration of a preparation."""
    return functools.partial(parse_flags, prepare_flags)


def test_defaults_are_those_of_the_library(parse):
    assert parse("--input=A", "--output=B") == PreparationConfig(input=("A",), output="B")


def test_input_may_be_given_several_times(parse):
    assert parse("--input=A,B", "--input=C", "--output=D").input == ("A", "B", "C")


def test_every_setting_has_a_flag(parse):
    given = parse(
        *[
            "--input=A",
            "--output=B",
            "--suffix=T1w",
            "--series=x",
            "--subject_regex=x",
            "--plane=coronal",
            "--slices=native",
            "--voxel_size=2",
        ],
        *[
            "--interpolation=cubic",
            "--resolution=64",
            "--field_of_view=200",
            "--intensity_percentiles=2,98.5",
        ],
        *["--min_head_fraction=0.5", "--holdout=0.1", "--masks=M", "--volume_index=1", "--num_workers=3"],
        *["--strict", "--stratify=site,sex", "--holdout_subjects=a"],
    )
    assert given.intensity_percentiles == (2.0, 98.5)
    default = dataclasses.asdict(PreparationConfig(input=("-",), output="-"))
    others = dataclasses.asdict(
        parse("--input=A", "--output=B", "--channels=FLAIR,T1w,mask:x", "--masks=M", "--allow_missing")
    )
    assert (others["channels"], others["allow_missing"]) == ("FLAIR,T1w,mask:x", True)
    alone = {"channels", "allow_missing"}
    assert all(
        value != default[name] for name, value in dataclasses.asdict(given).items() if name not in alone
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--input needs at least one folder"),
        (["--input=A"], "--output needs a folder"),
        (["--input=A", "--output=B", "--intensity_percentiles=1,x"], "--intensity_percentiles takes two"),
        (["--input=A", "--output=B", "--intensity_percentiles=1"], "--intensity_percentiles"),
        (["--input=A", "--output=B", "--plane=oblique"], r"--plane=oblique.*axial\|coronal\|sagittal"),
        (["--input=A", "--output=B", "--slices=thick"], r"--slices=thick.*auto\|native\|isotropic"),
        (["--input=A", "--output=B", "--holdout=1"], "--holdout is at least 0 and below 1"),
    ],
)
def test_wrong_flags_are_named(parse, arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)


def test_many_held_out_subjects_may_be_given_by_name(parse):
    names = tuple(f"sub-{number:05d}" for number in range(400))
    given = parse("--input=A", "--output=B", f"--holdout_subjects={','.join(names)}")
    assert given.holdout_subjects == names
