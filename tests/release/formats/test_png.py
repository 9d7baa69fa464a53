"""PNG files as Pillow reads them."""

import json

import numpy as np
import pytest
from PIL import Image


@pytest.mark.parametrize(("bits", "mode", "largest"), [(8, "L", 255), (16, "I;16", 65535)])
def test_png_files_hold_all_gray_values(bits, mode, largest, release, tmp_path, draw):
    release(format="png", bits=bits, count=3)
    images = draw(0, 3)
    for number, image in enumerate(images, 1):
        picture = Image.open(tmp_path / "out" / "images" / f"syn00000{number}.png")
        assert picture.mode == mode
        assert "was not evaluated for copying" in picture.text["Description"]
        np.testing.assert_allclose(np.asarray(picture).astype(int), (image + 1) * largest / 2, atol=0.6)
    described = json.loads((tmp_path / "out" / "images" / "syn000001.json").read_text())
    assert f"gray values of {bits} bits; 0 and {largest}" in described["Storage"]


def test_channels_are_folders_and_labels_a_table(release, several, tmp_path):
    model = several("image", "lesion mask")
    release(format="png", count=3, seed=4, sampler=model)
    images = tmp_path / "out" / "images"
    assert sorted(path.name for path in images.iterdir()) == ["image", "lesion_mask"]
    for number, drawn in enumerate(model.draw(4, 64)[:3], 1):
        gray, mask = (
            np.asarray(Image.open(images / channel / f"syn00000{number}.png"))
            for channel in ("image", "lesion_mask")
        )
        np.testing.assert_allclose(gray, (drawn[..., 0] + 1) * 127.5, atol=0.6)
        np.testing.assert_array_equal(mask, np.where(drawn[..., 1] > 0, 255, 0))
        said = json.loads((images / "lesion_mask" / f"syn00000{number}.json").read_text())
        assert said["Storage"] == "PNG: gray values of 8 bits; 255 inside, 0 outside"
    rows = [row.split("\t") for row in (tmp_path / "out" / "labels.tsv").read_text().splitlines()]
    assert [row[:2] for row in rows] == [
        ["image", "seed"],
        ["syn000001", "4"],
        ["syn000002", "5"],
        ["syn000003", "6"],
    ]
    assert [row[2] for row in rows] == ["suffix", *(v or "n/a" for v in model.labels.values(4, 3)["suffix"])]
