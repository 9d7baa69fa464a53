"""How much of what the discriminator knows is the training images themselves ([ADA] section 3).

A discriminator that knows its training images by heart gives slices of new subjects the scores that it gives
generated ones. From then on it teaches the generator to draw training slices, not slices.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from mrisynth.data import Samples, open_samples, read_manifest
from mrisynth.data.storing.manifest import Split
from mrisynth.training.config import TrainingConfig
from mrisynth.training.schedule import Position
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.summaries import Scalar
from mrisynth.training.train_step import blend_real

SAMPLES = 128
"""Images of each kind that are scored, at most, in whole batches; one batch at least."""


def watch_overfitting(
    config: TrainingConfig,
    state: TrainingState,
    position: Position,
    batch_size: int,
    label_weight: float = 1.0,
) -> dict[str, Scalar]:
    """Compares the discriminator's mean scores of training, held-out and generated images.

    The same slices and latents are taken every time; generated images have the labels of the training ones.
    All go through the discriminator as in training, but for augmentation.

    Args:
        config: The run; its data set is read at the phase's resolution.
        state: The networks; the generator in training draws, whose images the discriminator learns to tell.
        position: Where the run stands.
        batch_size: Images that go through the discriminator at once, as in a replica's training batch.
        label_weight: Weight of the labels at this position.

    Returns:
        For TensorBoard, by name: the mean score of held-out images, and where it lies between that of
        training images (0) and that of generated ones (1), r_v in [ADA]. The latter is left out where
        training images do not score higher than generated ones; both are where the data set has no held-out
        side.
    """
    manifest = read_manifest(config.data_dir)
    if not manifest.has_heldout:
        return {}
    phase = position.phase
    alpha = tf.constant(position.alpha, tf.float32) if phase.fading else 1.0
    weights = {"level": phase.level, "alpha": alpha, "label_weight": label_weight}
    rng = StatelessRng(config.optimization.seed)
    latents = rng.normal(Purpose.OVERFITTING_LATENTS, (max(SAMPLES, batch_size), state.generator.latent_size))

    def stored(split: Split) -> Iterator[Samples]:
        order = {"schema": config.label_schema, "seed": config.optimization.seed}
        samples = open_samples(config.data_dir, phase.resolution, batch_size, split=split, **order)
        # No slice twice, but in a batch that is larger than its side.
        batches = min(SAMPLES, manifest.splits[split].slices) // batch_size
        for images, labels in samples.take(max(1, batches)):
            yield Samples(blend_real(images, alpha) if phase.fading else images, labels)

    def score(samples: Samples) -> tf.Tensor:
        return state.discriminator(samples.images, labels=samples.labels, **weights)

    of_train, of_generated = [], []
    for number, samples in enumerate(stored(Split.TRAIN)):
        drawn = latents[number * batch_size :][:batch_size]
        images = state.generator(drawn, labels=samples.labels, **weights)
        of_train.append(score(samples))
        of_generated.append(score(samples._replace(images=images)))
    of_held_out = [score(samples) for samples in stored(Split.HELDOUT)]
    train, generated, held_out = (
        float(np.mean(np.concatenate(scores))) for scores in (of_train, of_generated, of_held_out)
    )
    found = {"learning/score_held_out": Scalar(held_out, "The mean score of slices of held-out subjects.")}
    if train > generated:
        found["learning/overfitting"] = Scalar(
            (train - held_out) / (train - generated),
            "Where the score of held-out slices lies between that of training slices (0) and that of "
            "generated ones (1). Near 1 the discriminator knows the training slices by heart; a heavier "
            "--gradient_penalty helps.",
        )
    return found
