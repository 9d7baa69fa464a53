import importlib

import numpy as np
import pytest
from scipy import ndimage

from mrisynth.errors import UserError
from mrisynth.metrics import ms_ssim
from mrisynth.metrics.structural_similarity import ms_ssim_values, random_pairs, scales_at
from tests.metrics.changed_images import change

C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def draw_images(count, resolution, seed):
    """Bright ellipses on black with a little noise: crude heads."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:resolution, :resolution] / (resolution - 1) - 0.5
    images = []
    for _ in range(count):
        height, width = random.uniform(0.3, 0.45, 2)
        radius = (y / height) ** 2 + (x / width) ** 2
        image = (radius < 1) * (120 + 80 * (radius > 0.7)) + random.normal(0, 3, x.shape)
        images.append(np.clip(image, 0, 255))
    return np.rint(images).astype(np.uint8)


def direct_window(image):
    """Gaussian means over 11x11 windows inside the image, by a two-dimensional sum."""
    y, x = np.mgrid[-5:6, -5:6]
    window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    return ndimage.correlate(image, window / window.sum())[5:-5, 5:-5]


def direct_ms_ssim(a, b):
    """One pair, in float64, from the textbook's formulas."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    weights = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
    scales = {16: 1, 32: 2, 64: 3, 128: 4, 256: 5}[min(a.shape)]
    weights = weights[:scales] / weights[:scales].sum()
    value = 1.0
    for scale, weight in enumerate(weights):
        mean_a, mean_b = direct_window(a), direct_window(b)
        variance_a, variance_b = direct_window(a * a) - mean_a**2, direct_window(b * b) - mean_b**2
        covariance = direct_window(a * b) - mean_a * mean_b
        term = (2 * covariance + C2) / (variance_a + variance_b + C2)
        if scale == scales - 1:
            term *= (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        value *= max(term.mean(), 0) ** weight
        a, b = (image.reshape(len(image) // 2, 2, -1, 2).mean(axis=(1, 3)) for image in (a, b))
    return value


@pytest.mark.parametrize("shape", [(16, 16), (32, 32), (64, 64), (64, 128), (128, 128), (256, 256)])
def test_values_are_those_of_the_direct_version(shape):
    count = 4
    random = np.random.RandomState(0)
    smooth = ndimage.gaussian_filter(random.normal(size=(2, count, *shape)), (0, 0, 2, 2)) * 300 + 128
    smooth[1] += smooth[0]
    a, b = np.clip(smooth, 0, 255).astype(np.uint8)
    expected = [direct_ms_ssim(*pair) for pair in zip(a, b, strict=True)]
    assert 0.05 < np.min(expected) < np.max(expected) < 0.95
    np.testing.assert_allclose(ms_ssim_values(a, b), expected, atol=1e-5)
    assert ms_ssim(a, b) == pytest.approx(np.mean(expected), abs=1e-5)


@pytest.mark.parametrize("brightness", [0, 250])
def test_little_contrast_loses_nothing_to_rounding(brightness):
    a, b = np.random.RandomState(0).randint(brightness, brightness + 3, (2, 3, 64, 64)).astype(np.uint8)
    expected = [direct_ms_ssim(*pair) for pair in zip(a, b, strict=True)]
    np.testing.assert_allclose(ms_ssim_values(a, b), expected, atol=1e-4)


def test_blocks_do_not_change_values(monkeypatch):
    a, b = draw_images(7, 32, 0), draw_images(7, 32, 1)
    whole = ms_ssim_values(a, b)
    # The package's attribute of this name is the function.
    monkeypatch.setattr(
        importlib.import_module("mrisynth.metrics.structural_similarity"), "_CHUNK_PIXELS", 2 * 32 * 32
    )
    np.testing.assert_allclose(ms_ssim_values(a, b), whole, rtol=1e-6)


@pytest.mark.parametrize("resolution", [16, 64])
def test_equal_images_have_exactly_1(resolution):
    images = np.random.RandomState(0).randint(256, size=(3, resolution, resolution)).astype(np.uint8)
    images[1], images[2] = 0, 255
    np.testing.assert_array_equal(ms_ssim_values(images, images), 1)


@pytest.mark.parametrize(("resolution", "weight"), [(16, 1), (32, 0.2856 / 0.3304), (256, 0.1333)])
def test_constant_images_differ_in_the_luminance_of_the_coarsest_scale_only(resolution, weight):
    a, b = np.full((2, 1, resolution, resolution), [[[[100]]], [[[150]]]], np.uint8)
    luminance = (2 * 100 * 150 + C1) / (100**2 + 150**2 + C1)
    assert ms_ssim(a, b) == pytest.approx(luminance**weight, rel=5e-5)


def test_an_image_and_its_negative_have_0_and_not_nan():
    image = np.random.RandomState(0).choice(np.uint8([0, 255]), (1, 64, 64))
    assert ms_ssim(image, 255 - image) == 0


def test_black_against_white_is_finite_at_every_resolution():
    for resolution in (16, 32, 64, 128):
        black = np.zeros((1, resolution, resolution), np.uint8)
        assert 0 < ms_ssim(black, 255 - black) < 0.5


def test_the_order_of_a_pair_does_not_matter():
    a, b = draw_images(3, 64, 0), draw_images(3, 64, 1)
    np.testing.assert_allclose(ms_ssim_values(a, b), ms_ssim_values(b, a), rtol=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        lambda image, strength: ndimage.gaussian_filter(image, strength),
        lambda image, strength: image + np.random.RandomState(0).normal(0, 10 * strength, image.shape),
        lambda image, strength: ndimage.shift(image, (0, strength), order=1),
    ],
    ids=["blur", "noise", "shift"],
)
def test_the_more_an_image_is_changed_the_less_similar_it_is(function):
    images = draw_images(4, 64, 0)
    values = [
        ms_ssim_values(images, change(images, lambda image, s=strength: function(image, s)))
        for strength in (0.5, 1, 2, 4)
    ]
    assert (np.diff(values, axis=0) < 0).all()


def test_fewer_kinds_of_images_have_more_similar_pairs():
    diverse = draw_images(40, 64, 0)
    collapsed = diverse[np.arange(40) % 3]
    first, second = random_pairs(40, 100)
    assert ms_ssim(collapsed[first], collapsed[second]) > ms_ssim(diverse[first], diverse[second]) + 0.05


@pytest.mark.parametrize(
    ("resolution", "scales"),
    [(16, 1), (21, 1), (22, 2), (32, 2), (64, 3), (128, 4), (175, 4), (176, 5), (256, 5), (1024, 5)],
)
def test_every_scale_has_room_for_a_window(resolution, scales):
    assert scales_at(resolution) == scales


def test_pairs_are_of_different_images_each_as_likely():
    first, second = random_pairs(4, 12_000, seed=3)
    counts = np.bincount(4 * first + second, minlength=16).reshape(4, 4)
    np.testing.assert_array_equal(np.diag(counts), 0)
    # 1000 expected of each, with a standard deviation of 30.
    assert np.abs(counts[~np.eye(4, dtype=bool)] - 1000).max() < 5 * 30


def test_the_seed_decides_the_pairs():
    draws = [np.stack(random_pairs(100, 20, seed)) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])


def test_progress_is_shown(capsys, every_line):
    images = draw_images(2, 16, 0)
    ms_ssim_values(images, images)
    assert "MS-SSIM: 2 of 2 pairs" in capsys.readouterr().err


GOOD = draw_images(3, 16, 0)


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (GOOD / 255, GOOD, "images are float64"),
        (GOOD, GOOD.astype(np.int8), "images are int8"),
        (GOOD, GOOD[:2], r"\[3, 16, 16\] and \[2, 16, 16\]"),
        (GOOD, draw_images(3, 32, 0), r"\[3, 16, 16\] and \[3, 32, 32\]"),
        (GOOD[0], GOOD[0], r"shape \[16, 16\]; MS-SSIM takes"),
        (GOOD[:, :8], GOOD[:, :8], r"shape \[3, 8, 16\]; MS-SSIM takes"),
        (np.zeros((3, 48, 48), np.uint8), np.zeros((3, 48, 48), np.uint8), r"shape \[3, 48, 48\]"),
        (np.uint8(3), np.uint8(3), r"shape \[\]"),
        (GOOD[:0], GOOD[:0], "at least 1 pair of images, not 0"),
    ],
)
def test_mistakes_are_named_in_one_sentence(a, b, message):
    with pytest.raises(UserError, match=message) as caught:
        ms_ssim_values(a, b)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("count", [0, 1])
def test_pairs_take_two_images(count):
    with pytest.raises(UserError, match=f"at least 2 images, not {count}"):
        random_pairs(count, 5)
