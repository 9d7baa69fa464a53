import numpy as np
import pytest

from mrisynth.privacy import alignment


def draw_image(seed=0, size=64):
    """Smooth blobs on a dark ground, darkest at the edge."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:size, :size] / size
    image = np.zeros((size, size))
    for _ in range(6):
        row, column, width = *random.uniform(0.25, 0.75, 2), random.uniform(0.03, 0.1)
        image += random.uniform(60, 200) * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def align(target, image):
    return alignment.align(target[..., np.newaxis], image[..., np.newaxis])


def lay_onto(target, image, aligned):
    return alignment.lay_onto(target[..., np.newaxis], image[..., np.newaxis], aligned)[..., 0]


def shift(image, rows, columns):
    moved = np.zeros_like(image)
    size = len(image)
    source = image[max(0, -rows) : size - max(0, rows), max(0, -columns) : size - max(0, columns)]
    moved[max(0, rows) : size + min(0, rows), max(0, columns) : size + min(0, columns)] = source
    return moved


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (3, -2), (-4, 4)])
def test_a_mirrored_and_shifted_image_is_laid_back(mirrored, rows, columns):
    image = draw_image()
    target = shift(image[:, ::-1] if mirrored else image, rows, columns)
    found = align(target, image)
    assert (found.mirrored, found.rows, found.columns) == (mirrored, rows, columns)
    assert found.correlation > 0.999
    laid = lay_onto(target, image, found)
    assert np.abs(laid.astype(int) - target).max() <= 2


@pytest.mark.parametrize(("rows", "columns"), [(8, -16), (-12, 4), (3, 6), (-5, 1)])
def test_shifts_are_in_pixels_of_the_image(rows, columns):
    image = draw_image(size=256)
    found = align(shift(image, rows, columns), image)
    assert (found.rows, found.columns) == (rows, columns)
    assert found.correlation > 0.999


def test_brightness_and_contrast_do_not_matter_and_are_fitted():
    image = draw_image()
    target = np.rint(0.5 * image + 40).astype(np.uint8)
    found = align(target, image)
    assert found.correlation > 0.999
    assert np.abs(lay_onto(target, image, found).astype(int) - target).max() <= 1


def test_correlations_are_those_of_numpy():
    """Of frames that are moved one by one."""
    target, image = draw_image(1, 32), draw_image(2, 32)
    margin = alignment.largest_shift(32)
    framed = alignment.frames(np.stack([target, image]), margin)
    computed = alignment.correlations(target[None, None], image[None, None, None])[0, 0]
    assert computed.shape == (2, 2 * margin + 1, 2 * margin + 1)
    for side, moving in enumerate((framed[1], framed[1][:, ::-1])):
        for row in range(-margin, margin + 1):
            for column in range(-margin, margin + 1):
                moved = np.roll(moving, (row, column), (0, 1))
                expected = np.corrcoef(framed[0].ravel(), moved.ravel())[0, 1]
                assert computed[side, row + margin, column + margin] == pytest.approx(expected, abs=1e-5)


def test_channels_are_moved_together_and_count_the_same():
    """The second channel's best place alone is another: it is moved along, and the mean is told."""
    image = np.stack([draw_image(1), draw_image(2)], axis=-1)
    target = np.stack([shift(image[..., 0], 3, -2), shift(image[..., 1], 3, -2) // 2 + 60], axis=-1)
    found = alignment.align(target, image)
    assert (found.rows, found.columns, found.mirrored) == (3, -2, False)
    assert found.correlation > 0.999
    assert np.abs(alignment.lay_onto(target, image, found).astype(int) - target).max() <= 2
    noise = np.random.RandomState(0).randint(0, 256, image.shape[:2]).astype(np.uint8)
    spoiled = alignment.align(np.stack([target[..., 0], noise], axis=-1), image)
    assert (spoiled.rows, spoiled.columns) == (3, -2)
    assert spoiled.correlation == pytest.approx(0.5, abs=0.1)


def test_constant_images_correlate_with_nothing():
    flat = np.full((1, 1, 16, 16), 7, np.uint8)
    assert alignment.correlations(flat, draw_image(size=16)[None, None, None]).max() == 0


def test_thumbnails_are_smoothed_box_means():
    images = np.arange(128 * 128, dtype=np.int64).reshape(1, 128, 128) % 251
    small = alignment.thumbnails(images.astype(np.uint8))
    assert small.shape == (1, 64, 64)
    # Four times 1 2 1.
    weights = np.array([1, 8, 28, 56, 70, 56, 28, 8, 1]) / 256
    means = images[0, 32:50, 40:58].reshape(9, 2, 9, 2).mean((1, 3))
    assert small[0, 20, 24] == np.rint(weights @ means @ weights)


@pytest.mark.parametrize(("size", "left"), [(16, 1), (32, (3 / 8) ** 2)])
def test_small_images_are_smoothed_less(size, left):
    noise = np.random.RandomState(0).normal(128, 20, (40, size, size)).astype(np.uint8)
    assert np.var(alignment.thumbnails(noise)) == pytest.approx(np.var(noise) * left, rel=0.15)


def test_standardized_images_have_one_contrast_and_no_noise_is_blown_up():
    images = np.stack([draw_image(1), draw_image(1) // 2 + 50, np.full((64, 64), 9, np.uint8)])
    done = alignment.standardize(images)
    assert np.abs(done[0].astype(int) - done[1]).max() <= 2
    assert done[0].std() == pytest.approx(40, rel=0.05)
    assert done[2].max() == 0


def test_a_channel_that_both_lack_says_nothing():
    image = draw_image()
    empty = np.zeros_like(image)
    target = np.stack([shift(image, 2, -1), empty], -1)
    found = alignment.align(target, np.stack([image, empty], -1))
    assert (found.rows, found.columns) == (2, -1)
    assert found.correlation > 0.999
    assert alignment.align(target, np.stack([image, image], -1)).correlation == pytest.approx(0.5, abs=0.001)
    assert alignment.align(*[np.stack([empty, empty], -1)] * 2).correlation == 1
