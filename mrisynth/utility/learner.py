"""Trains a small network on examples, and lets it say what it sees in others."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.data.storing.shuffling import EpochOrder
from mrisynth.utility.augmentation import DRAWS, augment

BATCH = 16
"""Examples in a training step."""

_LEARNING_RATE = 2e-3
_PREDICTED_AT_ONCE = 256


@dataclasses.dataclass(frozen=True)
class Examples:
    """Images, and what a network is to see in them.

    Attributes:
        images: uint8 [N, r, r, C], gray values.
        targets: Masks, uint8 [N, r, r, 1] of 0 and 1; or the categories, int32 [N].
    """

    images: NDArray[np.uint8]
    targets: NDArray[np.integer]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | NDArray) -> Examples:
        return Examples(self.images[rows], self.targets[rows])

    def __add__(self, other: Examples) -> Examples:
        return Examples(
            np.concatenate([self.images, other.images]), np.concatenate([self.targets, other.targets])
        )


class Learner:
    """A network that is trained anew each time, by Adam, its learning rate falling to 0 as half a cosine.

    Args:
        network: From images to logits: of masks, [N, r, r, 1], or of categories, [N, K].
        steps: Training steps.
    """

    def __init__(self, network: keras.Model, steps: int) -> None:
        self._network, self._steps = network, steps
        self._loss = _mask_loss if len(network.output_shape) == 4 else _category_loss
        self._optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, steps))
        self._optimizer.build(network.trainable_variables)
        self._train_step = tf.function(self._train_step, reduce_retracing=True)
        self._predict = tf.function(self._predict, reduce_retracing=True)

    def fit(
        self,
        examples: Examples,
        seed: int,
        augmented: bool = False,
        after_step: Callable[[], object] = lambda: None,
    ) -> None:
        """Trains the network from the beginning.

        Args:
            examples: What it is trained on, in an order that follows from the seed.
            seed: Decides the weights that it begins with, the order and the changes of images.
            augmented: Whether images are changed in each step (see `augmentation.augment`).
            after_step: Called after every step.
        """
        self._reset(np.random.RandomState(seed))
        order = EpochOrder(len(examples), seed)
        for step in range(self._steps):
            rows, _ = order.at(np.arange(step * BATCH, (step + 1) * BATCH))
            batch = examples[rows]
            self._train_step(
                tf.constant(batch.images),
                tf.constant(batch.targets),
                tf.constant([seed, step], tf.int64),
                augmented,
            )
            after_step()

    def predict(self, images: NDArray[np.uint8]) -> NDArray[np.integer]:
        """What the network sees: masks, uint8 [N, r, r, 1] of 0 and 1, or categories, int32 [N]."""
        parts = np.split(images, range(_PREDICTED_AT_ONCE, len(images), _PREDICTED_AT_ONCE))
        return np.concatenate([self._predict(tf.constant(part)).numpy() for part in parts])

    def _reset(self, random: np.random.RandomState) -> None:
        for variable in self._optimizer.variables:
            variable.assign(tf.zeros_like(variable))
        for variable in self._network.trainable_variables:
            *fan_in, _ = variable.shape
            deviation = (2 / np.prod(fan_in)) ** 0.5 if fan_in else 0.0  # Biases begin at 0.
            variable.assign(random.normal(0, deviation, variable.shape).astype(np.float32))

    def _train_step(self, images: tf.Tensor, targets: tf.Tensor, key: tf.Tensor, augmented: bool) -> None:
        images = scaled(images)
        if augmented:
            masks = targets if self._loss is _mask_loss else tf.zeros_like(images[..., :0])
            uniform = tf.random.stateless_uniform([BATCH, DRAWS], key)
            images, masks = augment(images, tf.cast(masks, tf.float32), uniform)
            targets = masks if self._loss is _mask_loss else targets
        with tf.GradientTape() as tape:
            loss = self._loss(targets, self._network(images, training=True))
        variables = self._network.trainable_variables
        self._optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    def _predict(self, images: tf.Tensor) -> tf.Tensor:
        logits = self._network(scaled(images), training=False)
        if self._loss is _mask_loss:
            return tf.cast(logits > 0, tf.uint8)
        return tf.argmax(logits, axis=-1, output_type=tf.int32)


def scaled(gray: tf.Tensor) -> tf.Tensor:
    """Gray values of 8 bits as networks see them, from -1 to 1."""
    return tf.cast(gray, tf.float32) / 127.5 - 1


def _mask_loss(masks: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Cross-entropy, and 1 - Dice of the whole batch, as in most segmentation of lesions."""
    masks, probabilities = tf.cast(masks, tf.float32), tf.sigmoid(logits)
    both = tf.reduce_sum(probabilities * masks)
    dice = (2 * both + 1) / (tf.reduce_sum(probabilities) + tf.reduce_sum(masks) + 1)
    return 1 - dice + tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(masks, logits))


def _category_loss(categories: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(categories, logits))
