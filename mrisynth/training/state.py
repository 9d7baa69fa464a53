"""All that training changes: weights, averages, optimizers, iteration."""

from __future__ import annotations

import keras
import tensorflow as tf

from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks import Discriminator, Generator, NetworkConfig
from mrisynth.training import optimizers
from mrisynth.training.config import OptimizerName


class TrainingState:
    """Networks and optimizers of a run, created under the current strategy's scope.

    Args:
        network: Size of the networks.
        dtype_policy: "float32" or "mixed_bfloat16".
        seed: Seed of the initial weights.
        optimizer: Optimizer of both networks.
        label_schema: The labels of the samples; none for an unconditional run.

    Attributes:
        generator: The generator.
        discriminator: The discriminator.
        average: A generator whose weights are the moving average of the generator's; starts as its copy.
        generator_optimizer: Optimizer of the generator.
        discriminator_optimizer: Optimizer of the discriminator.
        iteration: An int64 variable, the number of iterations done.
        skipped: An int64 variable, the number of iterations in which a network was not moved, since its
            gradients were not finite.
        skipped_in_a_row: An int64 variable [3], how many of the newest steps in a row were skipped: of the
            discriminator with the penalty, of the discriminator without, of the generator.
        attempt: An int64 variable, which tells the random numbers of the run from those that it drew before
            it was rolled back to a checkpoint.
    """

    def __init__(
        self,
        network: NetworkConfig,
        dtype_policy: str,
        seed: int,
        optimizer: OptimizerName = OptimizerName.ADAM,
        label_schema: LabelSchema = UNCONDITIONAL,
    ) -> None:
        keras.utils.set_random_seed(seed)
        shared = {"dtype": dtype_policy, "label_schema": label_schema}
        self.generator = Generator.from_network_config(network, name="generator", **shared)
        self.discriminator = Discriminator.from_network_config(network, name="discriminator", **shared)
        self.average = Generator.from_network_config(network, name="average", **shared)
        self.average.set_weights(self.generator.get_weights())
        self.generator_optimizer, self.discriminator_optimizer = (
            optimizers.make_optimizer(optimizer, network.trainable_variables)
            for network in (self.generator, self.discriminator)
        )
        self.iteration, self.skipped, self.skipped_in_a_row, self.attempt = (
            tf.Variable(value, dtype=tf.int64, trainable=False, name=name)
            for name, value in (
                ("iteration", 0),
                ("skipped", 0),
                ("skipped_in_a_row", [0, 0, 0]),
                ("attempt", 0),
            )
        )

    def start_phase(self, learning_rate: float, resets_optimizers: bool) -> None:
        """Sets the learning rate and, where the schedule says so, starts both optimizers afresh."""
        for optimizer in (self.generator_optimizer, self.discriminator_optimizer):
            optimizer.set_learning_rate(learning_rate)
            if resets_optimizers:
                optimizer.reset()

    def is_skipping(self) -> bool:
        """Whether the newest step of some kind was left out."""
        return bool(self.skipped_in_a_row.numpy().any())

    def averaged_pairs(self, level: int, fading: bool) -> list[tuple[tf.Variable, tf.Variable]]:
        """(average, weight) of every generator variable that training at a level moves."""
        averages = self.average.trainable_variables_at(level, fading)
        weights = self.generator.trainable_variables_at(level, fading)
        return [
            (tensorflow_variable(average), tensorflow_variable(weight))
            for average, weight in zip(averages, weights, strict=True)
        ]

    def parameters(self, level: int, fading: bool = False) -> tuple[int, int]:
        """Number of weights that training at a level moves: the generator's and the discriminator's."""
        generator, discriminator = (
            sum(
                tensorflow_variable(weights).shape.num_elements()
                for weights in network.trainable_variables_at(level, fading)
            )
            for network in (self.generator, self.discriminator)
        )
        return generator, discriminator

    def checkpoint(self) -> tf.train.Checkpoint:
        """Everything above, under names that do not depend on the version of Keras."""

        def numbered(variables: list[tf.Variable]) -> dict[str, tf.Variable]:
            return {f"{index:04d}": variable for index, variable in enumerate(variables)}

        return tf.train.Checkpoint(
            generator=self.generator.named_variables(),
            discriminator=self.discriminator.named_variables(),
            average=self.average.named_variables(),
            generator_optimizer=numbered(self.generator_optimizer.state_variables()),
            discriminator_optimizer=numbered(self.discriminator_optimizer.state_variables()),
            iteration=self.iteration,
            skipped=self.skipped,
            skipped_in_a_row=self.skipped_in_a_row,
            attempt=self.attempt,
        )
