import shutil

import numpy as np
from PIL import Image

from mrisynth.data.contact_sheet import write_contact_sheet, write_histogram
from mrisynth.data.manifest import read_manifest


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


def test_the_histogram_is_a_picture(tmp_path):
    write_histogram(tmp_path, {"train": np.arange(256), "heldout": np.zeros(256, np.int64)})
    picture = np.asarray(Image.open(tmp_path / "histogram.png"))
    assert picture.ndim == 3
    assert picture.std() > 10
