import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mrisynth.data.preparing.contact_sheet import write_contact_sheet, write_histogram
from mrisynth.data.storing.manifest import read_manifest
from mrisynth.data.storing.storage import dequantize
from mrisynth.image_io import to_gray


def test_the_contact_sheet_is_the_same_every_time_and_shows_both_sides(data_dir, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for images in data_dir.glob("*r0064*"):
            shutil.copy(images, tmp_path / name)
        write_contact_sheet(tmp_path / name, read_manifest(data_dir))
    sheets = [np.asarray(Image.open(tmp_path / name / "contact_sheet.png")) for name in ("a", "b")]
    np.testing.assert_array_equal(*sheets)
    # Above the slices of a side is a strip that says which it is: white at its right end.
    labeled = np.flatnonzero((sheets[0][:, -50:] == 255).all(axis=1))
    training, heldout = np.split(labeled, np.flatnonzero(np.diff(labeled) > 1) + 1)
    assert training[0] == 0
    assert np.ptp(training) == np.ptp(heldout) > sheets[0].shape[1] / 20
    for strip in (training, heldout):
        words, slices = sheets[0][strip], sheets[0][strip[-1] + 1 :][:64]
        assert (words == 0).any()
        assert slices.any()
        assert not (slices == 255).all(axis=1).any()


@pytest.mark.parametrize("resolution", [4, 64])
def test_each_part_of_the_contact_sheet_is_labeled(resolution, data_dir, tmp_path, monkeypatch):
    manifest = read_manifest(data_dir)
    for images in data_dir.glob(f"*r{resolution:04d}*"):
        shutil.copy(images, tmp_path)
    drawn, draw = [], ImageDraw.ImageDraw.text

    def text(self, place, words, fill, font, **settings):
        drawn.append(words)
        left, top, right, bottom = self.textbbox(place, words, font, **settings)
        width, height = self.im.size
        assert 0 < left < right < width
        assert 0 < top < bottom < height
        # However small the sheet is shown, its letters are as wide a part of it.
        sizes.append(font.size)
        draw(self, place, words, fill, font, **settings)

    sizes = []
    monkeypatch.setattr(ImageDraw.ImageDraw, "text", text)
    odd = tuple(dataclasses.replace(source, warnings=("odd: it is",)) for source in manifest.sources)
    write_contact_sheet(tmp_path, dataclasses.replace(manifest, sources=odd, resolutions=(resolution,)))
    sides = {name: (side.slices, len(side.subjects)) for name, side in manifest.splits.items()}
    assert drawn == [
        "Training: {} slices of {} subjects".format(*sides["train"]),
        "Held out: {} slices of {} subjects".format(*sides["heldout"]),
        "Warnings",
    ]
    sheet = Image.open(tmp_path / "contact_sheet.png")
    assert len(set(sizes)) == 1
    assert 25 < sheet.size[0] / sizes[0] < 40


def test_files_with_a_warning_have_a_column_of_their_own(data_dir, tmp_path):
    manifest = read_manifest(data_dir)
    for images in data_dir.glob("*r0064*"):
        shutil.copy(images, tmp_path)
    write_contact_sheet(tmp_path, manifest)
    plain = np.asarray(Image.open(tmp_path / "contact_sheet.png"))
    chosen = next(number for number, source in enumerate(manifest.sources) if number and source.split)
    sources = [
        dataclasses.replace(source, warnings=("odd: it is",) if number == chosen else ())
        for number, source in enumerate(manifest.sources)
    ]
    write_contact_sheet(tmp_path, dataclasses.replace(manifest, sources=tuple(sources)))
    sheet = np.asarray(Image.open(tmp_path / "contact_sheet.png"))
    np.testing.assert_array_equal(sheet[:, : plain.shape[1]], plain)
    line, column = sheet[:, plain.shape[1] : plain.shape[1] + 2], sheet[:, plain.shape[1] + 2 :]
    assert (line == 255).all()
    assert (column[0] == 255).all()
    column = column[np.flatnonzero(~(column[:, -1] == 255))[0] :]
    source = manifest.sources[chosen]
    before = sum(other.slices for other in manifest.sources[:chosen] if other.split == source.split)
    images = np.load(data_dir / f"{source.split}-r0064.npy", mmap_mode="r")
    expected = to_gray(dequantize(images[before + source.slices // 2, ..., 0]))
    factor = plain.shape[1] // (12 * 64)
    np.testing.assert_array_equal(column[: 64 * factor : factor, : 64 * factor : factor], expected)
    assert not column[64 * factor :].any()
    assert not column[:, 64 * factor :].any()


def test_the_histogram_is_a_picture(tmp_path):
    write_histogram(tmp_path, {"train": np.arange(256), "heldout": np.zeros(256, np.int64)})
    picture = np.asarray(Image.open(tmp_path / "histogram.png"))
    assert picture.ndim == 3
    assert picture.std() > 10
