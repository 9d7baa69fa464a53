"""bfloat16 trains as float32 does: losses, gradients, and the images at the end of a run."""

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import Samples, open_dataset
from mrisynth.image_io import to_gray
from mrisynth.metrics import sliced_wasserstein_distance
from mrisynth.networks import NetworkConfig
from mrisynth.training import GrowthSchedule, OptimizationConfig, RuntimeConfig, TrainingConfig, train
from mrisynth.training.state import TrainingState
from mrisynth.training.train_step import ReplicaStep

NETWORK = NetworkConfig(
    resolution=16, latent_size=16, fmap_base=256, fmap_max=32, attention_discriminator=(8, 16)
)
IMAGES = tf.random.stateless_uniform([16, 16, 16, 1], seed=[1, 1], minval=-1.0)


def gradients(policy):
    """Losses and gradients of one batch, with a gamma that lets attention speak."""
    state = TrainingState(NETWORK, policy, seed=3)
    for gamma in state.discriminator.attention_gammas().values():
        gamma.assign(0.5)
    schedule = GrowthSchedule(16, total_iterations=0, batch_sizes=dict.fromkeys((4, 8, 16), 16))
    replica = ReplicaStep(state, schedule.phases[-1], OptimizationConfig(seed=3), jit_compile=False)

    @tf.function
    def both():
        counters = (tf.constant(0, tf.int64), tf.constant(0, tf.int64))
        weights, samples = (tf.constant(1.0), 1.0), Samples(IMAGES, tf.zeros([len(IMAGES), 0]))
        one = replica.discriminator(samples, weights, counters, True)
        return one, replica.generator(samples.labels, weights, 0.0, counters)

    (discriminator, metrics), (generator, more) = both()
    values = [np.concatenate([np.ravel(part) for part in parts]) for parts in (discriminator, generator)]
    return *values, {name: float(value) for name, value in {**metrics, **more}.items()}


def test_losses_and_gradients_of_one_batch():
    *full, full_metrics = gradients("float32")
    *mixed, mixed_metrics = gradients("mixed_bfloat16")
    for name, value in full_metrics.items():
        assert mixed_metrics[name] == pytest.approx(value, rel=0.02, abs=0.02), name
    # bfloat16 keeps 8 bits, so every operation is off by up to 0.4 %, and by more where that changes the sign
    # before a rectifier. The generator's gradient has gone through both networks, there and back.
    for expected, actual, bound in zip(full, mixed, (0.1, 0.3), strict=True):
        assert actual.dtype == np.float32
        assert np.linalg.norm(actual - expected) < bound * np.linalg.norm(expected)


def distance(data_dir, run_dir, policy, seed):
    """SWD between real images and those of a short run."""
    network = NetworkConfig(
        resolution=16, latent_size=16, fmap_base=128, fmap_max=16, attention_discriminator=(8,)
    )
    config = TrainingConfig(
        run_dir=run_dir,
        data_dir=data_dir,
        network=network,
        schedule=GrowthSchedule(
            16,
            fade_images=1000,
            stable_images=2000,
            total_iterations=1000,
            batch_sizes={8: 8, 16: 8},
            start_resolution=8,
        ),
        optimization=OptimizationConfig(seed=seed, ema_decay=0.98),
        runtime=RuntimeConfig(precision=policy, grid_interval=100_000),
    )
    state = train(config)
    real = np.concatenate(list(open_dataset(data_dir, 16, 64, repeat=False, shuffle=False)))
    latents = tf.random.stateless_normal([len(real), network.latent_size], seed=[7, 7])
    untrained = TrainingState(network, "float32", seed=seed).average(latents)
    before, after = (
        sliced_wasserstein_distance(to_gray(real[..., 0]), to_gray(images[..., 0]))["mean"]
        for images in (untrained, state.average(latents))
    )
    assert after < before / 2, (before, after)
    return after


@pytest.mark.slow
def test_short_runs_end_in_images_that_are_equally_good(tmp_path, small_dataset):
    seeds = (1, 2, 3)
    full, mixed = (
        np.array([distance(small_dataset, tmp_path / f"{policy}{seed}", policy, seed) for seed in seeds])
        for policy in ("float32", "mixed_bfloat16")
    )
    spread = max(np.ptp(full), np.ptp(mixed))
    assert abs(full.mean() - mixed.mean()) < spread, (full, mixed)
