import numpy as np
import tensorflow as tf

from mrisynth.utility.augmentation import DRAWS, augment
from tests.utility.lesions import draw_lesions


def changed(uniform, size=17):
    """A bright square right of and below the middle, and its mask, after a change."""
    masks = np.zeros((1, size, size, 1), np.float32)
    masks[:, 10:13, 12:15] = 1
    images, masks = augment(2 * masks - 1, masks, tf.constant([uniform], tf.float32))
    return images.numpy()[0, ..., 0], masks.numpy()[0, ..., 0], 2 * masks.numpy()[0, ..., 0] - 1


def places(mask):
    return np.argwhere(mask).mean(axis=0)


def test_in_the_middle_of_every_range_nothing_is_changed():
    images, masks, as_image = changed([0.5] * DRAWS)
    np.testing.assert_array_equal(places(masks), [11, 13])
    np.testing.assert_allclose(images, as_image, atol=1e-5)


def test_mirroring_is_left_to_right():
    _, masks, _ = changed([0.2, *[0.5] * (DRAWS - 1)])
    np.testing.assert_array_equal(places(masks), [11, 3])
    assert masks.sum() == 9


def test_turning_scaling_and_shifting_move_image_and_mask_alike():
    for column, moved in ((1, [11.3, 12.1]), (2, [11.45, 13.75]), (3, [11, 14.7]), (4, [12.7, 13])):
        uniform = np.full(DRAWS, 0.5)
        uniform[column] = 1.0
        images, masks, _ = changed(uniform)
        if column == 1:  # 15 degrees either way, about the middle, (8, 8).
            assert np.hypot(*(places(masks) - 8)) < 6.5
            assert abs(places(masks)[0] - 11) > 1
        else:
            np.testing.assert_allclose(places(masks), moved, atol=0.6)
        assert (images[masks == 1] > -0.1).all()


def test_brightness_and_contrast_change_the_image_alone():
    middle = [0.5] * 5
    for contrast, brightness in ((0.0, 0.5), (0.5, 0.0)):
        images, masks, as_image = changed([*middle, contrast, brightness])
        np.testing.assert_array_equal(places(masks), [11, 13])
        assert images.max() < as_image.max() - 0.1


def test_every_image_is_changed_in_its_own_way():
    """What is known stays: masks of 0 and 1, of about the same size, images in their range."""
    examples = draw_lesions(64, seed=0, size=32)
    masks = examples.targets.astype(np.float32)
    uniform = tf.random.stateless_uniform([64, DRAWS], [1, 2])
    images, moved = augment(examples.images / np.float32(127.5) - 1, masks, uniform)
    assert set(np.unique(moved)) == {0, 1}
    assert 0.8 < moved.numpy().sum() / masks.sum() < 1.2
    assert (images.numpy() >= -1).all()
    assert (images.numpy() <= 1).all()
    assert not np.allclose(images[0], images[1])
