"""A small network that reads labels off images, by which it is told whether these show what was asked for."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.data.labels import LabelKind, LabelSchema
from mrisynth.image_io import average_down
from mrisynth.training.config import Precision
from mrisynth.training.strategies import dtype_policy
from mrisynth.utility.learner import scaled

LARGEST = 64
"""Pixels along an edge of the largest images that are read; larger ones are averaged down to as many."""

_FILTERS = (16, 32, 64, 128)
_BATCH = 64
_READ_AT_A_TIME = 512
_LEARNING_RATE = 2e-3


class LabelReader:
    """Reads every label of a schema off images: one convolutional network, with outputs for each label.

    Training minimizes the cross-entropy of categories and the absolute error of numbers, of the labels that
    are known; half of the images are mirrored. On a CPU the same arguments give the same network.

    Args:
        schema: The labels.
        images: Uint8 [N, H, H, C] that the network is trained on.
        labels: [N, schema.width], encoded by the schema.
        steps: Batches of 64 images that it is trained on, whatever the number of images.
        seed: Decides the first weights and the order of images.
    """

    def __init__(
        self,
        schema: LabelSchema,
        images: NDArray[np.uint8],
        labels: NDArray[np.float32],
        steps: int,
        seed: int = 0,
    ) -> None:
        self._schema = schema
        images = average_down(images, LARGEST)
        self._network = _network(images.shape[1:], schema.width, seed)
        self._predict = tf.function(self._outputs, jit_compile=False, reduce_retracing=True)
        random = np.random.RandomState(seed)
        step = self._make_step(steps)
        for _ in screen.counted(range(steps), "learning to read labels"):
            batch = random.randint(0, len(images), _BATCH)
            mirrored = random.rand(_BATCH) < 0.5
            pixels = images[batch]
            pixels[mirrored] = pixels[mirrored, :, ::-1]
            step(tf.constant(pixels), tf.constant(labels[batch]))

    def read(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Reads the labels of N images.

        Args:
            images: Uint8 [N, H, H, C], of any size that there is of the images it was trained on.

        Returns:
            [N, schema.width] in the encoding of the schema, a probability in the column of each category.
        """
        parts = np.array_split(average_down(images, LARGEST), -(-len(images) // _READ_AT_A_TIME))
        outputs = np.concatenate([self._predict(tf.constant(part)).numpy() for part in parts])
        for label, columns in self._schema.columns():
            of_label = outputs[:, columns]
            if label.kind is LabelKind.CATEGORICAL:
                of_label[:, :-1] = tf.nn.softmax(of_label[:, :-1]).numpy()
            of_label[:, -1] = 1
        return outputs

    def _outputs(self, pixels: tf.Tensor) -> tf.Tensor:
        return self._network(scaled(pixels), training=False)

    def _make_step(self, steps: int) -> tf.types.experimental.GenericFunction:
        network, schema = self._network, self._schema
        decay = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, max(1, steps))
        optimizer = keras.optimizers.Adam(decay)
        optimizer.build(network.trainable_variables)

        @tf.function(
            jit_compile=False,
            input_signature=[
                tf.TensorSpec([_BATCH, *network.input_shape[1:]], tf.uint8),
                tf.TensorSpec([_BATCH, schema.width], tf.float32),
            ],
        )
        def step(pixels: tf.Tensor, labels: tf.Tensor) -> None:
            with tf.GradientTape() as tape:
                loss = _loss(schema, network(scaled(pixels), training=True), labels)
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

        return step


def _network(shape: tuple[int, ...], width: int, seed: int) -> keras.Model:
    policy = dtype_policy(Precision.AUTO)
    layers: list[keras.layers.Layer] = []
    for number, filters in enumerate(_FILTERS):
        start = keras.initializers.HeNormal(seed=seed + number)
        layers += [
            keras.layers.Conv2D(
                *(filters, 3),
                strides=1 if number == 0 else 2,
                padding="same",
                use_bias=False,
                kernel_initializer=start,
                dtype=policy,
            ),
            # Trainings are short: the means over batches must be recent ones.
            keras.layers.BatchNormalization(momentum=0.9, dtype=policy),
            keras.layers.ReLU(dtype=policy),
        ]
    last = keras.layers.Dense(width, kernel_initializer="zeros", dtype="float32")
    pooling = keras.layers.GlobalAveragePooling2D(dtype="float32")
    return keras.Sequential([keras.Input(shape), *layers, pooling, last])


def _loss(schema: LabelSchema, outputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    losses = []
    for label, columns in schema.columns():
        truth, read = labels[:, columns], outputs[:, columns]
        known = truth[:, -1]
        if label.kind is LabelKind.CATEGORICAL:
            loss = tf.nn.softmax_cross_entropy_with_logits(truth[:, :-1], read[:, :-1])
        else:
            loss = tf.abs(truth[:, 0] - read[:, 0])
        losses.append(tf.reduce_sum(known * loss) / tf.maximum(1.0, tf.reduce_sum(known)))
    return tf.add_n(losses)
