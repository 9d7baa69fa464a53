"""One training iteration: a discriminator step, then a generator step, compiled with tf.function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import tensorflow as tf

from mrisynth.data.samples import Samples
from mrisynth.layers import nd_ops
from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks.base import fade
from mrisynth.training import augmentation, diversity, losses
from mrisynth.training.config import Augmentation, Loss, OptimizationConfig
from mrisynth.training.label_augmentation import augment_labels, with_one_wrong
from mrisynth.training.optimizers import Optimizer
from mrisynth.training.schedule import Phase, PhaseKind
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng

Metrics = dict[str, tf.Tensor]
BlendWeights = tuple[float | tf.Tensor, float | tf.Tensor]
"""Alpha, the weight of a level's own images, and the weight of the labels."""


class TrainStep(Protocol):
    """The iteration of a phase: see `make_train_step`."""

    def __call__(
        self,
        samples: Samples,
        alpha: tf.Tensor,
        label_weight: float | tf.Tensor = 1.0,
        wanted_distance: float | tf.Tensor = 0.0,
        average_rate: float | tf.Tensor = ...,
        *,
        penalizes: bool = True,
        generates: bool = True,
    ) -> Metrics:
        """Advances the state by one iteration."""


def blend_real(images: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
    """Real images as the generator would show them during a fade ([PG] section A.1).

    Args:
        images: [N, *space, C].
        alpha: Weight of the full detail, 0 to 1.

    Returns:
        (1 - alpha) * up(down(images)) + alpha * images, the same shape.
    """
    return fade(nd_ops.upsample(nd_ops.average_pool(images)), images, alpha)


def make_train_step(
    state: TrainingState,
    strategy: tf.distribute.Strategy,
    phase: Phase,
    config: OptimizationConfig,
    jit_compile: bool = False,
) -> TrainStep:
    """Compiles the iteration of a phase.

    Gradients that are not finite never reach the weights: the network is left as it is, its optimizer too,
    and the iteration counts as skipped in the state.

    Args:
        state: The state that the step reads and changes.
        strategy: The strategy that the state was created under.
        phase: The phase; its level and batch are static, so that there is one trace for each phase.
        config: Weights of the losses, decay of the average, augmentation, seed.
        jit_compile: Whether XLA compiles losses and gradients.

    Returns:
        A function of real samples, alpha, the weight of the labels (see `Generator`), the distance that
        images of the same labels should have (see `mrisynth.training.diversity`), the part of a weight that
        goes into the average, and whether this iteration has the gradient penalty and a generator step (a
        trace for each). The samples are as the strategy's distributed data set gives them: on each replica
        float32 images [N, *space, C] in [-1, 1] and labels [N, width]. The others are float32 scalars. The
        function advances the state by one iteration and returns scalars: means over the global batch, and
        the norms of the gradients.
    """
    replica = ReplicaStep(state, phase, config, jit_compile)
    averaged_pairs = state.averaged_pairs(phase.level, phase.fading)

    def move(
        optimizer: Optimizer, variables: Sequence[tf.Variable], results: Any
    ) -> tuple[Metrics, tf.Tensor]:
        """Applies the replicas' gradients, unless they are not finite: metrics, and 1 if that was so."""
        gradients, shares = results
        metrics = {
            name: strategy.reduce(tf.distribute.ReduceOp.SUM, share, axis=None)
            for name, share in shares.items()
        }
        size = sum(value for name, value in metrics.items() if name.startswith(("loss", "gradient_norm")))

        def apply() -> tf.Tensor:
            optimizer.apply(strategy, gradients, variables)
            return tf.constant(0, tf.int64)

        return metrics, tf.cond(tf.math.is_finite(size), apply, lambda: tf.constant(1, tf.int64))

    @tf.function
    def train_step(
        samples: Samples,
        alpha: tf.Tensor,
        label_weight: float | tf.Tensor = 1.0,
        wanted_distance: float | tf.Tensor = 0.0,
        average_rate: float | tf.Tensor = 1.0 - config.ema_decay,
        *,
        penalizes: bool = True,
        generates: bool = True,
    ) -> Metrics:
        counters = (state.iteration.read_value(), state.attempt.read_value())
        weights = (alpha, label_weight)
        results = strategy.run(replica.discriminator, args=(samples, weights, counters, penalizes))
        metrics, skipped = move(state.discriminator_optimizer, replica.discriminator_variables, results)
        also_skipped = tf.zeros_like(skipped)
        if generates:
            results = strategy.run(
                replica.generator, args=(samples.labels, weights, wanted_distance, counters)
            )
            more, also_skipped = move(state.generator_optimizer, replica.generator_variables, results)
            metrics |= more
            for average, weight in averaged_pairs:
                strategy.extended.update(average, _move_average, args=(weight, average_rate), group=False)
        state.skipped.assign_add(tf.maximum(skipped, also_skipped))
        before = state.skipped_in_a_row.read_value()
        after = tf.stack([skipped, skipped, also_skipped]) * (before + 1)
        state.skipped_in_a_row.assign(tf.where([penalizes, not penalizes, generates], after, before))
        state.iteration.assign_add(1)
        return metrics

    return train_step


def _move_average(average: tf.Variable, weight: tf.Variable, rate: float) -> None:
    average.assign_add(rate * (weight - average))


def objective(config: OptimizationConfig) -> losses.Objective:
    """The losses that a configuration names."""
    if config.loss is Loss.NON_SATURATING:
        return losses.NonSaturating()
    return losses.Wasserstein(config.drift)


class ReplicaStep:
    """What each replica does with its share of the batch.

    Losses are sums over the share divided by the global batch, so that sums over replicas, which is how
    gradients are put together, are means over the global batch. Generated and mixed images carry the labels
    of the real ones beside them.

    Attributes:
        discriminator_variables: The variables of the discriminator that a step moves.
        generator_variables: The variables of the generator that a step moves.
    """

    def __init__(
        self, state: TrainingState, phase: Phase, config: OptimizationConfig, jit_compile: bool
    ) -> None:
        self._state = state
        self._phase = phase
        self._config = config
        self._latent_shape = (phase.batch_size, state.generator.latent_size)
        self._levels_to_come = state.generator.top_level - phase.level
        self.discriminator_variables, self.generator_variables = (
            [tensorflow_variable(v) for v in network.trainable_variables_at(phase.level, phase.fading)]
            for network in (state.discriminator, state.generator)
        )
        self._objective = objective(config)
        has_labels = bool(state.generator.label_schema.width)
        self._seeks_diversity = has_labels and bool(config.diversity)
        finetunes = phase.kind is PhaseKind.FINETUNE
        wrong_labels = config.finetune_wrong_labels if finetunes else config.wrong_labels
        self._wrong_labels = wrong_labels if has_labels else 0.0
        compiled = tf.function(jit_compile=True) if jit_compile else lambda function: function
        self._compiled_discriminator = compiled(self._discriminator_gradients)
        self._compiled_generator = compiled(self._generator_gradients)

    def discriminator(
        self, samples: Samples, weights: BlendWeights, counters: tuple[tf.Tensor, tf.Tensor], penalizes: bool
    ) -> tuple[list[tf.Tensor], Metrics]:
        """Gradients of the discriminator's loss, summed over replicas, and metrics, to be summed.

        Args:
            samples: This replica's share of the real samples.
            weights: Of the level's own images and of the labels, two scalars.
            counters: Iteration and attempt, which decide the random numbers.
            penalizes: Whether the loss has the gradient penalty.
        """
        rng = StatelessRng(self._config.seed, *counters)
        # Drawn outside of what XLA may compile, which draws other numbers from the same seed.
        noise = {
            "latents": rng.normal(Purpose.DISCRIMINATOR_LATENTS, self._latent_shape),
            "mix": rng.uniform(Purpose.PENALTY_MIX, self._latent_shape[:1]),
            **self._augmentation_noise(rng, Purpose.AUGMENT_REAL, Purpose.AUGMENT_GENERATED),
        }
        labels = self._augmented(
            samples.labels, rng, Purpose.DISCRIMINATOR_LABEL_DROPPING, Purpose.DISCRIMINATOR_LABEL_NOISE
        )
        samples = samples._replace(labels=labels)
        if self._wrong_labels:
            uniform = rng.uniform(Purpose.WRONG_LABEL, self._latent_shape[:1])
            noise["wrong_labels"], noise["wrong"] = with_one_wrong(
                labels, self._state.generator.label_schema, uniform
            )
        gradients, metrics = self._compiled_discriminator(samples, noise, self._used(weights), penalizes)
        return _summed(gradients, metrics, "discriminator")

    def generator(
        self,
        labels: tf.Tensor,
        weights: BlendWeights,
        wanted_distance: float | tf.Tensor,
        counters: tuple[tf.Tensor, tf.Tensor],
    ) -> tuple[list[tf.Tensor], Metrics]:
        """Gradients of the generator's loss, summed over replicas, and metrics, to be summed.

        Args:
            labels: This replica's share of the labels, [N, width].
            weights: Of the level's own images and of the labels, two scalars.
            wanted_distance: That images of the same labels should have.
            counters: Iteration and attempt, which decide the random numbers.
        """
        rng = StatelessRng(self._config.seed, *counters)
        noise = {
            "latents": rng.normal(Purpose.GENERATOR_LATENTS, self._latent_shape),
            **self._augmentation_noise(rng, Purpose.AUGMENT_GENERATOR),
        }
        labels = self._augmented(labels, rng, Purpose.GENERATOR_LABEL_DROPPING, Purpose.GENERATOR_LABEL_NOISE)
        if self._seeks_diversity:
            labels = diversity.in_pairs(labels)
        gradients, metrics = self._compiled_generator(labels, noise, self._used(weights), wanted_distance)
        return _summed(gradients, metrics, "generator")

    def _augmentation_noise(self, rng: StatelessRng, *purposes: Purpose) -> dict[str, tf.Tensor]:
        if self._config.augment is not Augmentation.DIFFAUG:
            return {}
        shape = (self._phase.batch_size, augmentation.draws_per_image(self._state.generator.rank))
        return {purpose.name: rng.uniform(purpose, shape) for purpose in purposes}

    def _augmented(
        self, labels: tf.Tensor, rng: StatelessRng, dropping: Purpose, noise: Purpose
    ) -> tf.Tensor:
        """The labels as the networks see them in this iteration."""
        schema = self._state.generator.label_schema
        if not schema.width:
            return labels
        batch, count = self._phase.batch_size, len(schema.labels)
        uniform, normal = rng.uniform(dropping, (batch, count + 1)), rng.normal(noise, (batch, count))
        return augment_labels(labels, schema, uniform, normal, self._config.label_dropping)

    def _used(self, weights: BlendWeights) -> BlendWeights:
        alpha, label_weight = weights
        return (alpha if self._phase.fading else 1.0, label_weight)

    def _mean(self, values: tf.Tensor) -> tf.Tensor:
        """This replica's part of the mean over the global batch."""
        return tf.reduce_sum(values) / self._phase.batch_size

    def _generate(self, latents: tf.Tensor, labels: tf.Tensor, weights: BlendWeights) -> tf.Tensor:
        alpha, label_weight = weights
        return self._state.generator(
            latents, level=self._phase.level, alpha=alpha, labels=labels, label_weight=label_weight
        )

    def _score(self, images: tf.Tensor, labels: tf.Tensor, weights: BlendWeights) -> tf.Tensor:
        alpha, label_weight = weights
        return self._state.discriminator(
            images, level=self._phase.level, alpha=alpha, labels=labels, label_weight=label_weight
        )

    def _discriminator_gradients(
        self, samples: Samples, noise: Mapping[str, tf.Tensor], weights: BlendWeights, penalizes: bool
    ) -> tuple[list[tf.Tensor], Metrics]:
        config = self._config
        images, labels = samples
        real = blend_real(images, weights[0]) if self._phase.fading else images
        generated = self._generate(noise["latents"], labels, weights)
        if config.augment is Augmentation.DIFFAUG:
            real = augmentation.augment(real, noise[Purpose.AUGMENT_REAL.name])
            generated = augmentation.augment(generated, noise[Purpose.AUGMENT_GENERATED.name])
        metrics = {}
        loss_name = "loss/discriminator" if penalizes else "loss/discriminator_without_penalty"
        rows = [labels, noise["wrong_labels"]] if self._wrong_labels else [labels]
        with tf.GradientTape() as tape:
            real_scores, *wrong_scores = tf.split(
                self._score(real, tf.concat(rows, axis=0), weights), len(rows)
            )
            generated_scores = self._score(generated, labels, weights)
            loss = self._mean(self._objective.discriminator(real_scores, generated_scores))
            for scores in wrong_scores:
                # As far as labels count at all, else real images would be taken for generated ones.
                values = weights[1] * noise["wrong"] * self._objective.wrong_label(real_scores, scores)
                metrics["wrong_labels"] = self._mean(values)
                loss += self._wrong_labels * metrics["wrong_labels"]
            if penalizes:
                norm = losses.critic_gradient_norm(
                    lambda images: self._score(images, labels, weights),
                    self._objective.penalized(real, generated, noise["mix"]),
                    self._levels_to_come,
                )
                penalty = self._mean(self._objective.penalty(norm))
                loss += config.gradient_penalty * config.gp_interval * penalty
                metrics |= {"gradient_penalty": penalty, "critic_gradient_norm": self._mean(norm)}
        gradients = tape.gradient(loss, self.discriminator_variables)
        return gradients, {
            **metrics,
            loss_name: loss,
            "score_difference": self._mean(real_scores - generated_scores),
            "scores/real": self._mean(real_scores),
            "scores/generated": self._mean(generated_scores),
        }

    def _generator_gradients(
        self,
        labels: tf.Tensor,
        noise: Mapping[str, tf.Tensor],
        weights: BlendWeights,
        wanted_distance: float | tf.Tensor,
    ) -> tuple[list[tf.Tensor], Metrics]:
        with tf.GradientTape() as tape:
            generated = shown = self._generate(noise["latents"], labels, weights)
            if self._config.augment is Augmentation.DIFFAUG:
                shown = augmentation.augment(generated, noise[Purpose.AUGMENT_GENERATOR.name])
            loss = self._mean(self._objective.generator(self._score(shown, labels, weights)))
            metrics = {"loss/generator": loss}
            if self._seeks_diversity:
                share = tf.cast(tf.shape(labels)[0], tf.float32) / self._phase.batch_size
                missing = share * diversity.shortfall(generated, wanted_distance)
                metrics["missing_diversity"] = missing
                loss += self._config.diversity * missing
        return tape.gradient(loss, self.generator_variables), metrics


def _summed(gradients: list[tf.Tensor], metrics: Metrics, network: str) -> tuple[list[tf.Tensor], Metrics]:
    """Gradients summed over replicas, and their norm among metrics that are yet to be summed."""
    context = tf.distribute.get_replica_context()
    gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
    norm = tf.linalg.global_norm(gradients) / context.num_replicas_in_sync
    return gradients, {**metrics, f"gradient_norm/{network}": norm}
