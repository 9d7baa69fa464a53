import numpy as np

from mrisynth.report.pictures import difference, sheet


def test_small_images_are_enlarged_and_laid_out_in_rows():
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    paper = sheet(images[..., None], 2, largest=8, width=20)
    assert paper.shape == (2 * 8 + 2, 2 * 8 + 2)
    assert (paper[:8, :8] == 0).all()
    assert (paper[:8, 10:] == 1).all()
    assert (paper[10:, :8] == 2).all()
    assert len(np.unique(paper[10:, 10:])) == 1


def test_large_images_are_reduced_to_means():
    images = np.random.default_rng(0).integers(0, 256, (1, 16, 16), dtype=np.uint8)
    paper = sheet(images[..., None], 1, largest=8, width=8)
    assert paper.shape == (8, 8)
    assert paper[0, 0] == round(images[0, :2, :2].mean())


def test_channels_stand_side_by_side():
    images = np.arange(2 * 3, dtype=np.uint8).reshape(2, 1, 1, 3) * np.ones((1, 4, 4, 1), np.uint8)
    paper = sheet(images, 1, largest=4, width=12)
    assert paper.shape == (2 * 4 + 2, 3 * 4)
    assert paper[0, ::4].tolist() == [0, 1, 2]
    assert paper[-1, ::4].tolist() == [3, 4, 5]


def test_the_difference_is_gray_where_images_agree_and_keeps_its_sign():
    first = np.array([[0, 255, 9]], np.uint8)
    second = np.array([[255, 0, 9]], np.uint8)
    assert difference(first, second).tolist() == [[0, 255, 128]]
