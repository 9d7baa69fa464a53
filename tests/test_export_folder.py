"""Where things lie in an export."""

import shutil

import pytest

from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder, next_version

pytestmark = pytest.mark.both_stacks


def make_export(folder):
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_text("graph")
    (folder / "variables" / "variables.index").write_text("index")
    return folder


def test_the_newest_version_is_taken_by_number(tmp_path):
    for version in ("2", "10"):
        make_export(tmp_path / "heads" / version)
    (tmp_path / "heads" / "11").mkdir()
    newest = ExportFolder.newest(tmp_path / "heads")
    assert (newest.path, newest.name, newest.version) == (tmp_path / "heads" / "10", "heads", "10")
    named = ExportFolder.newest(tmp_path / "heads" / "2")
    assert (named.name, named.version) == ("heads", "2")


def test_a_folder_without_a_version_is_named_by_itself(tmp_path):
    folder = ExportFolder.newest(make_export(tmp_path / "copy[1]"))
    assert (folder.name, folder.version) == ("copy[1]", "")


@pytest.mark.parametrize(("name", "message"), [("nowhere", "is not a folder"), ("heads", "no SavedModel")])
def test_what_holds_no_export_is_named(name, message, tmp_path):
    (tmp_path / "heads" / "1").mkdir(parents=True)
    with pytest.raises(UserError, match=f"--saved_model=.*{name}.*{message}.*NAME or NAME/VERSION"):
        ExportFolder.newest(tmp_path / name)


def test_versions_count_up_from_the_highest(tmp_path):
    assert next_version(tmp_path / "heads").path == tmp_path / "heads" / "1"
    (tmp_path / "heads" / "10").mkdir(parents=True)
    assert next_version(tmp_path / "heads").version == "11"


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
def test_the_checksum_is_of_graph_and_weights(file, tmp_path):
    first = ExportFolder(make_export(tmp_path / "1")).checksum
    same = make_export(tmp_path / "2")
    (same / "assets.extra").mkdir()
    (same / "assets.extra" / "model_card.json").write_text("{}")
    assert ExportFolder(same).checksum == first
    (make_export(tmp_path / "3") / file).write_text("changed")
    assert ExportFolder(tmp_path / "3").checksum != first


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.unlink(), "has no model card"),
        (lambda path: path.write_text("{"), "cannot be read"),
        (lambda path: path.write_bytes(b"\xff"), "cannot be read"),
        (lambda path: path.write_text("[]"), "is not a model card of mrisynth"),
        (
            lambda path: path.write_text(
                path.read_text().replace('"format_version": 1', '"format_version": 9')
            ),
            "another version",
        ),
        (lambda path: path.write_text(path.read_text().replace('"geometry"', '"geo"')), "has no geometry"),
    ],
)
def test_a_card_that_is_not_there_or_damaged_is_named(spoil, message, heads, tmp_path):
    shutil.copytree(heads / "assets.extra", tmp_path / "assets.extra")
    spoil(tmp_path / "assets.extra" / "model_card.json")
    with pytest.raises(UserError, match=f"{message}.*mrisynth-export"):
        ExportFolder(tmp_path).read_card()
