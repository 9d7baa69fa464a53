"""The array of a release as NumPy reads it."""

import json
import pathlib

import numpy as np
import pytest

from mrisynth.data.labels import UNCONDITIONAL
from mrisynth.release.channels import channels_of
from mrisynth.release.formats.npy import NpyArray
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.label_table import LabelTable
from mrisynth.sampling.provenance import Provenance

PROVENANCE = Provenance("heads", "1", "d" * 64, "f" * 64)


def array(folder, count):
    """An array of one channel that was begun."""
    geometry = ImageGeometry.of(None, 8)
    files = NpyArray(folder, count, geometry, PROVENANCE, 8, {})
    files.start(0)
    return files, channels_of(files.channels, {}, geometry)


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
    files, channels = array(tmp_path, 3)
    files.write(1, 40, np.zeros((8, 8, 1), np.float32), channels, [""])

    class Full:
        def seek(self, place): ...

        def flush(self): ...

        def write(self, content):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(files._rows[0], "_file", Full())
    with pytest.raises(OSError, match="No space left"):
        files.write(2, 41, np.zeros((8, 8, 1), np.float32), channels, [""])
    assert files.written() == [40]


def test_no_file_is_open_when_it_is_renamed(tmp_path, monkeypatch):
    """Windows refuses to rename an open file."""
    files, channels = array(tmp_path, 1)
    files.write(1, 7, np.ones((8, 8, 1), np.float32), channels, [""])
    opened = [rows._file for rows in files._rows]
    replace = pathlib.Path.replace

    def check(self, target):
        assert target.suffix != ".npy" or all(file.closed for file in opened)
        return replace(self, target)

    monkeypatch.setattr(pathlib.Path, "replace", check)
    files.finish([7], LabelTable(UNCONDITIONAL, {}), {})
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), np.ones((1, 8, 8)))


def test_channels_are_the_last_axis(release, several, tmp_path):
    ranges = {"range": [0, 100], "ranges": {"FLAIR": [0, 100], "T1w": [-50, 950]}, "unit": "none"}
    model = several("FLAIR", "T1w", "lesion mask", intensity=ranges)
    release(format="npy", count=5, sampler=model)
    images, drawn = np.load(tmp_path / "out" / "images.npy"), model.draw(0, 64)[:5]
    assert images.shape == (5, 16, 16, 3)
    np.testing.assert_allclose(images[..., 0], (drawn[..., 0] + 1) * 50, atol=0.01)
    np.testing.assert_allclose(images[..., 1], (drawn[..., 1] + 1) * 500 - 50, atol=0.01)
    np.testing.assert_array_equal(images[..., 2], drawn[..., 2] > 0)
    said = json.loads((tmp_path / "out" / "images.json").read_text())["Channels"]
    assert [channel["Channel"] for channel in said] == ["FLAIR", "T1w", "lesion mask"]
    assert [channel["IntensityRange"] for channel in said] == [[0, 100], [-50, 950], [0, 1]]


def test_labels_stand_in_a_table_in_the_order_of_the_images(release, several, tmp_path):
    release(format="npy", count=5, seed=9, sampler=several("image"))
    head, *rows = (line.split("\t") for line in (tmp_path / "out" / "labels.tsv").read_text().splitlines())
    assert head == ["seed", "suffix", "participant/sex", "position_mm"]
    values = several("image").labels.values(9, 5)
    expected = zip(range(9, 14), *values.values(), strict=True)
    assert rows == [["n/a" if value is None else str(value) for value in row] for row in expected]
    described = json.loads((tmp_path / "out" / "labels.json").read_text())
    assert list(described) == head
    assert described["position_mm"]["Units"] == "mm"
