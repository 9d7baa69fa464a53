import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.training.label_augmentation import augment_labels, with_one_wrong

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),
        Label("age", LabelKind.CONTINUOUS, mean=50.0, deviation=10.0, bandwidth=0.5),
    )
)
LABELS = SCHEMA.encode({"suffix": ["FLAIR", "T1w", "T1w"], "age": [60, 40, "n/a"]}, 3)
pytestmark = pytest.mark.both_stacks


def augmented(uniform, normal=(0.0, 0.0), dropping=0.1):
    uniform, normal = (tf.constant([values] * 3, tf.float32) for values in (uniform, normal))
    return augment_labels(tf.constant(LABELS), SCHEMA, uniform, normal, dropping).numpy()


def test_each_label_is_dropped_by_its_own_number_and_all_by_the_last():
    np.testing.assert_array_equal(augmented([0.1, 0.5, 0.9]), LABELS)
    without_suffix = LABELS * [0, 0, 0, 1, 1]
    np.testing.assert_array_equal(augmented([0.09, 0.5, 0.9]), without_suffix)
    np.testing.assert_array_equal(augmented([0.5, 0.0, 0.9]), LABELS * [1, 1, 1, 0, 0])
    np.testing.assert_array_equal(augmented([0.5, 0.5, 0.05]), 0 * LABELS)
    np.testing.assert_array_equal(augmented([0.0, 0.0, 0.0], dropping=0.0), LABELS)


def test_some_samples_lose_each_label_by_the_toss_of_a_coin():
    np.testing.assert_array_equal(augmented([0.49, 0.51, 0.19]), LABELS * [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(augmented([0.49, 0.51, 0.21]), LABELS)
    # So that what a generator is asked for was seen often enough: one label of two, and none.
    uniform = tf.constant(np.random.default_rng(0).uniform(size=(100_000, 3)), tf.float32)
    labels = tf.constant(np.repeat(LABELS[:1], 100_000, axis=0))
    known = augment_labels(labels, SCHEMA, uniform, tf.zeros([100_000, 2]), 0.1).numpy()[:, [2, 4]]
    none, one = (np.mean(known.sum(axis=1) == count) for count in (0, 1))
    np.testing.assert_allclose([none, one], [0.1 + 0.1 / 4 + 0.8 * 0.01, 0.1 / 2 + 0.8 * 0.18], atol=0.005)


def test_numbers_get_noise_of_their_bandwidth_where_they_are_known():
    result = augmented([1.0, 1.0, 1.0], normal=[9.0, 2.0])
    expected = LABELS + np.array([[0, 0, 0, 1, 0]] * 2 + [[0, 0, 0, 0, 0]])
    np.testing.assert_allclose(result, expected)


def test_one_label_of_each_sample_becomes_that_of_the_other_half():
    table = {"suffix": ["FLAIR", "T1w", "T1w", "T1w"], "age": [60, 40, 70, "n/a"]}
    labels = SCHEMA.encode(table, 4)
    suffix, wrong = with_one_wrong(tf.constant(labels), SCHEMA, tf.fill([4], 0.49))
    expected = SCHEMA.encode({"suffix": ["T1w", "T1w", "FLAIR", "T1w"], "age": table["age"]}, 4)
    np.testing.assert_array_equal(suffix, expected)
    np.testing.assert_array_equal(wrong, [1, 0, 1, 0])
    age, wrong = with_one_wrong(tf.constant(labels), SCHEMA, tf.fill([4], 0.5))
    expected = SCHEMA.encode({"suffix": table["suffix"], "age": [70, "n/a", 60, 40]}, 4)
    np.testing.assert_array_equal(age, expected)
    # Not to know an age is not to be wrong.
    np.testing.assert_array_equal(wrong, [1, 0, 1, 1])


def test_a_single_sample_has_no_wrong_label():
    labels = tf.constant(LABELS[:1])
    same, wrong = with_one_wrong(labels, SCHEMA, tf.zeros([1]))
    np.testing.assert_array_equal(same, labels)
    np.testing.assert_array_equal(wrong, [0])
