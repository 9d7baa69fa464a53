import dataclasses
import shutil

import numpy as np
from PIL import Image

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
    lines = np.flatnonzero((sheets[0] == 255).all(axis=1))
    assert len(lines) == 2  # between training and held-out slices
    assert sheets[0][: lines[0]].any()
    assert sheets[0][lines[1] + 1 :].any()


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
    source = manifest.sources[chosen]
    before = sum(other.slices for other in manifest.sources[:chosen] if other.split == source.split)
    images = np.load(data_dir / f"{source.split}-r0064.npy", mmap_mode="r")
    expected = to_gray(dequantize(images[before + source.slices // 2, ..., 0]))
    factor = column.shape[1] // 64
    np.testing.assert_array_equal(column[: 64 * factor : factor, ::factor], expected)
    assert not column[64 * factor :].any()


def test_the_histogram_is_a_picture(tmp_path):
    write_histogram(tmp_path, {"train": np.arange(256), "heldout": np.zeros(256, np.int64)})
    picture = np.asarray(Image.open(tmp_path / "histogram.png"))
    assert picture.ndim == 3
    assert picture.std() > 10
