import os
import pathlib

import pytest

from mrisynth.tensorflow_paths import literal_folder


def test_an_ordinary_folder_is_read_where_it_is(tmp_path):
    with literal_folder(tmp_path) as folder:
        assert folder is tmp_path


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("name", ["[a]", "a*", "a?", "a\\b"])
def test_a_folder_that_looks_like_a_pattern_is_read_elsewhere(name, links, tmp_path, monkeypatch):
    named = tmp_path / name
    named.mkdir()
    (named / "file").write_text("content")
    if not links:

        def refuse(*_, **__):
            raise OSError("links are reserved")

        monkeypatch.setattr(pathlib.Path, "symlink_to", refuse)
    # Also where it is given relative to the working folder.
    monkeypatch.chdir(tmp_path)
    with literal_folder(pathlib.Path(name)) as folder:
        assert not set("[]*?\\") - {os.sep} & set(str(folder))
        assert (folder / "file").read_text() == "content"
    assert not folder.exists()
    assert (named / "file").is_file()
