import concurrent.futures

import numpy as np
import pytest
from scipy import ndimage, stats

from mrisynth.errors import UserError
from mrisynth.metrics import sliced_wasserstein_distance, swd
from tests.metrics import direct_swd
from tests.metrics.changed_images import change


def draw_images(count, resolution, seed):
    """Bright ellipses with an edge, a little noise and a smooth shading: crude heads."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:resolution, :resolution] / (resolution - 1) - 0.5
    images = []
    for _ in range(count):
        height, width = random.uniform(0.3, 0.45, 2)
        inside = (y / height) ** 2 + (x / width) ** 2 < 1
        ring = (y / height) ** 2 + (x / width) ** 2 > 0.7
        shading = 1 + 0.3 * (random.uniform(-1, 1) * x + random.uniform(-1, 1) * y)
        image = inside * (120 + 80 * ring) * shading + random.normal(0, 3, x.shape)
        images.append(np.clip(image, 0, 255))
    return np.rint(images).astype(np.uint8)


def sliced_distances(first, second, directions):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return swd.sliced_distances(first, second, directions, pool)


# ---------------------------------------------------------------------------------------------- pyramid


def laplacian_pyramid(images):
    levels = []
    while images is not None:
        level, images = swd.split_level(images)
        levels.append(level)
    return levels


def test_filter_has_mirrored_borders_and_keeps_every_second_pixel_from_the_first():
    line = np.zeros(16, np.float32)
    line[1] = 16
    # Pixel 0 sees pixel 1 twice, once in the mirror; pixel 2 sees it once.
    np.testing.assert_array_equal(swd.reduction_matrix(16) @ line, [8, 4, 0, 0, 0, 0, 0, 0])
    line = np.zeros(16, np.float32)
    line[15] = 16
    # The last pixel kept is number 14: pixel 15 is its neighbor, and the edge is not repeated.
    np.testing.assert_array_equal(swd.reduction_matrix(16) @ line, [0, 0, 0, 0, 0, 0, 0, 4])


def test_expansion_puts_zeros_in_between_and_doubles():
    line = np.zeros(8, np.float32)
    line[[0, 7]] = 8
    expected = np.zeros(16)
    # 6, 4, 1 of 16ths, doubled; the zero beyond the last pixel is mirrored to pixel 14.
    expected[:3] = [6, 4, 1]
    expected[12:] = [1, 4, 7, 8]
    np.testing.assert_array_equal(swd.expansion_matrix(8) @ line, expected)


@pytest.mark.parametrize("resolution", [16, 32, 128])
def test_pyramid_is_that_of_the_direct_version(resolution):
    images = np.random.RandomState(0).randint(256, size=(3, resolution, resolution)).astype(np.uint8)
    levels = laplacian_pyramid(images)
    expected = [direct_swd.laplacian_pyramid(image) for image in images.astype(np.float64)]
    assert [level.shape[1] for level in levels] == [r for r in (128, 64, 32, 16) if r <= resolution]
    for level, images_of_level in zip(levels, zip(*expected, strict=True), strict=True):
        np.testing.assert_allclose(level, np.stack(images_of_level), atol=1e-4)


def test_pyramid_can_be_put_together_again():
    images = draw_images(4, 64, seed=0)
    image, *details = reversed(laplacian_pyramid(images))
    for detail in details:
        image = swd.expand(image) + detail
    np.testing.assert_allclose(image, images, atol=1e-4)


def test_a_constant_image_has_no_detail_and_keeps_its_value():
    fine, coarse = laplacian_pyramid(np.full((2, 32, 32), 77, np.uint8))
    np.testing.assert_array_equal(fine, 0)
    np.testing.assert_array_equal(coarse, 77)


# ---------------------------------------------------------------------------------------------- patches


def test_patches_are_cut_at_their_corners():
    level = np.arange(2 * 16 * 16, dtype=np.float32).reshape(2, 16, 16)
    patches = swd.extract_patches(level, np.array([[0, 99], [10, 45]]))
    corners = np.array([[[0, 0], [9, 9]], [[1, 0], [4, 5]]])
    np.testing.assert_array_equal(patches.reshape(4, 49), direct_swd.extract_patches(level, corners))


def test_corners_reach_every_place_equally_and_none_beyond():
    corners = swd.draw_corners(np.random.RandomState(0), 1000, 16)
    assert corners.shape == (1000, 128)
    counts = np.bincount(corners.ravel())
    assert len(counts) == 100
    # 1280 expected at each place, with a standard deviation of 36.
    assert counts.min() > 1280 - 5 * 36
    assert counts.max() < 1280 + 5 * 36


def test_descriptors_are_normalized_with_one_mean_and_one_deviation():
    descriptors = np.random.RandomState(0).normal(50, 9, (49, 20, 128)).astype(np.float32)
    expected = direct_swd.normalize(descriptors.astype(np.float64))
    assert swd.normalize(descriptors) == pytest.approx(9, rel=0.01)
    np.testing.assert_allclose(descriptors, expected, atol=1e-5)
    # Single dimensions keep means and deviations of their own.
    assert np.abs(descriptors.mean(axis=(1, 2))).max() > 1e-3


# ---------------------------------------------------------------------------------------------- distance


def test_directions_are_unit_vectors_without_preference():
    directions = swd.draw_directions(np.random.RandomState(0))
    assert directions.shape == (4, 128, 49)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=-1), 1, rtol=1e-6)
    lines = directions.reshape(-1, 49)
    np.testing.assert_allclose(lines.T @ lines / len(lines), np.eye(49) / 49, atol=0.006)


def test_the_distance_on_a_line_is_the_mean_difference_of_equal_ranks():
    first, second = np.float32([[3, 0, 1], [1, 1, 1]]), np.float32([[5, 6, 8], [3, 3, 3]])
    np.testing.assert_allclose(swd.wasserstein_distances(first, second), [5, 2])
    np.testing.assert_allclose(swd.wasserstein_distances(second, first), [5, 2])
    np.testing.assert_array_equal(swd.wasserstein_distances(first, first), [0, 0])


@pytest.mark.parametrize("draw", ["standard_normal", "standard_cauchy", "rand"])
def test_the_distance_on_a_line_is_that_of_scipy(draw):
    random = np.random.RandomState(0)
    first, second = (getattr(random, draw)(2**15).astype(np.float32) for _ in range(2))
    found = swd.wasserstein_distances(np.stack([first, first]), np.stack([second, first[::-1] + 2]))
    np.testing.assert_allclose(found, [stats.wasserstein_distance(first, second), 2], rtol=1e-5)


@pytest.mark.parametrize("count", [1000, 20_000])
def test_sliced_distance_is_that_of_the_direct_version(count):
    random = np.random.RandomState(0)
    first, second = random.laplace(size=(2, 49, count)).astype(np.float32)
    second[:5] *= 1.2
    directions = swd.draw_directions(random)[:2]
    expected = [
        direct_swd.sliced_distance(first.T.astype(float), second.T.astype(float), block)
        for block in directions
    ]
    np.testing.assert_allclose(sliced_distances(first, second, directions), expected, rtol=1e-5)
    np.testing.assert_allclose(sliced_distances(second, first, directions), expected, rtol=1e-5)
    np.testing.assert_allclose(sliced_distances(first, first, directions), 0, atol=1e-8)


def test_clouds_apart_along_one_axis_are_as_far_apart_as_directions_see_of_it():
    first = np.zeros((49, 10), np.float32)
    second = first.copy()
    second[0] = 3
    directions = np.zeros((1, 2, 49), np.float32)
    directions[0, 0, :2] = [0.6, 0.8]
    directions[0, 1, 2] = 1
    np.testing.assert_allclose(sliced_distances(first, second, directions), [(1.8 + 0) / 2], rtol=1e-6)


# ---------------------------------------------------------------------------------------------- the whole


@pytest.mark.parametrize("resolution", [16, 32, pytest.param(64, marks=pytest.mark.slow)])
def test_whole_is_the_direct_version_within_sampling_spread(resolution):
    real = draw_images(60, resolution, seed=0)
    generated = change(draw_images(60, resolution, seed=1), lambda image: ndimage.gaussian_filter(image, 1))
    ours = [sliced_wasserstein_distance(real, generated, seed) for seed in range(4)]
    direct = [direct_swd.sliced_wasserstein_distance(real, generated, seed) for seed in range(4)]
    assert list(ours[0]) == list(direct[0])
    for key in ours[0]:
        first, second = np.array([[result[key] for result in results] for results in (ours, direct)])
        spread = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / 4)
        assert abs(first.mean() - second.mean()) < 5 * spread, key


def test_keys_are_the_resolutions_and_the_mean():
    result = sliced_wasserstein_distance(draw_images(4, 64, 0), draw_images(4, 64, 1))
    assert list(result) == [64, 32, 16, "mean"]
    assert result["mean"] == pytest.approx((result[64] + result[32] + result[16]) / 3)
    assert all(type(value) is float for value in result.values())


def test_every_repeat_has_directions_of_its_own(monkeypatch):
    """The value is the mean over the repeats, of which there are as many different ones."""
    found = []
    distances = swd.sliced_distances

    def keep(*arguments):
        found.append(distances(*arguments))
        return found[-1]

    monkeypatch.setattr(swd, "sliced_distances", keep)
    result = sliced_wasserstein_distance(draw_images(4, 32, 0), draw_images(4, 32, 1))
    assert len(np.unique(found)) == 2 * swd.REPEATS
    assert [result[32], result[16]] == pytest.approx([1000 * values.mean() for values in found])


def test_the_seed_decides_everything(monkeypatch):
    real, generated = draw_images(5, 32, 0), draw_images(7, 32, 1)
    expected = sliced_wasserstein_distance(real, generated, seed=3)
    monkeypatch.setattr(swd, "_THREADS", 3)
    monkeypatch.setattr(swd, "_CHUNK_PIXELS", 2 * 32 * 32)
    monkeypatch.setattr(swd, "_BLOCK_PROJECTIONS", 5 * 5 * 128)
    again = sliced_wasserstein_distance(real, generated, seed=3)
    assert again == pytest.approx(expected, rel=1e-6)
    assert sliced_wasserstein_distance(real, generated, seed=4)["mean"] != pytest.approx(
        expected["mean"], rel=1e-3
    )


def test_more_images_of_one_set_are_chosen_at_random_by_the_seed():
    images = np.arange(100, dtype=np.float32)[:, None]
    chosen = [swd._choose(images, 10, np.random.RandomState(seed)).ravel() for seed in (0, 0, 1)]
    assert (np.diff(chosen[0]) > 0).all()
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert not np.array_equal(chosen[0], chosen[2])
    assert chosen[0].max() > 50


def test_no_more_than_so_many_images_are_compared(monkeypatch):
    counts, describe = [], swd._describe

    def count(name, images, random):
        counts.append(len(images))
        return describe(name, images, random)

    monkeypatch.setattr(swd, "MOST_IMAGES", 3)
    monkeypatch.setattr(swd, "_describe", count)
    sliced_wasserstein_distance(draw_images(5, 16, 0), draw_images(4, 16, 1))
    assert counts == [3, 3]


def test_order_of_the_sets_does_not_matter_but_for_sampling():
    first = draw_images(100, 32, 0)
    second = change(draw_images(100, 32, 1), lambda image: ndimage.gaussian_filter(image, 1))
    forth, back = sliced_wasserstein_distance(first, second), sliced_wasserstein_distance(second, first)
    assert forth["mean"] == pytest.approx(back["mean"], rel=0.1)


def test_two_draws_from_one_distribution_are_closer_than_two_distributions():
    images = draw_images(200, 32, 0)
    halves = sliced_wasserstein_distance(images[::2], images[1::2])
    other = change(images[1::2], lambda image: ndimage.gaussian_filter(image, 0.7))
    different = sliced_wasserstein_distance(images[::2], other)
    assert all(2 * halves[key] < different[key] for key in (32, "mean"))


def test_brightness_and_contrast_of_a_whole_set_are_normalized_away():
    """What is left is the rounding to gray values; contrast that differs within a set does count."""
    images = draw_images(100, 32, 0) // 2 * 2
    same = sliced_wasserstein_distance(images, images)
    changed = sliced_wasserstein_distance(images, images // 2 + 20)
    assert changed == pytest.approx(same, rel=1e-3)
    uneven = change(images, lambda image: image * np.random.RandomState(int(image.sum())).uniform(0.1, 1))
    assert sliced_wasserstein_distance(images, uneven)["mean"] > 2 * same["mean"]


@pytest.mark.parametrize(
    "function",
    [
        lambda image: ndimage.gaussian_filter(image, 1),
        lambda image: image + np.random.RandomState(int(image.sum())).normal(0, 25, image.shape),
    ],
    ids=["blur", "noise"],
)
def test_blur_and_noise_worsen_the_finest_level_most(function):
    real, other = draw_images(100, 64, 0), draw_images(100, 64, 1)
    before = sliced_wasserstein_distance(real, other)
    after = sliced_wasserstein_distance(real, change(other, function))
    worse = {resolution: after[resolution] - before[resolution] for resolution in (64, 32, 16)}
    assert worse[64] > 50
    assert worse[64] > 2 * worse[32] > 2 * worse[16]


def test_progress_is_shown(capsys, every_line):
    sliced_wasserstein_distance(draw_images(2, 16, 0), draw_images(2, 16, 1))
    assert "sliced Wasserstein distance: 512 of 512 directions" in capsys.readouterr().err


GOOD = draw_images(3, 16, 0)


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (GOOD / 255, GOOD, "real images are float64"),
        (GOOD, GOOD.astype(np.int8), "generated images are int8"),
        (GOOD[..., None], GOOD, r"real images have shape \[3, 16, 16, 1\]"),
        (GOOD, GOOD[0], r"generated images have shape \[16, 16\]"),
        (GOOD, np.uint8(3), r"generated images have shape \[\]"),
        (GOOD[:, :8, :8], GOOD, r"\[3, 8, 8\]; SWD takes"),
        (GOOD[:, :, :8], GOOD, r"\[3, 16, 8\]; SWD takes"),
        (np.zeros((3, 48, 48), np.uint8), GOOD, r"\[3, 48, 48\]; SWD takes"),
        (GOOD[:1], GOOD, "at least 2 real images, not 1"),
        (GOOD, GOOD[:0], "at least 2 generated images, not 0"),
        (draw_images(3, 32, 0), GOOD, "32 pixels wide and generated ones 16"),
        (GOOD, np.full_like(GOOD, 9), "the generated images are constant at 16x16"),
        (np.full((3, 32, 32), 9, np.uint8), draw_images(3, 32, 0), "the real images are constant at 32x32"),
    ],
)
def test_mistakes_are_named_in_one_sentence(real, generated, message):
    with pytest.raises(UserError, match=message) as caught:
        sliced_wasserstein_distance(real, generated)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_many_images_are_compared_as_by_the_direct_version():
    real = draw_images(400, 128, 0)
    generated = change(draw_images(400, 128, 1), lambda image: ndimage.gaussian_filter(image, 0.6))
    ours = sliced_wasserstein_distance(real, generated)
    direct = direct_swd.sliced_wasserstein_distance(real, generated, dtype=np.float32)
    assert direct[128] > 20
    assert ours == pytest.approx(direct, rel=0.1, abs=2)
