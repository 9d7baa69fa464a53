import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.metrics.global_consistency import global_consistency, layout

KINDS = np.random.RandomState(7).normal(0, 1, (6, 4, 2))


def heads(count, seed):
    """Images that are alike left and right: six coarse patterns, each in another strength."""
    random = np.random.RandomState(seed)
    left = np.einsum("nk,kij->nij", random.normal(0, 1, (count, 6)), KINDS)
    whole = np.concatenate([left, left[:, :, ::-1]], axis=2).repeat(8, 1).repeat(8, 2)
    images = 120 + 12 * whole + random.normal(0, 4, whole.shape)
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def joined(images):
    """Every left half with the right half of another image."""
    half, order = images.shape[2] // 2, np.random.RandomState(0).permutation(len(images))
    return np.concatenate([images[:, :, :half], images[order, :, half:]], axis=2)


def test_images_are_averaged_down_and_have_mean_0_and_deviation_1():
    image = np.zeros((2, 32, 32), np.uint8)
    image[0, :16] = 40
    image[0, 0, 0] = 80
    found = layout(image)
    assert found.shape == (2, 16, 16)
    averages = np.zeros((16, 16))
    averages[:8] = 40
    averages[0, 0] = 50
    np.testing.assert_allclose(found[0], (averages - averages.mean()) / averages.std(), atol=1e-5)
    np.testing.assert_array_equal(found[1], 0)


def test_a_set_is_at_no_distance_from_itself_and_the_order_of_images_says_nothing():
    images = heads(60, 0)
    assert global_consistency(images, images) == {"halves": 0, "layout": 0}
    assert global_consistency(images, images[::-1]) == pytest.approx({"halves": 0, "layout": 0}, abs=1e-6)


def test_halves_that_do_not_belong_together_are_seen():
    real, new = heads(400, 0), heads(400, 1)
    among_real, apart = global_consistency(real, new), global_consistency(real, joined(new))
    assert apart["halves"] > 5 * among_real["halves"]
    assert apart["halves"] / among_real["halves"] > 2 * apart["layout"] / among_real["layout"]


def test_upper_and_lower_halves_are_compared_as_left_and_right_ones_are():
    real, new = heads(400, 0), heads(400, 1)
    turned = [images.transpose(0, 2, 1) for images in (real, joined(new))]
    across, down = global_consistency(real, joined(new)), global_consistency(*turned)
    assert down["halves"] == pytest.approx(across["halves"], rel=0.1)


def test_brightness_and_contrast_of_single_images_do_not_matter():
    real, new = heads(300, 0), heads(300, 1)
    random = np.random.RandomState(0)
    gain, offset = random.uniform(0.8, 1, (300, 1, 1)), random.uniform(0, 40, (300, 1, 1))
    changed = np.rint(gain * new + offset).astype(np.uint8)
    before, after = global_consistency(real, new), global_consistency(real, changed)
    assert after == pytest.approx(before, rel=0.05)


def test_a_layout_that_no_real_image_has_is_far():
    real, new = heads(300, 0), heads(300, 1)
    moved = np.roll(new, 4, axis=1)
    assert global_consistency(real, moved)["layout"] > 2.5 * global_consistency(real, new)["layout"]


def test_the_same_seed_gives_the_same_number():
    real, new = heads(60, 0), heads(60, 1)
    assert global_consistency(real, new, 3) == global_consistency(real, new, 3)
    assert global_consistency(real, new, 3) != global_consistency(real, new, 4)


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(UserError, match="H a multiple of 16"):
        layout(np.zeros((2, 24, 24), np.uint8))
    with pytest.raises(UserError, match="compare as many"):
        global_consistency(heads(20, 0), heads(21, 1))
    with pytest.raises(ValueError, match="constant"):
        global_consistency(np.zeros((20, 32, 32), np.uint8), heads(20, 1))
