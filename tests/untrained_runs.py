"""Runs that were never trained: a configuration and a checkpoint at any iteration."""

import tensorflow as tf

from mrisynth.networks.config import NetworkConfig
from mrisynth.training import checkpoints
from mrisynth.training.config import TrainingConfig
from mrisynth.training.run_config import RunConfig, write_run_config
from mrisynth.training.schedule import GrowthSchedule
from mrisynth.training.state import TrainingState

NETWORK = NetworkConfig(resolution=16, latent_size=8, fmap_base=32, fmap_max=8, attention_generator=(8,))
SCHEDULE = GrowthSchedule(
    resolution=16,
    fade_images=16,
    stable_images=16,
    total_iterations=0,
    batch_sizes={4: 8, 8: 8, 16: 8},
)


def make_state():
    """A state whose average is another generator than the one in training."""
    state = TrainingState(NETWORK, "float32", seed=0)
    state.average.set_weights([weight + 0.1 for weight in state.average.get_weights()])
    return state


def write_run(
    folder,
    state,
    iteration,
    data_dir=None,
    fingerprint="fingerprint",
    precision="float32",
    origin=None,
    **settings,
):
    """Writes what a run leaves behind; settings are those of `TrainingConfig`."""
    settings = {"phantom_subjects": None, "network": NETWORK, "schedule": SCHEDULE, **settings}
    config = TrainingConfig(folder, data_dir or folder / "data", **settings)
    write_run_config(RunConfig(config, fingerprint, {"dtype_policy": precision}, origin=origin))
    state.iteration.assign(iteration)
    checkpoints.Checkpoints(config.folder, state, tf.distribute.get_strategy()).save()
