"""How much images of the same labels are to differ, so that a generator does not draw one image for each.

Labels are an easy source of variety: what they change, they change alike for many samples, and a generator
learns it long before it learns the same of latents, of which no two are alike. Variety that comes of labels
is all that the minibatch standard deviation asks for, and the latent is forgotten ("collapse by
conditioning", Shahbazi et al. 2022, arXiv 2201.06578). So two latents with the same labels must give images
that are about as far apart as real ones of like labels. The term is that of mode seeking (Mao et al. 2019,
arXiv 1903.05628; Yang et al. 2019, arXiv 1901.09024), but with an end that is measured in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from mrisynth.data.labels import LabelKind, LabelSchema
from mrisynth.data.samples import Samples

SAMPLES = 512
"""Real samples whose distances are measured."""

_PART = 0.9
"""Of the distance of real samples, whose labels are like but not the same."""

_CATEGORY = 100.0
"""Weight of another category, or of a label that only one of two samples has, beside a standard deviation."""


def wanted_distance(samples: Samples, subjects: Sequence[Any], schema: LabelSchema) -> float:
    """How far apart images of the same labels should be in the mean, measured in real samples.

    Args:
        samples: Real samples: images [N, *space, C] in [-1, 1], labels [N, schema.width].
        subjects: Whom each sample shows, [N]; slices of one subject are like each other in more than labels.
        schema: The labels, one at least.

    Returns:
        0.9 times the mean absolute difference of pixels between a sample and the one of another subject with
        the likest labels; 0 where all are of one subject.
    """
    images, labels = (np.asarray(part, np.float32) for part in samples)
    weighted = labels * _weights(schema)
    squares = np.sum((weighted[:, None] - weighted[None]) ** 2, axis=-1)
    subjects = np.asarray(subjects)
    squares[subjects[:, None] == subjects[None]] = np.inf
    if np.isinf(squares).all():
        return 0.0
    return _PART * float(np.mean(np.abs(images - images[np.argmin(squares, axis=1)])))


def _weights(schema: LabelSchema) -> np.ndarray:
    weights = np.full(schema.width, _CATEGORY, np.float32)
    for label, columns in schema.columns():
        if label.kind is LabelKind.CONTINUOUS:
            weights[columns.start] = 1.0
    return weights


def in_pairs(labels: tf.Tensor) -> tf.Tensor:
    """Gives the second half of a batch the labels of the first: [N, width] -> [N, width].

    Of an odd number the last keeps its own.
    """
    half = tf.shape(labels)[0] // 2
    return tf.concat([labels[:half], labels[:half], labels[2 * half :]], axis=0)


def shortfall(images: tf.Tensor, wanted: float | tf.Tensor) -> tf.Tensor:
    """What part of the wanted distance is missing between images of the same labels.

    Args:
        images: [N, *space, C], the second half with the labels of the first (see `in_pairs`).
        wanted: The mean absolute difference that images of the same labels should have; 0 for any.

    Returns:
        A float32 scalar, 0 (nothing is missing) to 1 (the images are the same); 0 for a single image.
    """
    half = tf.shape(images)[0] // 2
    first, second = images[:half], images[half : 2 * half]
    distance = tf.math.divide_no_nan(
        tf.reduce_sum(tf.abs(first - second)), tf.cast(tf.size(first), images.dtype)
    )
    part = tf.math.divide_no_nan(tf.nn.relu(wanted - distance), tf.cast(wanted, images.dtype))
    return tf.where(half > 0, part, tf.zeros_like(part))
