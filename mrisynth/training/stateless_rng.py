"""Random numbers that depend on the seed, the iteration and the purpose alone.

No generator state is kept between iterations: a run that is resumed anywhere draws what it would have drawn
without the interruption. Numbers are drawn for the global batch, and each replica takes every R-th sample of
them, so that they do not depend on the number of replicas R either.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Sequence

import tensorflow as tf


class Purpose(enum.IntEnum):
    """What random numbers are for; those for different purposes are independent."""

    DISCRIMINATOR_LATENTS = 0
    GENERATOR_LATENTS = 1
    PENALTY_MIX = 2
    GRID_LATENTS = 3
    AUGMENT_REAL = 4
    AUGMENT_GENERATED = 5
    AUGMENT_GENERATOR = 6
    DISCRIMINATOR_LABEL_DROPPING = 7
    DISCRIMINATOR_LABEL_NOISE = 8
    GENERATOR_LABEL_DROPPING = 9
    GENERATOR_LABEL_NOISE = 10
    WRONG_LABEL = 11
    OVERFITTING_LATENTS = 12


@dataclasses.dataclass(frozen=True)
class StatelessRng:
    """The random numbers of one iteration.

    Attributes:
        seed: Seed of the run, less than 2^32.
        iteration: Iteration of the run.
        attempt: Tells the numbers of an iteration from those before the run was rolled back to a checkpoint.
    """

    seed: int
    iteration: tf.Tensor | int = 0
    attempt: tf.Tensor | int = 0

    def normal(self, purpose: Purpose, shape: Sequence[int]) -> tf.Tensor:
        """Draws from N(0, 1).

        Args:
            purpose: What the numbers are for.
            shape: Shape of the numbers; the first entry is the global batch.

        Returns:
            This replica's share, [shape[0] / replicas, *shape[1:]], float32.
        """
        return _share(tf.random.stateless_normal(shape, self._key(purpose)))

    def uniform(self, purpose: Purpose, shape: Sequence[int]) -> tf.Tensor:
        """Draws from U[0, 1).

        Arguments and result are those of `normal`.
        """
        return _share(tf.random.stateless_uniform(shape, self._key(purpose)))

    def _key(self, purpose: Purpose) -> tf.Tensor:
        """Two 64-bit numbers, different for every seed, attempt, iteration and purpose."""
        iteration, attempt = tf.cast(self.iteration, tf.int64), tf.cast(self.attempt, tf.int64)
        return tf.stack([attempt * 2**32 + self.seed, iteration * 2**8 + purpose])


def _share(values: tf.Tensor) -> tf.Tensor:
    """This replica's share of a global batch: every R-th sample, as the input pipeline deals images out."""
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    return values if replicas == 1 else values[context.replica_id_in_sync_group :: replicas]
