"""The latents of seeds, by one convention for every program."""

from __future__ import annotations

import tensorflow as tf


def seeded_latents(first_seed: int | tf.Tensor, count: int | tf.Tensor, latent_size: int) -> tf.Tensor:
    """Draws the latents of consecutive seeds from N(0, I).

    Every image has a seed of its own, by which it can be drawn again alone: seed s stands for the same image
    in a release, in the report, over the wire and in an export without mrisynth. The algorithm is named, as
    "auto" takes another one on a GPU.

    Args:
        first_seed: Seed of the first latent, of 64 bits.
        count: Number of latents.
        latent_size: Length of a latent.

    Returns:
        Float32 [count, latent_size], row i of the seed first_seed + i.
    """

    def draw(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_normal([latent_size], tf.stack([seed, 0]), alg="philox")

    seeds = tf.convert_to_tensor(first_seed, tf.int64) + tf.cast(tf.range(count), tf.int64)
    return tf.map_fn(draw, seeds, fn_output_signature=tf.float32)
