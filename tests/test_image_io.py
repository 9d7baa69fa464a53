import numpy as np
import pytest
from PIL import Image

from mrisynth import image_io


def test_gray_values_are_rounded_and_saturated():
    values = np.array([-2.0, -1.0, 0.0, 0.003, 1.0, 1.5, -0.999])
    # 127.5 x + 127.5, halves to even: 127.5 -> 128, 127.88 -> 128, 0.13 -> 0.
    np.testing.assert_array_equal(image_io.to_gray(values), [0, 0, 128, 128, 255, 255, 0])
    gray = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(image_io.to_gray(gray), gray)


def test_sixteen_bits_keep_what_eight_do_not():
    values = np.array([-1.5, -1.0, 0.003, 1.0])
    # 32767.5 * 1.003 = 32865.8.
    gray = image_io.to_gray(values, bits=16)
    assert gray.dtype == np.uint16
    np.testing.assert_array_equal(gray, [0, 0, 32866, 65535])


def test_grid_goes_row_by_row_enlarged_and_black_where_empty():
    cells = np.stack([np.full((512, 512, 1), value) for value in (-0.5, 0.0, 1.0)])
    grid = image_io.make_grid(cells, columns=2)
    assert grid.shape == (1024, 1024)
    corners = grid[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_array_equal(corners, [64, 128, 255, 0])
    small = image_io.make_grid(np.ones((4, 8, 8, 1)))
    assert small.shape == (1024, 1024)


@pytest.mark.parametrize("gray", [np.arange(64, dtype=np.uint8), np.arange(64, dtype=np.uint16) * 1000])
def test_png_holds_the_same_pixels_and_nothing_is_left_aside(tmp_path, gray):
    gray = gray.reshape(8, 8)
    image_io.write_png(tmp_path / "x.png", gray)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), gray)
    assert [path.name for path in tmp_path.iterdir()] == ["x.png"]
