"""CITATION.cff says which version this is."""

import pathlib

import mrisynth

ROOT = pathlib.Path(__file__).parents[1]


def test_the_version_is_that_of_the_package():
    lines = (ROOT / "CITATION.cff").read_text(encoding="utf-8").splitlines()
    assert f"version: {mrisynth.__version__}" in lines
