import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import NoiseInput
from mrisynth.layers.base import tensorflow_variable
from mrisynth.layers.noise import FIELDS, noise_signs, noise_weights

pytestmark = pytest.mark.both_stacks


def fields_of(latents, size):
    return (noise_weights(latents).numpy() @ noise_signs((size, size))).reshape(-1, size, size)


def test_signs_are_the_bits_of_a_hash():
    """Of the pixels 0 and 7 at 4x4: 4 and 4 + 7 * 0x9E3779B1 through the last step of MurmurHash3."""

    def mixed(number):
        number = (number ^ number >> 16) * 0x85EBCA6B % 2**32
        number = (number ^ number >> 13) * 0xC2B2AE35 % 2**32
        return number ^ number >> 16

    assert mixed(1) == 0x514E28B7
    signs = noise_signs((4, 4))
    assert signs.shape == (FIELDS, 16)
    for pixel in (0, 7):
        hashed = mixed((4 + pixel * 0x9E3779B1) % 2**32)
        assert signs[:, pixel].tolist() == [1 if hashed >> field & 1 else -1 for field in range(FIELDS)]


def test_signs_are_balanced_and_no_two_fields_nor_resolutions_are_alike():
    sides = [noise_signs((64, 64)), noise_signs((32, 128)), noise_signs((16, 16, 16))]
    fields = np.concatenate(sides).astype(float)
    bound = 5 / np.sqrt(fields.shape[1])
    assert np.abs(fields.mean(axis=1)).max() < bound
    assert np.abs(np.corrcoef(fields) - np.eye(len(fields))).max() < bound


def test_noise_is_white_and_of_deviation_1():
    for field in fields_of(tf.random.stateless_normal([8, 32], [0, 1]), 64):
        assert field.std() == pytest.approx(1, abs=0.05)
        power = np.abs(np.fft.fft2(field)) ** 2 / field.size
        blocks = power.reshape(8, 8, 8, 8).mean(axis=(1, 3))
        assert np.abs(blocks - 1).max() < 5 / np.sqrt(64)


def test_noise_follows_from_the_direction_of_a_latent():
    latents = tf.random.stateless_normal([60, 20], [0, 1])
    fields = fields_of(latents, 32).reshape(60, -1)
    np.testing.assert_allclose(fields_of(3 * latents[:2], 32).reshape(2, -1), fields[:2], atol=1e-5)
    others = np.corrcoef(fields)[np.triu_indices(60, 1)]
    assert np.sqrt(np.mean(others**2)) == pytest.approx(1 / 4, abs=0.03)


@pytest.mark.parametrize("space", [(8, 8), (4, 4, 4)])
@pytest.mark.parametrize("latent_size", [3, 40])
def test_a_layer_adds_nothing_at_first_and_then_one_field_to_all_channels(space, latent_size):
    weights = noise_weights(tf.random.stateless_normal([2, latent_size], [0, 1]))
    np.testing.assert_allclose(tf.reduce_sum(weights**2, axis=1), 1, rtol=1e-5)
    layer = NoiseInput()
    maps = tf.random.stateless_normal([2, *space, 3], [0, 2])
    np.testing.assert_array_equal(layer(maps, weights=weights), maps)
    layer.set_weights([np.array([0, 1, -2], np.float32)])
    added = (layer(maps, weights=weights) - maps).numpy()
    field = (weights.numpy() @ noise_signs(space, weights.shape[1])).reshape(2, *space)
    np.testing.assert_allclose(added, np.stack([0 * field, field, -2 * field], axis=-1), atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_configuration_precision_and_gradient(policy):
    layer = NoiseInput(dtype=policy)
    maps, weights = tf.ones([2, 8, 8, 3]), noise_weights(tf.random.stateless_normal([2, 16], [0, 1]))
    layer.build(maps.shape)
    strength = tensorflow_variable(layer.strength)
    with tf.GradientTape() as tape:
        outputs = layer(maps, weights=weights)
        loss = tf.reduce_sum(tf.cast(outputs, tf.float32)[0, 0, 0] * [1.0, 2.0, 3.0])
    assert outputs.dtype == layer.compute_dtype
    assert layer.compute_output_shape(maps.shape) == maps.shape
    assert NoiseInput.from_config(layer.get_config()).get_config() == layer.get_config()
    first = float(weights.numpy()[0] @ noise_signs((8, 8))[:, 0])
    gradient = tape.gradient(loss, strength)
    assert gradient.dtype == tf.float32
    np.testing.assert_allclose(gradient, first * np.array([1, 2, 3]), rtol=1e-2)
