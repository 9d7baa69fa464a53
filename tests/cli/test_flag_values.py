import dataclasses
import pathlib

import pytest
from absl import flags

from mrisynth.cli import app, flag_values
from mrisynth.errors import UserError
from mrisynth.training.config import Augmentation


@dataclasses.dataclass(frozen=True)
class Settings:
    """One field of every kind.

    Attributes:
        needed: A text.
        whole: A number without a fraction: of a text that
            goes on.
        real: A number.
        truth: Yes or no.
        choice: One of several.
        several: Numbers.
        perhaps: None, or a text.
        without_flag: Another number.
    """

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
    flag_values.define_fields(Settings, NAMES, **flag_values.group(values, "Some"))
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


def test_flags_have_the_help_of_the_fields():
    values = parse()
    assert values["whole"].help == "A number without a fraction: of a text that goes on."
    assert values["perhaps"].help == "None, or a text."
    flag_values.define_fields(Settings, {"without_flag": "Otherwise."}, **flag_values.group(values, "Others"))
    assert values["without_flag"].help == "Otherwise."


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


def test_the_tilde_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert flag_values.path(parse("--perhaps=~/a"), "perhaps") == pathlib.Path("/home/someone/a")
    assert flag_values.path(parse("--perhaps=a/~"), "perhaps") == pathlib.Path("a/~")
    assert flag_values.path(parse("--perhaps=~nobody-of-this-name/a"), "perhaps") == pathlib.Path(
        "~nobody-of-this-name/a"
    )


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a,b"], ["a", "b"]),
        (["scans, FLAIR"], ["scans, FLAIR"]),
        (["a,scans, FLAIR,b"], ["a", "scans, FLAIR", "b"]),
        (["scans, T1"], ["scans", " T1"]),
        (["~/x,y,a"], ["home/x,y", "a"]),
        (["a,,b,", "c", ""], ["a", "b", "c"]),
        ([",".join(["a" * 200] * 30)], ["a" * 200] * 30),
    ],
)
def test_commas_separate_paths_unless_they_are_in_a_name(given, expected, tmp_path, monkeypatch):
    for name in ("scans, FLAIR", "scans", "home/x,y"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "home")
    values = flags.FlagValues()
    flags.DEFINE_multi_string("folders", [], "Help.", flag_values=values)
    app.parse_flags(values, [f"--folders={text}" for text in given])
    assert list(flag_values.paths(values, "folders")) == expected


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
