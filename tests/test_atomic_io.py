import pathlib

import pytest

from mrisynth.atomic_io import folder_to_write, write_text_aside


def test_a_text_is_written_and_replaced(tmp_path):
    for text in ("é\n", "second"):
        write_text_aside(tmp_path / "a.txt", text)
        assert (tmp_path / "a.txt").read_text(encoding="utf-8") == text
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch):
    write_text_aside(tmp_path / "a.txt", "first")
    write = pathlib.Path.write_bytes

    def half(self, content):
        write(self, content[: len(content) // 2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pathlib.Path, "write_bytes", half)
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
