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
