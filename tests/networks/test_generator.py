import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import nd_ops
from mrisynth.layers.normalization import pixel_norm
from mrisynth.networks import Generator

pytestmark = pytest.mark.both_stacks


def test_shapes_at_every_level(generator, latents):
    for level in range(4):
        images = generator(latents, level=level)
        assert images.shape == (8, 4 * 2**level, 4 * 2**level, 1)
        assert images.dtype == tf.float32
    np.testing.assert_array_equal(generator(latents), generator(latents, level=3, alpha=1.0))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_fades_from_the_upsampled_lower_resolution(generator, latents, level):
    low = nd_ops.upsample(generator(latents, level=level - 1))
    high = generator(latents, level=level)
    np.testing.assert_allclose(generator(latents, level=level, alpha=tf.constant(0.0)), low, atol=1e-5)
    np.testing.assert_allclose(generator(latents, level=level, alpha=tf.constant(1.0)), high, atol=1e-5)
    np.testing.assert_allclose(
        generator(latents, level=level, alpha=tf.constant(0.3)), 0.7 * low + 0.3 * high, atol=1e-5
    )


def test_scaling_a_latent_changes_nothing(generator, latents):
    np.testing.assert_allclose(generator(3 * latents), generator(latents), atol=1e-5)


def test_with_labels_it_starts_from_the_weights_of_the_one_without(generator, schema, size):
    tf.keras.utils.set_random_seed(7)
    conditional = Generator(**size, attention_resolutions=(16,), label_schema=schema).named_variables()
    plain = generator.named_variables()
    assert list(conditional)[: len(plain)] == list(plain)
    assert list(conditional)[len(plain) :] == [
        "label_embedding/00_kernel",
        "label_embedding/01_kernel",
        "label_input/00_kernel",
        "label_modulation_4/00_kernel",
        "label_modulation_8/00_kernel",
        "label_modulation_16/00_kernel",
        "label_modulation_32/00_kernel",
    ]
    for name, variable in plain.items():
        np.testing.assert_array_equal(variable, conditional[name])


@pytest.mark.parametrize("unknown", [None, np.zeros((8, 6), np.float32)], ids=["none", "zeros"])
def test_with_unknown_labels_it_is_the_one_without(generator, conditional_generator, latents, unknown):
    for arguments in ({}, {"level": 2, "alpha": tf.constant(0.3)}, {"truncation": 0.5}):
        np.testing.assert_array_equal(
            conditional_generator(latents, labels=unknown, **arguments), generator(latents, **arguments)
        )


def test_labels_of_width_zero_can_be_given(generator, latents):
    np.testing.assert_array_equal(generator(latents, labels=tf.zeros([8, 0])), generator(latents))


def test_labels_join_the_latent_in_the_first_dense_layer(conditional_generator, latents, labels):
    embed, label_input, *_ = conditional_generator.label_layers
    dense = conditional_generator.blocks[0].entry
    joined = tf.concat([pixel_norm(latents), embed(labels)], axis=1)
    kernel = tf.concat([dense.equalized_kernel(), label_input.equalized_kernel()], axis=0)
    assert label_input.scale == pytest.approx(0.3 * dense.scale)
    expected = tf.nn.leaky_relu(tf.reshape(joined @ kernel, [8, 4, 4, 16]))
    added = label_input(embed(labels))
    np.testing.assert_allclose(dense(pixel_norm(latents), added=added), expected, atol=1e-5)


def test_at_the_start_labels_tell_through_the_first_layer_alone(schema, size, latents, labels):
    generator = Generator(**size, label_schema=schema)
    images = generator(latents, labels=labels)
    for layer in generator.label_layers[2:]:
        assert not np.any(layer(tf.ones([1, 24])))
    other = generator(latents, labels=tf.roll(labels, 1, axis=0))
    assert tf.reduce_min(tf.norm(tf.reshape(images - other, [8, -1]), axis=1)) > 0


def test_without_weight_labels_change_nothing(conditional_generator, generator, latents, labels):
    np.testing.assert_array_equal(
        conditional_generator(latents, labels=labels, label_weight=0.0), generator(latents)
    )


def test_label_weight_scales_what_labels_add(conditional_generator, schema, size, latents, labels):
    def halved(network):
        for name, variable in network.named_variables().items():
            if name.startswith(("label_input", "label_modulation")):
                variable.assign(variable / 2)
        return network

    copy = Generator(**size, attention_resolutions=(16,), label_schema=schema)
    copy.set_weights(conditional_generator.get_weights())
    halved(copy)
    full = conditional_generator(latents, labels=labels)
    half = conditional_generator(latents, labels=labels, label_weight=tf.constant(0.5))
    np.testing.assert_allclose(half, copy(latents, labels=labels), atol=1e-5)
    assert tf.norm(full - half) > 0.01 * tf.norm(full)


def test_truncation_takes_latents_to_one_image_for_every_row_of_labels(
    conditional_generator, latents, labels
):
    rows = tf.repeat(labels[:2], 4, axis=0)
    images = conditional_generator(latents, labels=rows, truncation=0.0)
    np.testing.assert_allclose(images[:4], tf.repeat(images[:1], 4, axis=0), atol=1e-5)
    assert tf.norm(images[4] - images[0]) > 0.01 * tf.norm(images[0])
