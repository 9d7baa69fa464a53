"""Random draws that depend on the seed, the iteration and the purpose alone.

Nothing random is kept between iterations, so that a run resumed anywhere draws what one never interrupted
would have drawn. Draws are made for the global batch and each replica takes its strided share, so that
they do not depend on the number of replicas either.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence

import tensorflow as tf


class Purpose(enum.IntEnum):
    """What a draw is for; draws for different purposes are independent."""

    DISCRIMINATOR_LATENTS = 0
    GENERATOR_LATENTS = 1
    PENALTY_MIX = 2
    GRID_LATENTS = 3


def _key(seed: int, purpose: Purpose, iteration: tf.Tensor | int) -> tf.Tensor:
    return tf.stack([tf.constant(seed * len(Purpose) + purpose, tf.int64), tf.cast(iteration, tf.int64)])


def _share(values: tf.Tensor) -> tf.Tensor:
    """This replica's share of a global batch: every R-th sample, as the input pipeline deals images out."""
    context = tf.distribute.get_replica_context()
    replicas = context.num_replicas_in_sync
    return values if replicas == 1 else values[context.replica_id_in_sync_group :: replicas]


def normal(seed: int, purpose: Purpose, iteration: tf.Tensor | int, shape: Sequence[int]) -> tf.Tensor:
    """Draws from N(0, 1).

    Args:
        seed: Of the run.
        purpose: What for.
        iteration: Of the run.
        shape: The first entry is the global batch.

    Returns:
        This replica's share, [shape[0] / replicas, *shape[1:]], float32.
    """
    return _share(tf.random.stateless_normal(shape, _key(seed, purpose, iteration)))


def uniform(seed: int, purpose: Purpose, iteration: tf.Tensor | int, shape: Sequence[int]) -> tf.Tensor:
    """Draws from U[0, 1); otherwise as `normal`."""
    return _share(tf.random.stateless_uniform(shape, _key(seed, purpose, iteration)))
