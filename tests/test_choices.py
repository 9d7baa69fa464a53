import json

from mrisynth.choices import Choice


class Color(Choice):
    RED = "red"
    GREEN = "green"


def test_a_member_reads_as_its_word_everywhere():
    assert Color("red") is Color.RED == "red"
    assert f"{Color.RED}|{Color.RED!s}|{'|'.join(Color)}" == "red|red|red|green"
    assert json.dumps({"color": Color.GREEN}) == '{"color": "green"}'
