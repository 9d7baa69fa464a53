"""Formats of exports are found by themselves."""

import sys

import pytest
from absl import flags

from mrisynth.cli import app, export_flags
from mrisynth.errors import UserError
from mrisynth.export import formats


@pytest.fixture
def new_format(tmp_path, monkeypatch):
    """A format that is one more file in the folder."""
    (tmp_path / "names.py").write_text(
        "def export_generator(generator, directory, card):\n"
        "    path = directory.with_suffix('.txt')\n"
        "    path.write_text(f'{generator} {card}')\n"
        "    return path\n"
    )
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    yield "names"
    sys.modules.pop("mrisynth.export.formats.names", None)


def test_a_new_format_is_one_new_file(new_format, tmp_path):
    values = flags.FlagValues()
    export_flags.define(values)
    app.parse_flags(values, ["--run_dir=R", "--output=O", f"--format={new_format}"])
    assert export_flags.config(values).export_format == new_format
    written = formats.export_as(new_format, "generator", tmp_path / "model", "card")
    assert written.read_text() == "generator card"


def test_a_format_that_there_is_not_is_refused():
    values = flags.FlagValues()
    export_flags.define(values)
    with pytest.raises(UserError, match="saved_model"):
        app.parse_flags(values, ["--format=odd"])


def test_what_there_is():
    assert formats.format_names() == ["onnx", "page", "saved_model"]
