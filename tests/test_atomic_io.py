import json
import os
import pathlib

import pytest

from mrisynth import atomic_io
from mrisynth.atomic_io import (
    folder_aside,
    folder_to_write,
    move_files,
    move_into_place,
    write_all,
    write_json_aside,
    write_text_aside,
)


def test_a_text_is_written_and_replaced(tmp_path):
    for text in ("é\n", "second"):
        write_text_aside(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    write_text_aside(tmp_path / "a.txt", "first")

    def half(file, content):
        file.write(content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(atomic_io, "write_all", half)
    with pytest.raises(OSError, match="No space left"):
        write_text_aside(tmp_path / "a.txt", "second")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "first"


def test_a_folder_in_the_way_leaves_nothing_aside(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OSError):  # noqa: PT011  (which one depends on the system)
        write_text_aside(tmp_path / "a.txt", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_stays_if_something_is_in_it(tmp_path):
    with folder_to_write(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b").is_dir()
    assert list(tmp_path.iterdir()) == []
    with folder_to_write(tmp_path / "a" / "b"):
        (tmp_path / "a" / "file").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["file"]
    (tmp_path / "there").mkdir()
    with folder_to_write(tmp_path / "there"):
        pass
    assert (tmp_path / "there").is_dir()


def test_the_disk_has_all_before_the_name_and_the_name_before_it_returns(tmp_path, monkeypatch):
    """What a power failure may cut off is never under its final name."""
    aside, target = tmp_path / ".model.partial", tmp_path / "model"
    (aside / "variables").mkdir(parents=True)
    for name in ("graph", "variables/weights"):
        (aside / name).write_text(name)
    calls = []
    sync, replace = atomic_io._sync, pathlib.Path.replace
    monkeypatch.setattr(atomic_io, "_sync", lambda path: (calls.append(path), sync(path)))
    monkeypatch.setattr(pathlib.Path, "replace", lambda *paths: (calls.append("rename"), replace(*paths)))
    move_into_place(aside, target)
    before, after = calls[: calls.index("rename")], calls[calls.index("rename") + 1 :]
    assert set(before) == {aside, aside / "graph", aside / "variables", aside / "variables" / "weights"}
    assert after == [tmp_path]
    assert (target / "variables" / "weights").read_text() == "variables/weights"


def test_a_file_that_takes_less_than_it_is_given_is_given_the_rest():
    """A write to a file without a buffer raises nothing when the disk has room for a part alone."""

    class Slow:
        taken = b""

        def __init__(self, room):
            self.room = room

        def write(self, content):
            part = bytes(content[: min(3, self.room - len(self.taken))])
            self.taken += part
            return len(part)

    file = Slow(room=100)
    write_all(file, b"ten bytes.")
    assert file.taken == b"ten bytes."
    with pytest.raises(OSError, match="No space left"):
        write_all(Slow(room=8), b"ten bytes.")


def test_a_folder_is_there_once_it_is_whole_and_what_a_killed_process_left_is_gone(tmp_path):
    left = tmp_path / ".set.partial" / "half"
    left.mkdir(parents=True)
    with folder_aside(tmp_path / "set") as aside:
        (aside / "a").write_text("a")
        assert not (tmp_path / "set").exists()
    assert [path.name for path in (tmp_path / "set").iterdir()] == ["a"]
    with pytest.raises(RuntimeError), folder_aside(tmp_path / "another") as aside:
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_the_file_that_completes_others_is_moved_when_the_disk_has_these(tmp_path, monkeypatch):
    aside, folder = tmp_path / "aside", tmp_path / "folder"
    for path in (aside, folder):
        path.mkdir()
    for name in ("index", "a", "z"):
        (aside / name).write_text(name)
    calls = []
    sync, replace = atomic_io._sync, pathlib.Path.replace
    monkeypatch.setattr(atomic_io, "_sync", lambda path: (calls.append(path.name), sync(path)))
    monkeypatch.setattr(
        pathlib.Path, "replace", lambda *paths: (calls.append(f"move {paths[0].name}"), replace(*paths))
    )
    move_files(aside, folder, last="index")
    moves = ["move a", "move z", "folder", "move index", "folder"]
    assert calls == ["a", "z", "index", *moves]


def test_folders_that_cannot_be_synced_are_no_fault(tmp_path, monkeypatch):
    """Windows opens no folders."""
    opened = os.open

    def refuse(path, *arguments, **settings):
        if pathlib.Path(path).is_dir():
            raise PermissionError(13, "Permission denied")
        return opened(path, *arguments, **settings)

    monkeypatch.setattr(os, "open", refuse)
    write_text_aside(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").read_text() == "text"


def test_json_holds_no_number_that_is_none(tmp_path):
    write_json_aside(tmp_path / "a.json", {"é": [1, 2.5]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": [1, 2.5]}
    with pytest.raises(ValueError, match="JSON"):
        write_json_aside(tmp_path / "b.json", {"a": float("nan")})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
