"""How networks are told the labels of a sample.

Nothing here has a bias, so that an unknown label, which is zeros, adds nothing: with all of them unknown a
network is the unconditional one. [PD] is Miyato and Koyama 2018, arXiv 1802.05637.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.layers import EqualizedDense
from mrisynth.layers.base import Layer
from mrisynth.layers.normalization import pixel_norm

FREQUENCIES = (math.pi / 4, math.pi / 2, math.pi, 2 * math.pi)
"""Radians per standard deviation; the lowest has a period of 8, for values from -3 to 3."""


def fourier_features(encoding: tf.Tensor) -> tf.Tensor:
    """Adds sines and cosines to a continuous label, so that a dense layer can tell near values apart.

    Args:
        encoding: [N, 2], the standardized value, and 1 where it is known or 0 where it is not.

    Returns:
        [N, 10], the encoding and its sines and cosines; all 0 where the value is unknown.
    """
    value, known = encoding[:, :1], encoding[:, 1:]
    angles = value * tf.constant([FREQUENCIES], encoding.dtype)
    return tf.concat([known * value, known, known * tf.sin(angles), known * tf.cos(angles)], axis=-1)


def modulate(maps: tf.Tensor, terms: tf.Tensor | None) -> tf.Tensor:
    """Gives every channel of maps [N, *space, C] a gain and a bias: maps * (1 + gain) + bias.

    Terms are [N, 2C], all gains before all biases; None leaves the maps as they are.
    """
    if terms is None:
        return maps
    shape = [-1, *[1] * (maps.shape.rank - 2), maps.shape[-1]]
    gain, bias = (tf.reshape(part, shape) for part in tf.split(terms, 2, axis=-1))
    return maps * (1 + gain) + bias


class LabelEmbedding(Layer):
    """Turns the labels of a sample into one vector for the generator.

    Every label has a dense layer of its own, a continuous one after Fourier features; their sum is divided by
    its root mean square. At the start every known label has a share of the same size.

    Args:
        schema: The labels, one at least.
        units: Length of the vector.
        **kwargs: For `keras.layers.Layer`.

    Call arguments:
        labels: [N, schema.width], encoded by the schema.

    Returns:
        [N, units] in the compute dtype; zeros where every label is unknown.
    """

    def __init__(self, schema: LabelSchema, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = schema
        self.dense_layers = [
            EqualizedDense(
                units,
                gain=_gain(label),
                use_bias=False,
                activate=False,
                dtype=self.dtype_policy.name,
                name=f"label_{index}",
            )
            for index, label in enumerate(schema.labels)
        ]

    def build(self, input_shape: Any) -> None:
        for dense, label in zip(self.dense_layers, self.schema.labels, strict=True):
            dense.build((None, _number_of_features(label)))
        self.built = True

    def call(self, labels: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(labels, self.compute_dtype)
        shares = [
            dense(_features(label, labels[:, columns]))
            for dense, (label, columns) in zip(self.dense_layers, self.schema.columns(), strict=True)
        ]
        return pixel_norm(tf.add_n(shares))


def _features(label: Label, encoding: tf.Tensor) -> tf.Tensor:
    """What a label's dense layer takes: [N, label.width] -> [N, _number_of_features]."""
    return fourier_features(encoding) if label.kind is LabelKind.CONTINUOUS else encoding


def _number_of_features(label: Label) -> int:
    return label.width + (2 * len(FREQUENCIES) if label.kind is LabelKind.CONTINUOUS else 0)


def _gain(label: Label) -> float:
    """The gain with which a known label's share has unit variance.

    It is the root of the number of features over the sum of their squares. That sum is 2 for a category, 1
    where it is and 1 for being known; for a standardized value in the mean 1, 1 for being known, and 1 for
    every sine and cosine together.
    """
    squares = 2 + (len(FREQUENCIES) if label.kind is LabelKind.CONTINUOUS else 0)
    return math.sqrt(_number_of_features(label) / squares)


class LabelProjection(Layer):
    """How well the discriminator finds the labels of a sample to fit its image.

    The sum over labels k of m_k <e_k(y_k), h> / sqrt(C): h are the image's features, y_k is the encoding of
    the label, m_k is 1 where it is known, and e_k is a dense layer that starts at zero, of a continuous label
    after Fourier features: in the value alone the sum would be linear, and could tell which end of a range
    an image is at, not whether it is at a place in between.

    Args:
        schema: The labels, one at least.
        **kwargs: For `keras.layers.Layer`.

    Call arguments:
        features: h, [N, C].
        labels: [N, schema.width], encoded by the schema.

    Returns:
        [N] in the compute dtype; 0 where every label is unknown.

    Reference: [PD] section 3.
    """

    def __init__(self, schema: LabelSchema, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.schema = schema

    def build(self, input_shape: Any) -> None:
        channels = int(input_shape[-1])
        self.dense_layers = [
            EqualizedDense(
                channels,
                gain=1.0,
                use_bias=False,
                activate=False,
                starts_at_zero=True,
                dtype=self.dtype_policy.name,
                name=f"label_{index}",
            )
            for index in range(len(self.schema.labels))
        ]
        for dense, label in zip(self.dense_layers, self.schema.labels, strict=True):
            dense.build((None, _number_of_features(label)))
        self.built = True

    def call(self, features: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        features, labels = (tf.cast(tensor, self.compute_dtype) for tensor in (features, labels))
        shares = []
        for dense, (label, columns) in zip(self.dense_layers, self.schema.columns(), strict=True):
            encoding = labels[:, columns]
            shares.append(encoding[:, -1:] * dense(_features(label, encoding)))
        return tf.reduce_sum(tf.add_n(shares) * features, axis=-1) / math.sqrt(features.shape[-1])
