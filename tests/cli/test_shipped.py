import pathlib

import pytest

from mrisynth.cli import shipped

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", ["quickstart.flags", "flags/quickstart.flags"])
def test_flagfiles_by_name(name):
    assert shipped.flagfile(name) == ROOT / "flags" / "quickstart.flags"


@pytest.mark.parametrize("name", ["head_phantom", "saved_models/head_phantom", "saved_models/head_phantom/"])
def test_models_by_name(name):
    assert shipped.saved_model(name) == ROOT / "saved_models" / "head_phantom"
    assert shipped.saved_model(f"{name}/1") == ROOT / "saved_models" / "head_phantom" / "1"


@pytest.mark.parametrize("name", ["head_phantom", "saved_models/head_phantom"])
def test_what_is_there_beats_what_comes_with_mrisynth(name, empty_folder):
    (empty_folder / name).mkdir(parents=True)
    assert shipped.saved_model(name) == pathlib.Path(name)


@pytest.mark.parametrize("name", ["nothing", "/head_phantom", "../saved_models/head_phantom", "saved_models"])
def test_what_is_not_there_stays_as_it_was_given(name):
    assert shipped.saved_model(name) == pathlib.Path(name)


def test_every_flagfile_and_model_of_the_repository_goes_into_a_wheel():
    """A model that is added is to be named in setup.py, too."""
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    assert all(f'"{path.name}/**/*"' in text for path in shipped.MODELS.iterdir())
    assert {path.suffix for path in shipped.FLAGFILES.iterdir()} == {".flags"}
