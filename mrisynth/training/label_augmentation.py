"""What training does to labels before the networks see them: some become unknown or wrong, numbers get noise.

So one generator can be asked with or without any of its labels, and values between those of the training
subjects are learned from their neighbors ([CC]: Ding et al. 2021, arXiv 2011.07466).

Were every label dropped by itself alone, a sample with one label of four would be seen once in a thousand,
and a generator that is asked for one would draw what it has never learned. So some samples keep each of their
labels with probability 1/2.
"""

from __future__ import annotations

import tensorflow as tf

from mrisynth.data.labels import LabelKind, LabelSchema


def augment_labels(
    labels: tf.Tensor, schema: LabelSchema, uniform: tf.Tensor, normal: tf.Tensor, dropping: float
) -> tf.Tensor:
    """Drops labels and adds noise to the continuous ones, each sample in its own way.

    Args:
        labels: [N, schema.width], encoded by the schema.
        schema: The labels, K of them.
        uniform: [N, K + 1], from U[0, 1): one number for each label, one for all of them together.
        normal: [N, K], from N(0, 1).
        dropping: Probability with which all labels become unknown; with which each does so by the toss of a
            coin; and with which each does so where neither is the case.

    Returns:
        [N, schema.width].
    """
    together = uniform[:, -1:]
    keep_any = together >= dropping
    each = tf.where(together < 2 * dropping, 0.5, dropping)
    parts = []
    for index, (label, columns) in enumerate(schema.columns()):
        part = labels[:, columns]
        if label.kind is LabelKind.CONTINUOUS:
            value, known = part[:, :1], part[:, 1:]
            noise = label.bandwidth * normal[:, index : index + 1]
            part = tf.concat([value + known * noise, known], axis=-1)
        keep = keep_any & (uniform[:, index : index + 1] >= each)
        parts.append(part * tf.cast(keep, part.dtype))
    return tf.concat(parts, axis=-1)


def with_one_wrong(labels: tf.Tensor, schema: LabelSchema, uniform: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives every sample one label of another sample.

    Samples of the first half of a batch and of the second give each other theirs, so that replicas, whose
    shares are every R-th sample, do what one would do alone.

    Args:
        labels: [N, schema.width], encoded by the schema.
        schema: The labels, one at least.
        uniform: [N], from U[0, 1): which label it is.

    Returns:
        The labels, [N, schema.width], and 1 where one of them is wrong, [N]: 0 where the other sample has the
        same or has it not.
    """
    others = tf.roll(labels, tf.shape(labels)[0] // 2, axis=0)
    chosen = tf.cast(uniform[:, None] * len(schema.labels), tf.int32)
    parts, wrong = [], tf.zeros_like(uniform[:, None], tf.bool)
    for index, (_, columns) in enumerate(schema.columns()):
        own, other = labels[:, columns], others[:, columns]
        parts.append(tf.where(chosen == index, other, own))
        differs = tf.reduce_any(other != own, axis=1, keepdims=True) & (other[:, -1:] > 0)
        wrong |= (chosen == index) & differs
    return tf.concat(parts, axis=-1), tf.cast(wrong[:, 0], labels.dtype)
