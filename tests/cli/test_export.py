"""tools/export.py in this process; tests/export has what it writes."""

import hashlib
import re

import pytest

from tests.programs import ROOT, call, check_refusal

PROGRAM = "tools/export.py"


def test_it_says_where_the_generator_is(ended_run, tmp_path):
    for version in ("1", "2"):
        ended = call(PROGRAM, f"--run_dir={ended_run}", f"--output={tmp_path / 'heads'}")
        folder = tmp_path / "heads" / version
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout == (
            f"The generator is in {folder}, what it is in {folder}/assets.extra/model_card.md.\n"
        )
        assert (folder / "assets.extra" / "model_card.md").is_file()


def test_onnx_has_its_card_beside_it(ended_run, tmp_path):
    pytest.importorskip("onnx")
    ended = call(PROGRAM, f"--run_dir={ended_run}", f"--output={tmp_path / 'heads'}", "--format=onnx")
    folder = tmp_path / "heads"
    card = folder / "assets.extra" / "model_card.md"
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == (f"The generator is in {folder}/generator.onnx, what it is in {card}.\n")
    checksum = hashlib.sha256((folder / "generator.onnx").read_bytes()).hexdigest()
    assert checksum in card.read_text()
    again = call(PROGRAM, f"--run_dir={ended_run}", f"--output={folder}", "--format=onnx")
    check_refusal(again, "heads exists already; name a new folder")


def test_a_page_is_one_file_by_the_command_that_its_documentation_begins_with(tmp_path):
    documentation = (ROOT / "docs" / "page.md").read_text(encoding="utf-8")
    arguments = re.search(r"^    python tools/export.py (.*)$", documentation, re.M)[1]
    page = tmp_path / "new" / "head_phantom.html"
    ended = call(PROGRAM, *arguments.replace("=head_phantom.html", f"={page}").split())
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"The generator is in {page}; open it in a browser.\n"
    assert "<title>head_phantom: synthetic MR slices</title>" in page.read_text(encoding="utf-8")
    assert list(page.parent.iterdir()) == [page]


def test_a_folder_that_cannot_be_written_is_named(ended_run, tmp_path):
    (tmp_path / "file").touch()
    ended = call(PROGRAM, f"--run_dir={ended_run}", f"--output={tmp_path / 'file' / 'heads'}")
    check_refusal(ended, f"{tmp_path / 'file' / 'heads'} cannot be written")
