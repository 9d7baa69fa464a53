import dataclasses
import json

import pytest

from mrisynth.choices import Choice, set_choice
from mrisynth.errors import UserError


class Color(Choice):
    RED = "red"
    GREEN = "green"


def test_a_member_reads_as_its_word_everywhere():
    assert Color("red") is Color.RED == "red"
    assert f"{Color.RED}|{Color.RED!s}|{'|'.join(Color)}" == "red|red|red|green"
    assert json.dumps({"color": Color.GREEN}) == '{"color": "green"}'


@dataclasses.dataclass(frozen=True)
class Paint:
    color: Color | str

    def __post_init__(self):
        set_choice(self, "color", Color)


def test_a_field_may_be_the_word():
    assert Paint("green").color is Paint(Color.GREEN).color is Color.GREEN
    with pytest.raises(UserError, match=r"--color=blue is not one of red, green"):
        Paint("blue")
