"""The array of a release as NumPy reads it."""

import json
import pathlib

import numpy as np
import pytest

from mrisynth.release.formats.npy import NpyArray
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.provenance import Provenance

PROVENANCE = Provenance("heads", "1", "d" * 64, "f" * 64)


def test_npy_is_one_array_of_intensities_and_its_seeds(release, tmp_path, draw):
    release(format="npy", seed=7)
    images = np.load(tmp_path / "out" / "images.npy", mmap_mode="r")
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, (draw(7, 70) + 1) * 500 - 50, atol=0.01)
    seeds = np.load(tmp_path / "out" / "seeds.npy")
    assert seeds.dtype == np.int64
    np.testing.assert_array_equal(seeds, np.arange(7, 77))
    described = json.loads((tmp_path / "out" / "images.json").read_text())
    assert described["Synthetic"] is True
    assert described["IntensityRange"] == [-50, 950]
    assert "Seed" not in described


def test_a_full_disk_records_no_seed(tmp_path, monkeypatch):
    files = NpyArray(tmp_path, 3, ImageGeometry.of(None, 8), PROVENANCE, 8, {})
    files.start(0)
    files.write(1, 40, np.zeros((8, 8, 1), np.float32), "")

    class Full:
        def seek(self, place): ...

        def flush(self): ...

        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files._rows[0], "_file", Full())
    with pytest.raises(OSError, match="No space left"):
        files.write(2, 41, np.zeros((8, 8, 1), np.float32), "")
    assert files.written() == [40]


def test_no_file_is_open_when_it_is_renamed(tmp_path, monkeypatch):
    """Windows refuses to rename an open file."""
    files = NpyArray(tmp_path, 1, ImageGeometry.of(None, 8), PROVENANCE, 8, {})
    files.start(0)
    files.write(1, 7, np.ones((8, 8, 1), np.float32), "")
    opened = [rows._file for rows in files._rows]
    replace = pathlib.Path.replace

    def check(self, target):
        assert target.suffix != ".npy" or all(file.closed for file in opened)
        return replace(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", check)
    files.finish([7], {})
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), np.ones((1, 8, 8)))
