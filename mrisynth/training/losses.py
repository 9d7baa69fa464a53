"""The losses of networks that play against each other, and their gradient penalties, one value a sample.

Those of a Wasserstein GAN with gradient penalty ([WGP]) and drift ([PG]), and the non-saturating ones with
R1 ([R1]). With labels the discriminator also learns that real images with a wrong label are not what was
asked for ([CLS]: Reed et al. 2016, arXiv 1605.05396). Per-sample values leave the mean over the global batch
to the caller, who knows the number of replicas.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Protocol

import tensorflow as tf

Critic = Callable[[tf.Tensor], tf.Tensor]


def interpolate(real: tf.Tensor, generated: tf.Tensor, mix: tf.Tensor) -> tf.Tensor:
    """Points on the straight lines between real and generated images: real + mix * (generated - real).

    Args:
        real: [N, *space, C].
        generated: The same shape.
        mix: [N], in [0, 1].

    Returns:
        [N, *space, C].
    """
    mix = tf.reshape(mix, [-1, *[1] * (real.shape.rank - 1)])
    return real + mix * (generated - real)


def critic_gradient_norm(critic: Critic, images: tf.Tensor, levels_to_come: int = 0) -> tf.Tensor:
    """The norm of the critic's gradient at every image, over all of its pixels, in float32.

    The norm is taken as if the images were full-size with replicated pixels, which (in two dimensions)
    divides it by two for every doubling still to come: the penalty means at 4x4 what it means at the end.

    Args:
        critic: Images [N, *space, C] -> scores [N]; a sample's score may depend on the others (minibatch
            standard deviation), whose share is counted in the gradient at the sample it comes from.
        images: [N, *space, C].
        levels_to_come: Doublings from the images' resolution to the full one.

    Returns:
        [N], float32, differentiable.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(images)
        scores = critic(images)
    gradient = tf.cast(tape.gradient(scores, images), tf.float32)
    squares = tf.reduce_sum(tf.square(gradient), axis=tuple(range(1, images.shape.rank)))
    # The root's derivative is infinite at 0, where a critic that ignores its input would put it.
    rank = images.shape.rank - 2
    return tf.sqrt(squares + 1e-12) / 2.0 ** (levels_to_come * rank / 2)


class Objective(Protocol):
    """What the networks play for: every method takes and gives one value a sample, [N], in float32."""

    def discriminator(self, real_scores: tf.Tensor, generated_scores: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss but for the gradient penalty."""

    def generator(self, generated_scores: tf.Tensor) -> tf.Tensor:
        """The generator's loss."""

    def wrong_label(self, real_scores: tf.Tensor, wrong_scores: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of real images by their scores with their own and with a wrong label."""

    def penalized(self, real: tf.Tensor, generated: tf.Tensor, mix: tf.Tensor) -> tf.Tensor:
        """Where the discriminator's gradient is penalized: images, [N, *space, C]; see `interpolate`."""

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        """The penalty of a gradient of this norm, without its weight."""


@dataclasses.dataclass(frozen=True)
class Wasserstein:
    """A critic whose gradient is to have a norm of 1 between real and generated images ([WGP], [PG]).

    Attributes:
        drift: 0.001 in [PG] appendix A.1; keeps the scores from drifting away.
    """

    drift: float

    def discriminator(self, real_scores: tf.Tensor, generated_scores: tf.Tensor) -> tf.Tensor:
        """D(generated) - D(real) + drift * D(real)^2."""
        return generated_scores - real_scores + self.drift * tf.square(real_scores)

    def generator(self, generated_scores: tf.Tensor) -> tf.Tensor:
        """-D(generated)."""
        return -generated_scores

    def wrong_label(self, real_scores: tf.Tensor, wrong_scores: tf.Tensor) -> tf.Tensor:
        """D(real, wrong) - D(real): with D(real, wrong) alone all scores would sink, and never stop."""
        return wrong_scores - real_scores

    def penalized(self, real: tf.Tensor, generated: tf.Tensor, mix: tf.Tensor) -> tf.Tensor:
        """Points between real and generated images ([WGP] algorithm 1)."""
        return interpolate(real, generated, mix)

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        """(norm - 1)^2 ([WGP] equation 3)."""
        return tf.square(norm - 1.0)


class NonSaturating:
    """A classifier of real and generated images, whose gradient at real ones is to be 0 ([GAN], [R1])."""

    def discriminator(self, real_scores: tf.Tensor, generated_scores: tf.Tensor) -> tf.Tensor:
        """log(1 + exp(-D(real))) + log(1 + exp(D(generated)))."""
        return tf.nn.softplus(-real_scores) + tf.nn.softplus(generated_scores)

    def generator(self, generated_scores: tf.Tensor) -> tf.Tensor:
        """log(1 + exp(-D(generated)))."""
        return tf.nn.softplus(-generated_scores)

    def wrong_label(self, real_scores: tf.Tensor, wrong_scores: tf.Tensor) -> tf.Tensor:
        """log(1 + exp(D(real, wrong))), as if it were generated ([CLS] algorithm 1)."""
        return tf.nn.softplus(wrong_scores)

    def penalized(self, real: tf.Tensor, generated: tf.Tensor, mix: tf.Tensor) -> tf.Tensor:
        """The real images ([R1] equation 9)."""
        return real

    def penalty(self, norm: tf.Tensor) -> tf.Tensor:
        """norm^2; [R1] weights it by gamma / 2."""
        return tf.square(norm)
