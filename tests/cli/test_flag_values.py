import dataclasses
import pathlib

import pytest
from absl import flags

from mrisynth.cli import app, flag_values
from mrisynth.errors import UserError
from mrisynth.training.config import Augmentation


@dataclasses.dataclass(frozen=True)
class Settings:
    """One field of every kind."""

    needed: str
    whole: int = 3
    real: float = 0.5
    truth: bool = True
    choice: Augmentation = Augmentation.MIRROR
    several: tuple[int, ...] = (1, 2)
    perhaps: str | None = None
    without_flag: int = 8


NAMES = ("needed", "whole", "real", "truth", "choice", "several", "perhaps")


def parse(*arguments):
    values = flags.FlagValues()
    flag_values.define_fields(Settings, dict.fromkeys(NAMES, "Help."), **flag_values.group(values, "Some"))
    app.parse_flags(values, arguments)
    return values


def test_flags_have_the_defaults_of_the_fields():
    values = parse()
    made = flag_values.from_flags(values, Settings, several=flag_values.integers(values, "several"))
    assert made == Settings(needed=None)


def test_flags_have_the_types_of_the_fields():
    values = parse("--needed=a", "--whole=4", "--real=1", "--notruth", "--choice=none", "--several=5,6,7")
    made = flag_values.from_flags(values, Settings, several=flag_values.integers(values, "several"))
    assert made == Settings("a", 4, 1.0, False, Augmentation.NONE, (5, 6, 7))


@pytest.mark.parametrize(
    ("argument", "message"),
    [("--whole=x", "--whole=x"), ("--real=y", "--real=y"), ("--choice=z", "--choice=z")],
)
def test_values_of_another_type_are_refused(argument, message):
    with pytest.raises(UserError, match=message):
        parse(argument)


def test_paths():
    assert flag_values.path(parse("--perhaps=a/b"), "perhaps") == pathlib.Path("a/b")
    assert flag_values.path(parse("--perhaps="), "perhaps") is None
    assert flag_values.path(parse(), "perhaps") is None


def test_what_is_not_a_whole_number_is_named():
    with pytest.raises(UserError, match="--several has 'x', which is not a whole number"):
        flag_values.integers(parse("--several=1,x"), "several")


def test_batch_sizes():
    values = flags.FlagValues()
    flags.DEFINE_list("batch_sizes", [], "Help.", flag_values=values)
    app.parse_flags(values, ["--batch_sizes=4:8,64:2"])
    assert flag_values.batch_sizes(values) == {4: 8, 64: 2}
    for wrong, message in (("4-8", "--batch_sizes has '4-8'"), ("4:x", "--batch_sizes has 'x'")):
        values.batch_sizes = [wrong]
        with pytest.raises(UserError, match=message):
            flag_values.batch_sizes(values)
