import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import nd_ops
from mrisynth.networks import Discriminator

pytestmark = pytest.mark.both_stacks

IMAGES = tf.random.stateless_uniform([8, 32, 32, 1], seed=[2, 3], minval=-1.0)


def test_one_score_an_image_at_every_level(discriminator):
    for level in range(4):
        size = 4 * 2**level
        scores = discriminator(tf.zeros([8, size, size, 1]), level=level)
        assert scores.shape == (8,)
        assert scores.dtype == tf.float32


@pytest.mark.parametrize("level", [1, 2, 3])
def test_fades_from_the_halved_image(discriminator, level):
    size = 4 * 2**level
    images = tf.random.stateless_uniform([8, size, size, 1], seed=[2, level], minval=-1.0)
    low = discriminator(nd_ops.average_pool(images), level=level - 1)
    high = discriminator(images, level=level)
    at_zero = discriminator(images, level=level, alpha=tf.constant(0.0))
    np.testing.assert_allclose(at_zero, low, rtol=1e-3, atol=1e-4)
    at_one = discriminator(images, level=level, alpha=tf.constant(1.0))
    np.testing.assert_allclose(at_one, high, rtol=1e-3, atol=1e-4)


def test_with_labels_it_starts_as_the_one_without(discriminator, schema, size, labels):
    tf.keras.utils.set_random_seed(8)
    conditional = Discriminator(**size, attention_resolutions=(8, 16), label_schema=schema)
    names, plain = list(conditional.named_variables()), discriminator.named_variables()
    assert names == [*plain, "label_projection/00_kernel", "label_projection/01_kernel"]
    for name, variable in plain.items():
        np.testing.assert_array_equal(variable, conditional.named_variables()[name])
    np.testing.assert_array_equal(conditional(IMAGES, labels=labels), discriminator(IMAGES))


@pytest.mark.parametrize("unknown", [None, np.zeros((8, 6), np.float32)], ids=["none", "zeros"])
def test_with_unknown_labels_it_is_the_one_without(discriminator, conditional_discriminator, unknown):
    for alpha in (1.0, tf.constant(0.3)):
        np.testing.assert_array_equal(
            conditional_discriminator(IMAGES, alpha=alpha, labels=unknown),
            discriminator(IMAGES, alpha=alpha),
        )


def test_labels_add_to_the_score_as_much_as_their_weight(discriminator, conditional_discriminator, labels):
    plain = discriminator(IMAGES)
    added = conditional_discriminator(IMAGES, labels=labels) - plain
    # The last sample has no known label.
    assert np.all(added[:-1] != 0)
    assert added[-1] == 0
    half = conditional_discriminator(IMAGES, labels=labels, label_weight=tf.constant(0.5))
    np.testing.assert_allclose(half, plain + added / 2, atol=1e-5)


def test_several_rows_of_labels_give_the_scores_that_each_gives_alone(conditional_discriminator, labels):
    rows = (labels, labels[::-1], 0 * labels)
    weight = tf.constant(0.5)
    together = conditional_discriminator(IMAGES, labels=tf.concat(rows, axis=0), label_weight=weight)
    alone = [conditional_discriminator(IMAGES, labels=row, label_weight=weight) for row in rows]
    np.testing.assert_allclose(together, tf.concat(alone, axis=0), atol=1e-6)
