"""Images of the same labels are to differ as much as real ones of like labels."""

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.data.samples import Samples
from mrisynth.training.diversity import in_pairs, shortfall, wanted_distance

AGE = LabelSchema((Label("age", LabelKind.CONTINUOUS, mean=0.0, deviation=1.0),))
AGE_AND_SEX = LabelSchema((*AGE.labels, Label("sex", LabelKind.CATEGORICAL, vocabulary=("F", "M"))))


def flat(*values: float) -> np.ndarray:
    """Images of one gray value each."""
    return np.broadcast_to(np.reshape(np.float32(values), [-1, 1, 1, 1]), [len(values), 4, 4, 1])


def test_the_wanted_distance_is_nine_tenths_of_the_distance_to_the_sample_of_the_likest_label():
    labels = np.float32([[0.0, 1], [0.1, 1], [2.0, 1], [2.3, 1]])
    # Pairs: 0 and 1 differ by 0.5, 2 and 3 by 0.25.
    samples = Samples(flat(-0.5, 0.0, 0.75, 1.0), labels)
    assert wanted_distance(samples, range(4), AGE) == pytest.approx(0.9 * (0.5 + 0.5 + 0.25 + 0.25) / 4)


def test_neither_another_category_nor_an_unknown_label_is_like_however_near_the_rest():
    labels = np.float32([[0, 1, 1, 0, 1], [0, 1, 0, 1, 1], [2, 1, 1, 0, 1], [2, 1, 0, 1, 1], [0, 0, 0, 1, 1]])
    labels = np.concatenate([labels, labels[-1:]])
    samples = Samples(flat(-1.0, 1.0, -0.8, 0.8, 0.0, 0.1), labels)
    assert wanted_distance(samples, range(6), AGE_AND_SEX) == pytest.approx(0.9 * (0.2 * 4 + 0.1 * 2) / 6)


def test_the_likest_sample_is_one_of_another_subject():
    labels = np.float32([[0.0, 1], [0.0, 1], [1.0, 1], [1.0, 1]])
    samples = Samples(flat(-0.5, -0.4, 0.5, 0.6), labels)
    assert wanted_distance(samples, [b"a", b"a", b"b", b"b"], AGE) == pytest.approx(
        0.9 * (1 + 0.9 + 1 + 1.1) / 4
    )
    assert wanted_distance(samples, [b"a"] * 4, AGE) == 0.0


def test_the_second_half_of_a_batch_gets_the_labels_of_the_first():
    labels = tf.reshape(tf.range(10.0), [5, 2])
    np.testing.assert_array_equal(in_pairs(labels[:4]), tf.gather(labels, [0, 1, 0, 1]))
    np.testing.assert_array_equal(in_pairs(labels), tf.gather(labels, [0, 1, 0, 1, 4]))
    np.testing.assert_array_equal(in_pairs(labels[:1]), labels[:1])


def test_the_shortfall_is_the_part_of_the_distance_that_is_missing():
    images = tf.constant(flat(0.0, 0.0, 0.1, 0.2))
    assert float(shortfall(images, 0.3)) == pytest.approx(0.5)  # They are 0.15 apart in the mean.
    assert float(shortfall(images, 0.1)) == 0.0
    assert float(shortfall(images, 0.0)) == 0.0
    assert float(shortfall(tf.zeros_like(images), 0.3)) == 1.0


def test_a_single_image_lacks_nothing_and_its_gradient_is_a_number():
    images = tf.Variable(flat(0.5))
    with tf.GradientTape() as tape:
        missing = shortfall(tf.convert_to_tensor(images), 0.3)
    assert float(missing) == 0.0
    np.testing.assert_array_equal(tape.gradient(missing, images), np.zeros([1, 4, 4, 1]))
