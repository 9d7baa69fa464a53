import numpy as np
import pytest
import tensorflow as tf

from mrisynth.layers import nd_ops
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Discriminator, Generator
from mrisynth.networks.base import fade

pytestmark = pytest.mark.both_stacks

SIZE = {"resolution": 32, "fmap_base": 128, "fmap_max": 16, "latent_size": 24}


def count(variables):
    return sum(int(np.prod(variable.shape)) for variable in variables)


@pytest.fixture(scope="module")
def networks():
    tf.keras.utils.set_random_seed(7)
    return Generator(**SIZE, attention_resolutions=(16,)), Discriminator(
        **SIZE, attention_resolutions=(8, 16)
    )


@pytest.fixture(scope="module")
def latents():
    return tf.random.stateless_normal([8, 24], seed=[1, 1])


@pytest.mark.parametrize(("kind", "millions"), [(Generator, 23.04), (Discriminator, 23.05)])
def test_parameter_counts_at_full_size(kind, millions):
    network = kind(resolution=256)
    assert round(count(network.trainable_variables) / 1e6, 2) == millions


def test_shapes_at_every_level(networks, latents):
    generator, discriminator = networks
    for level in range(4):
        images = generator(latents, level=level)
        assert images.shape == (8, 4 * 2**level, 4 * 2**level, 1)
        assert images.dtype == tf.float32
        assert discriminator(images, level=level).shape == (8,)
    np.testing.assert_array_equal(generator(latents), generator(latents, level=3, alpha=1.0))


@pytest.mark.parametrize("level", [1, 2, 3])
def test_generator_fades_from_the_upsampled_lower_resolution(networks, latents, level):
    generator, _ = networks
    low = nd_ops.upsample(generator(latents, level=level - 1))
    high = generator(latents, level=level)
    np.testing.assert_allclose(generator(latents, level=level, alpha=tf.constant(0.0)), low, atol=1e-5)
    np.testing.assert_allclose(generator(latents, level=level, alpha=tf.constant(1.0)), high, atol=1e-5)
    np.testing.assert_allclose(
        generator(latents, level=level, alpha=tf.constant(0.3)), 0.7 * low + 0.3 * high, atol=1e-5
    )


@pytest.mark.parametrize("level", [1, 2, 3])
def test_discriminator_fades_from_the_halved_image(networks, level):
    _, discriminator = networks
    size = 4 * 2**level
    images = tf.random.stateless_uniform([8, size, size, 1], seed=[2, level], minval=-1.0)
    low = discriminator(nd_ops.average_pool(images), level=level - 1)
    high = discriminator(images, level=level)
    at_zero = discriminator(images, level=level, alpha=tf.constant(0.0))
    np.testing.assert_allclose(at_zero, low, rtol=1e-3, atol=1e-4)
    at_one = discriminator(images, level=level, alpha=tf.constant(1.0))
    np.testing.assert_allclose(at_one, high, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fading", [False, True])
@pytest.mark.parametrize("level", [0, 1, 3])
def test_gradients_reach_exactly_the_variables_of_a_level(networks, latents, level, fading):
    generator, discriminator = networks
    alpha = tf.constant(0.5) if fading else 1.0
    for network in networks:
        variables = network.trainable_variables
        expected = {id(variable) for variable in network.trainable_variables_at(level, fading)}
        with tf.GradientTape() as tape:
            score = tf.reduce_sum(discriminator(generator(latents, level, alpha), level, alpha))
        gradients = tape.gradient(score, variables)
        reached = {id(v) for v, g in zip(variables, gradients, strict=True) if g is not None}
        assert reached == expected


def test_every_variable_is_reached_at_the_end(networks):
    for network in networks:
        images = {id(v) for layer in network.image_layers[:-1] for v in layer.trainable_variables}
        last = {id(v) for v in network.trainable_variables_at(3, fading=False)}
        assert last | images == {id(v) for v in network.trainable_variables}


def test_scaling_a_latent_changes_nothing(networks, latents):
    generator, _ = networks
    np.testing.assert_allclose(generator(3 * latents), generator(latents), atol=1e-5)


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_folded_network_equals_plain_one(kind):
    tf.keras.utils.set_random_seed(8)
    folded, plain = kind(**SIZE), kind(**SIZE, fused_resampling=False)
    plain.set_weights(folded.get_weights())
    shape = [4, 24] if kind is Generator else [4, 32, 32, 1]
    inputs = tf.random.stateless_normal(shape, seed=[3, 3])

    @tf.function
    def outputs_and_penalty_gradient(network):
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(inputs)
                outputs = network(inputs)
            gradient = inner.gradient(outputs, inputs)
            penalty = tf.reduce_sum((tf.norm(tf.reshape(gradient, [4, -1]), axis=1) - 1) ** 2)
        kernels = [tensorflow_variable(v) for v in network.trainable_variables if len(v.shape) > 1]
        gradients = outer.gradient(penalty, kernels, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return outputs, tf.concat([tf.reshape(g, [-1]) for g in gradients], axis=0)

    for actual, expected in zip(
        outputs_and_penalty_gradient(folded), outputs_and_penalty_gradient(plain), strict=True
    ):
        assert np.linalg.norm(actual - expected) < 1e-4 * np.linalg.norm(expected)


@pytest.mark.parametrize("kind", [Generator, Discriminator])
def test_configuration_makes_the_same_network(kind):
    network = kind(**SIZE, attention_resolutions=(8,), dtype="mixed_bfloat16")
    copy = kind.from_config(network.get_config())
    assert copy.get_config() == network.get_config()
    assert copy.compute_dtype == "bfloat16"
    assert copy.named_variables().keys() == network.named_variables().keys()


def test_names_of_variables_cover_all_of_them(networks):
    for network in networks:
        assert len(network.named_variables()) == len(network.trainable_variables)


def test_blend():
    np.testing.assert_allclose(fade(tf.constant([0.0, 4.0]), tf.constant([1.0, 0.0]), 0.25), [0.25, 3.0])


def test_attention_where_there_is_no_map_is_refused():
    with pytest.raises(ValueError, match="no maps of \\[64\\]"):
        Generator(**SIZE, attention_resolutions=(64,))
