"""Labels as a served generator takes them, encoded in its graph as `LabelSchema.encode` does."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

from mrisynth.data.labels import MOST_DEVIATIONS, UNKNOWN, Label, LabelKind, LabelSchema
from mrisynth.sampling.conditions import input_names


def unknown_labels(schema: LabelSchema) -> dict[str, tf.Tensor]:
    """What stands for unknown where a label is taken, by the names of the inputs: NaN or "", of shape [1]."""
    return {
        input_names(schema)[label.name]: tf.constant(
            [""] if label.kind is LabelKind.CATEGORICAL else [float("nan")]
        )
        for label in schema.labels
    }


def encode_labels(schema: LabelSchema, values: Mapping[str, tf.Tensor], count: tf.Tensor) -> tf.Tensor:
    """Encodes the labels of N samples.

    Args:
        schema: The labels.
        values: By the names of the inputs: numbers, float32, or categories, strings, [N] or [1].
        count: N.

    Returns:
        Float32 [N, schema.width].

    Raises:
        tf.errors.InvalidArgumentError: When the graph is run with a text that is no category, neither "" nor
            "n/a".
    """
    names = input_names(schema)
    parts = []
    for label in schema.labels:
        value = tf.broadcast_to(values[names[label.name]], [count])
        encode = _encode_category if label.kind is LabelKind.CATEGORICAL else _encode_number
        parts.append(encode(label, value))
    return tf.concat(parts, axis=-1)


def _encode_category(label: Label, value: tf.Tensor) -> tf.Tensor:
    one_hot = tf.cast(value[:, tf.newaxis] == tf.constant([label.vocabulary]), tf.float32)
    known = tf.reduce_sum(one_hot, axis=-1, keepdims=True)
    unknown = tf.reduce_any(value[:, tf.newaxis] == tf.constant([["", UNKNOWN]]), axis=-1)
    words = f"{label.name} is {', '.join(label.vocabulary)}, or empty where it is unknown"
    with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(unknown | (known[:, 0] > 0)), [words])]):
        return tf.concat([one_hot, known], axis=-1)


def _encode_number(label: Label, value: tf.Tensor) -> tf.Tensor:
    # In double precision, as by NumPy.
    deviations = (tf.cast(value, tf.float64) - label.mean) / label.deviation
    known = tf.math.is_finite(value)
    clipped = tf.clip_by_value(deviations, -MOST_DEVIATIONS, MOST_DEVIATIONS)
    encoded = tf.where(known, clipped, tf.zeros_like(clipped))
    return tf.stack([tf.cast(encoded, tf.float32), tf.cast(known, tf.float32)], axis=-1)
