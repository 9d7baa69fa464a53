import dataclasses
import math
import types

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import open_samples, read_manifest
from mrisynth.data.storing.manifest import Split
from mrisynth.training import TrainingConfig, overfitting
from mrisynth.training.overfitting import watch_overfitting
from mrisynth.training.train_step import blend_real
from tests.untrained_runs import NETWORK, SCHEDULE, make_state

FADING, STABLE = SCHEDULE.at_iteration(7), SCHEDULE.at_iteration(9)


@pytest.fixture
def config(small_dataset, tmp_path):
    return TrainingConfig(tmp_path, small_dataset, network=NETWORK, schedule=SCHEDULE)


def stored(config, split):
    count = read_manifest(config.data_dir).splits[split].slices
    return next(iter(open_samples(config.data_dir, 16, count, split, shuffle=False))).images.numpy()


class BlackGenerator:
    """Draws black images."""

    latent_size = NETWORK.latent_size

    def __call__(self, latents, level, labels, **_):
        assert len(latents) == len(labels)
        return -tf.ones([len(latents), 4 * 2**level, 4 * 2**level, 1])


def found(config, score, position=STABLE, batch_size=8):
    """What is found of a discriminator that scores each image by a function of it."""

    def discriminator(images, **_):
        return tf.constant([float(score(image)) for image in np.asarray(images)])

    state = types.SimpleNamespace(generator=BlackGenerator(), discriminator=discriminator)
    scalars = watch_overfitting(config, state, position, batch_size)
    return {name.removeprefix("learning/"): scalar.value for name, scalar in scalars.items()}


def test_a_discriminator_that_knows_the_training_slices_by_heart_is_found_out(config):
    by_heart = {image.tobytes() for image in stored(config, Split.TRAIN)}
    knows = found(config, lambda image: image.tobytes() in by_heart)
    assert knows == {"score_held_out": 0.0, "overfitting": 1.0}
    tells_black = found(config, lambda image: image.max() > -1)
    assert tells_black == {"score_held_out": 1.0, "overfitting": 0.0}


def test_scores_are_means_over_all_batches(config):
    train, held_out = (stored(config, split) for split in Split)
    means = {Split.TRAIN: train.mean(), Split.HELDOUT: held_out.mean()}
    measured = found(config, np.mean, batch_size=math.gcd(len(train), len(held_out)))
    assert measured["score_held_out"] == pytest.approx(means[Split.HELDOUT], abs=1e-6)
    way = (means[Split.TRAIN] - means[Split.HELDOUT]) / (means[Split.TRAIN] + 1)
    assert measured["overfitting"] == pytest.approx(way, abs=1e-6)


def test_training_slices_that_score_below_generated_ones_say_nothing_of_it(config):
    assert found(config, lambda image: -image.mean()).keys() == {"score_held_out"}


def test_images_are_blurred_as_in_training_while_a_resolution_fades_in(config):
    assert FADING.phase.fading
    assert 0 < FADING.alpha < 1
    images = tf.constant(stored(config, Split.HELDOUT))
    blurred = {image.tobytes() for image in blend_real(images, tf.constant(FADING.alpha)).numpy()}
    assert found(config, lambda image: image.tobytes() in blurred, FADING)["score_held_out"] == 1.0


def test_networks_score_the_same_at_every_time_and_others_by_another_seed(config):
    state = make_state()
    first, again = (watch_overfitting(config, state, STABLE, 64) for _ in range(2))
    assert first == again
    other = dataclasses.replace(config, optimization=dataclasses.replace(config.optimization, seed=1))
    assert watch_overfitting(other, state, STABLE, 64) != first


def test_a_data_set_without_a_held_out_side_has_none_of_it(config, monkeypatch):
    manifest = read_manifest(config.data_dir)
    splits = {**manifest.splits, Split.HELDOUT: dataclasses.replace(manifest.splits[Split.HELDOUT], slices=0)}
    monkeypatch.setattr(overfitting, "read_manifest", lambda _: dataclasses.replace(manifest, splits=splits))
    assert found(config, np.mean) == {}
