import numpy as np
import pytest
import tensorflow as tf

from mrisynth.export.label_inputs import encode_labels, unknown_labels
from tests.label_tables import SCHEMA

pytestmark = pytest.mark.both_stacks


def test_the_graph_encodes_as_the_schema_does():
    random = np.random.default_rng(0)
    numbers = random.normal(0, 60, 500).astype(np.float32)
    numbers[::7], numbers[1::7] = np.nan, np.inf
    table = {
        "suffix": random.choice([*SCHEMA.labels[0].vocabulary, "", "n/a"], 500),
        "participant/sex": random.choice(["F", "M", ""], 500),
        "position_mm": numbers,
    }
    values = {
        "suffix": tf.constant(table["suffix"].tolist()),
        "sex": tf.constant(table["participant/sex"].tolist()),
        "position_mm": tf.constant(numbers),
    }
    encode = tf.function(lambda: encode_labels(SCHEMA, values, tf.constant(500)))
    np.testing.assert_array_equal(encode(), SCHEMA.encode(table, 500))


def test_unknown_is_zeros_for_as_many_as_are_drawn():
    encoded = encode_labels(SCHEMA, unknown_labels(SCHEMA), tf.constant(3))
    np.testing.assert_array_equal(encoded, np.zeros((3, SCHEMA.width)))


def test_a_wrong_number_of_values_fails():
    values = {**unknown_labels(SCHEMA), "suffix": tf.constant(["T1w", "T2w"])}
    with pytest.raises(tf.errors.InvalidArgumentError):
        encode_labels(SCHEMA, values, tf.constant(3))
