import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.training.label_augmentation import augment_labels

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


def test_numbers_get_noise_of_their_bandwidth_where_they_are_known():
    result = augmented([1.0, 1.0, 1.0], normal=[9.0, 2.0])
    expected = LABELS + np.array([[0, 0, 0, 1, 0]] * 2 + [[0, 0, 0, 0, 0]])
    np.testing.assert_allclose(result, expected)
