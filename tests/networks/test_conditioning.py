import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.networks.conditioning import LabelEmbedding, LabelProjection, fourier_features, modulate

pytestmark = pytest.mark.both_stacks


def test_fourier_features_by_hand():
    features = fourier_features(tf.constant([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]]))
    root = math.sqrt(0.5)
    expected = [[0, 1, 0, 0, 0, 0, 1, 1, 1, 1], [1, 1, root, 1, 0, 0, root, 0, -1, 1], [0] * 10]
    np.testing.assert_allclose(features, expected, atol=1e-6)


def test_fourier_features_tell_all_values_apart():
    values = np.linspace(-3, 3, 61, dtype=np.float32)
    features = fourier_features(tf.stack([values, np.ones_like(values)], axis=1)).numpy()[:, 2:]
    distances = np.linalg.norm(features[:, None] - features[None], axis=-1)
    assert np.min(distances[~np.eye(61, dtype=bool)]) > 0.5


def test_modulation_by_hand():
    maps = tf.constant([[[[2.0, 3.0]]], [[[2.0, 3.0]]]])
    terms = tf.constant([[0.0, 0.0, 0.0, 0.0], [0.5, -1.0, 1.0, 7.0]])
    np.testing.assert_array_equal(tf.squeeze(modulate(maps, terms)), [[2, 3], [4, 7]])
    assert modulate(maps, None) is maps
    volumes = tf.ones([2, 3, 3, 3, 2])
    np.testing.assert_array_equal(modulate(volumes, terms)[1, 0, 0, 0], [2.5, 7])


def test_embedding_is_the_normalized_sum_of_what_labels_give(schema, labels):
    tf.keras.utils.set_random_seed(1)
    embed = LabelEmbedding(schema, 12)
    embed.build((None, 6))
    suffix, age = (np.asarray(layer.equalized_kernel()) for layer in embed.dense_layers)
    features = fourier_features(labels[:, 4:]).numpy()
    total = labels.numpy()[:, :4] @ suffix + features @ age
    expected = total / np.sqrt(np.mean(total**2, axis=1, keepdims=True) + 1e-8)
    np.testing.assert_allclose(embed(labels), expected, atol=1e-5)
    np.testing.assert_array_equal(embed(labels)[7], np.zeros(12))
    assert embed.get_weights()[0].shape == (4, 12)


def test_every_known_label_has_a_share_of_the_same_size(schema, labels):
    embed = LabelEmbedding(schema, 4096)
    embed.build((None, 6))
    suffix, age = embed.dense_layers
    assert np.std(suffix(labels[:1, :4])) == pytest.approx(1, abs=0.05)
    # The first age is the mean; one of a deviation from it adds to the squares what the mean lacks.
    assert np.std(age(fourier_features(labels[:1, 4:]))) == pytest.approx(math.sqrt(5 / 6), abs=0.05)


def test_projection_against_its_definition(schema, labels):
    project = LabelProjection(schema)
    project.build((None, 16))
    features = tf.random.stateless_normal([8, 16], seed=[1, 1])
    np.testing.assert_array_equal(project(features, labels=labels), np.zeros(8))
    kernels = [np.random.default_rng(n).normal(size=(n, 16)) for n in (4, 10)]
    project.set_weights(kernels)
    expected = np.zeros(8)
    taken = [labels[:, :4].numpy(), fourier_features(labels[:, 4:]).numpy()]
    for kernel, part, known in zip(kernels, taken, labels.numpy()[:, [3, 5]].T, strict=True):
        embedded = part @ kernel / math.sqrt(len(kernel))
        expected += known * np.sum(embedded * features.numpy(), axis=1) / 4
    np.testing.assert_allclose(project(features, labels=labels), expected, atol=1e-5)


def test_projection_is_blind_to_what_is_not_known(schema):
    project = LabelProjection(schema)
    project.build((None, 16))
    project.set_weights([np.ones((4, 16)), np.ones((10, 16))])
    unknown = tf.constant([[1.0, 0.0, 0.0, 0.0, 2.5, 0.0]])
    np.testing.assert_array_equal(project(tf.ones([1, 16]), labels=unknown), [0])


@pytest.mark.parametrize("place", [-2.0, 0.0, 0.5, 1.5])
def test_projection_can_find_a_value_in_the_middle_to_fit_best(place):
    schema = LabelSchema((Label("age", LabelKind.CONTINUOUS),))
    project = LabelProjection(schema)
    project.build((None, 10))
    # An image whose features are sines and cosines of its place, and a kernel that compares the two.
    project.set_weights([np.diag([0.0, 0.0] + 8 * [1.0])])
    values = np.arange(-2.5, 2.6, 0.5, dtype=np.float32)
    image = np.tile(fourier_features(tf.constant([[place, 1.0]])), [len(values), 1])
    fits = project(image, labels=np.stack([values, np.ones_like(values)], axis=1))
    assert values[np.argmax(fits)] == place
