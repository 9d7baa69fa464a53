import numpy as np
import pytest
import tensorflow as tf

from mrisynth.training.augmentation import augment, draws_per_image

# Brightness and contrast as they are, no shift, a hole centered on the first corner.
NEUTRAL = [0.5, 0.5, 0.5, 0.5, 0.0, 0.0]
IMAGES = tf.random.stateless_uniform([1, 16, 16, 1], [1, 2], minval=-1.0)


def changed(**draws):
    """The image with some draws other than neutral."""
    places = {"brightness": 0, "contrast": 1, "shift_0": 2, "shift_1": 3, "hole_0": 4, "hole_1": 5}
    uniform = np.array([NEUTRAL], np.float32)
    for name, value in draws.items():
        uniform[0, places[name]] = value
    return augment(IMAGES, tf.constant(uniform))[0, :, :, 0].numpy()


IMAGE = IMAGES[0, :, :, 0].numpy()
OUTSIDE = np.s_[4:, 4:]
"""What the hole at the corner leaves."""


def test_neutral_draws_change_nothing_but_the_hole():
    result = changed()
    np.testing.assert_allclose(result[OUTSIDE], IMAGE[OUTSIDE], atol=1e-6)
    np.testing.assert_array_equal(result[:4, :4], -1)
    np.testing.assert_allclose(result[:4, 4:], IMAGE[:4, 4:], atol=1e-6)


def test_brightness_and_contrast_by_hand():
    np.testing.assert_allclose(changed(brightness=0.9)[OUTSIDE], IMAGE[OUTSIDE] + 0.4, atol=1e-6)
    expected = IMAGE.mean() + 1.25 * (IMAGE - IMAGE.mean())
    np.testing.assert_allclose(changed(contrast=0.75)[OUTSIDE], expected[OUTSIDE], atol=1e-5)


@pytest.mark.parametrize(("draw", "offset"), [(0.0, -2), (0.3, -1), (0.5, 0), (0.7, 1), (0.99, 2)])
@pytest.mark.parametrize("axis", [0, 1])
def test_shifts_are_by_whole_pixels_and_bring_in_background(axis, draw, offset):
    expected = np.full_like(IMAGE, -1)
    moved = np.roll(IMAGE, offset, axis=axis)
    inside = [slice(None)] * 2
    inside[axis] = slice(max(offset, 0), 16 + min(offset, 0))
    expected[tuple(inside)] = moved[tuple(inside)]
    np.testing.assert_allclose(changed(**{f"shift_{axis}": draw})[OUTSIDE], expected[OUTSIDE], atol=1e-6)


def test_the_hole_is_half_as_wide_as_the_image():
    result = changed(hole_0=0.5, hole_1=0.5)
    np.testing.assert_array_equal(result[4:12, 4:12], -1)
    assert np.sum(result == -1) == 64


def test_every_image_has_its_own_draws_and_a_gradient():
    images = tf.repeat(IMAGES, 3, axis=0)
    uniform = tf.random.stateless_uniform([3, draws_per_image(2)], [3, 4])
    with tf.GradientTape() as tape:
        tape.watch(images)
        results = augment(images, uniform)
    assert np.all(np.std(results, axis=0).max() > 0.1)
    gradient = tape.gradient(results, images).numpy()
    assert np.all(np.isfinite(gradient))
    assert all(np.any(part != 0) for part in gradient)


@pytest.mark.parametrize("size", [4, 8])
def test_small_images_can_be_augmented(size):
    images = tf.random.stateless_uniform([8, size, size, 1], [5, 6], minval=-1.0)
    results = augment(images, tf.random.stateless_uniform([8, draws_per_image(2)], [7, 8]))
    assert results.shape == images.shape
    assert np.any(results.numpy() != images.numpy())


def test_volumes_are_shifted_and_have_a_hole_along_every_axis():
    volume = tf.random.stateless_uniform([1, 16, 16, 16, 1], [9, 1], minval=-1.0)
    # Brightness and contrast as they are; a shift along the last axis; the hole in the middle.
    uniform = [0.5, 0.5, 0.5, 0.5, 0.99, 0.5, 0.5, 0.5]
    assert len(uniform) == draws_per_image(3)
    result = augment(volume, tf.constant([uniform])).numpy()[0, ..., 0]
    expected = np.roll(volume.numpy()[0, ..., 0], 2, axis=2)
    expected[:, :, :2] = -1
    expected[4:12, 4:12, 4:12] = -1
    np.testing.assert_allclose(result, expected, atol=1e-6)
