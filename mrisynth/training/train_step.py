"""One training iteration: a discriminator step, then a generator step, compiled with tf.function."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from mrisynth.layers import spatial
from mrisynth.networks.base import ProgressiveNetwork, fade
from mrisynth.training import draws, losses
from mrisynth.training.config import OptimizationConfig
from mrisynth.training.draws import Purpose
from mrisynth.training.schedule import Phase
from mrisynth.training.state import TrainingState

Metrics = dict[str, tf.Tensor]
TrainStep = Callable[[Any, tf.Tensor], Metrics]


def blend_real(images: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
    """Real images as the generator would show them during a fade ([PG] appendix A.1).

    Args:
        images: [N, r, r, C].
        alpha: Weight of the full detail, 0 to 1.

    Returns:
        (1 - alpha) * up(down(images)) + alpha * images, the same shape.
    """
    return fade(spatial.upsample(spatial.average_pool(images)), images, alpha)


def make_train_step(
    state: TrainingState,
    strategy: tf.distribute.Strategy,
    phase: Phase,
    config: OptimizationConfig,
    jit_compile: bool = False,
) -> TrainStep:
    """Compiles the iteration of a phase.

    Args:
        state: What the step reads and changes.
        strategy: That the state was created under.
        phase: Its level and batch are static, alpha is traced: one trace for each level and kind.
        config: Weights of the losses, decay of the average, seed.
        jit_compile: Whether XLA compiles losses and gradients.

    Returns:
        A function of (images, alpha): images as the strategy's distributed data set gives them, [N, r, r, C]
        float32 in [-1, 1] on each replica, alpha a float32 scalar. It advances the state by one iteration
        and returns scalars: means over the global batch.
    """
    replica_step = _ReplicaStep(state, phase, config, jit_compile)
    averaged_pairs = state.averaged_pairs(phase.level, phase.fading)

    @tf.function
    def train_step(images: Any, alpha: tf.Tensor) -> Metrics:
        shares = strategy.run(replica_step, args=(images, alpha, state.iteration.read_value()))
        metrics = {
            name: strategy.reduce(tf.distribute.ReduceOp.SUM, share, axis=None)
            for name, share in shares.items()
        }
        for average, weight in averaged_pairs:
            strategy.extended.update(
                average, _move_average, args=(weight, 1.0 - config.ema_decay), group=False
            )
        state.iteration.assign_add(1)
        return metrics

    return train_step


def _move_average(average: tf.Variable, weight: tf.Variable, rate: float) -> None:
    average.assign_add(rate * (weight - average))


class _ReplicaStep:
    """What each replica does with its share of the batch.

    Losses are sums over the share divided by the global batch, so that sums over replicas, which is how the
    optimisers put gradients together, are means over the global batch.
    """

    def __init__(
        self, state: TrainingState, phase: Phase, config: OptimizationConfig, jit_compile: bool
    ) -> None:
        self._state = state
        self._phase = phase
        self._config = config
        self._latent_shape = (phase.batch_size, state.generator.latent_size)
        self._levels_to_come = state.generator.top_level - phase.level
        compiled = tf.function(jit_compile=True) if jit_compile else lambda function: function
        self._discriminator_gradients = compiled(self._discriminator_gradients)
        self._generator_gradients = compiled(self._generator_gradients)

    def __call__(self, images: tf.Tensor, alpha: tf.Tensor, iteration: tf.Tensor) -> Metrics:
        alpha = alpha if self._phase.fading else 1.0
        state = self._state
        seed, batch_size = self._config.seed, self._phase.batch_size
        # Drawn outside of what XLA may compile, which draws other numbers from the same seed.
        latents = draws.normal(seed, Purpose.DISCRIMINATOR_LATENTS, iteration, self._latent_shape)
        mix = draws.uniform(seed, Purpose.PENALTY_MIX, iteration, (batch_size,))
        gradients, metrics = self._discriminator_gradients(images, latents, mix, alpha)
        variables = self._variables(state.discriminator)
        state.discriminator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        latents = draws.normal(seed, Purpose.GENERATOR_LATENTS, iteration, self._latent_shape)
        gradients, generator_metrics = self._generator_gradients(latents, alpha)
        variables = self._variables(state.generator)
        state.generator_optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return {**metrics, **generator_metrics}

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        """This replica's part of the mean over the global batch."""
        return tf.reduce_sum(values) / self._phase.batch_size

    def _generate(self, latents: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
        return self._state.generator(latents, level=self._phase.level, alpha=alpha)

    def _score(self, images: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
        return self._state.discriminator(images, level=self._phase.level, alpha=alpha)

    def _variables(self, network: ProgressiveNetwork) -> list[Any]:
        return network.trainable_variables_at(self._phase.level, self._phase.fading)

    def _discriminator_gradients(
        self, images: tf.Tensor, latents: tf.Tensor, mix: tf.Tensor, alpha: float | tf.Tensor
    ) -> tuple[list[tf.Tensor], Metrics]:
        config = self._config
        real = blend_real(images, alpha) if self._phase.fading else images
        generated = self._generate(latents, alpha)
        between = losses.interpolate(real, generated, mix)
        with tf.GradientTape() as tape:
            real_scores = self._score(real, alpha)
            generated_scores = self._score(generated, alpha)
            norm = losses.critic_gradient_norm(
                lambda images: self._score(images, alpha), between, self._levels_to_come
            )
            penalty = losses.gradient_penalty(norm)
            loss = self._mean(
                losses.discriminator_loss(
                    real_scores, generated_scores, penalty, config.gradient_penalty, config.drift
                )
            )
        gradients = tape.gradient(loss, self._variables(self._state.discriminator))
        return gradients, {
            "loss/discriminator": loss,
            "wasserstein_estimate": self._mean(real_scores - generated_scores),
            "gradient_penalty": self._mean(penalty),
            "critic_gradient_norm": self._mean(norm),
            "scores/real": self._mean(real_scores),
            "scores/generated": self._mean(generated_scores),
        }

    def _generator_gradients(
        self, latents: tf.Tensor, alpha: float | tf.Tensor
    ) -> tuple[list[tf.Tensor], Metrics]:
        with tf.GradientTape() as tape:
            generated = self._generate(latents, alpha)
            loss = self._mean(losses.generator_loss(self._score(generated, alpha)))
        gradients = tape.gradient(loss, self._variables(self._state.generator))
        return gradients, {"loss/generator": loss}
