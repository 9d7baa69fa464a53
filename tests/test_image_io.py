import numpy as np
import pytest
from PIL import Image

from mrisynth import image_io
from mrisynth.errors import UserError


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


def test_channels_lie_side_by_side():
    images = np.stack([np.zeros((3, 8, 8)), np.ones((3, 8, 8))], axis=-1)
    beside = image_io.side_by_side(images)
    assert beside.shape == (3, 8, 16)
    assert (beside[:, :, :8] == 0).all()
    assert (beside[:, :, 8:] == 1).all()
    np.testing.assert_array_equal(image_io.side_by_side(images[None]), beside[None])
    grid = image_io.make_grid(images, columns=1)
    assert grid.shape == (64 * 3 * 8, 64 * 16)
    np.testing.assert_array_equal(np.unique(grid[:, :512]), 128)
    np.testing.assert_array_equal(np.unique(grid[:, 512:]), 255)


@pytest.mark.parametrize(("channels", "columns"), [(1, 8), (2, 6), (3, 5)])
def test_grids_of_several_channels_are_square_too(channels, columns):
    rows, factor = -(-64 // columns), 1024 // (columns * channels * 8)
    grid = image_io.make_grid(np.ones((64, 8, 8, channels)))
    assert grid.shape == (factor * 8 * rows, factor * 8 * channels * columns)
    assert 0.8 < grid.shape[0] / grid.shape[1] < 1.25


def test_images_become_an_array_a_grid_or_a_folder(tmp_path):
    images = np.random.default_rng(0).uniform(-1, 1, (5, 8, 8, 1)).astype(np.float32)
    image_io.save_images(images, 7, tmp_path / "new" / "images.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "new" / "images.npy"), images)
    image_io.save_images(images, 7, tmp_path / "grid.png")
    grid = np.asarray(Image.open(tmp_path / "grid.png"))
    factor = grid.shape[0] // 16
    np.testing.assert_array_equal(
        grid[: 8 * factor : factor, : 8 * factor : factor], image_io.to_gray(images[0, ..., 0])
    )
    image_io.save_images(image_io.to_gray(images), 7, tmp_path / "folder")
    files = sorted((tmp_path / "folder").iterdir())
    assert [file.name for file in files] == [f"seed_{seed:06d}.png" for seed in range(7, 12)]
    for file, image in zip(files, images, strict=True):
        np.testing.assert_array_equal(np.asarray(Image.open(file)), image_io.to_gray(image[..., 0]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "grid.png", "new"]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["images.npy"]
    with pytest.raises(UserError, match="--output=.*cannot be written"):
        image_io.save_images(images, 7, tmp_path / "grid.png" / "images.npy")


def test_large_images_are_averaged_down():
    images = np.random.RandomState(0).randint(0, 256, (3, 256, 256, 2)).astype(np.uint8)
    small = image_io.average_down(images, 64)
    assert small.shape == (3, 64, 64, 2)
    np.testing.assert_allclose(small[1, 2, 3], images[1, 8:12, 12:16].mean(axis=(0, 1)), atol=0.5)
    assert image_io.average_down(small, 64) is small
