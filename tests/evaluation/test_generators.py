import json

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.evaluation.generators import open_run, open_saved_model, sampler_of
from mrisynth.images import to_grey
from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.serving.export import export_generator
from mrisynth.training import checkpoints
from mrisynth.training.averaged import load_average
from mrisynth.training.config import TrainingConfig
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


@pytest.fixture
def state():
    """A state whose average is another generator than the one in training."""
    state = TrainingState(NETWORK, "float32", seed=0)
    state.average.set_weights([weight + 0.1 for weight in state.average.get_weights()])
    return state


def write_run(folder, state, iteration):
    config = TrainingConfig(folder, folder / "data", network=NETWORK, schedule=SCHEDULE)
    checkpoints.write_config(config, "fingerprint", {"dtype_policy": "float32"})
    state.iteration.assign(iteration)
    checkpoints.Checkpoints(folder, state, tf.distribute.get_strategy()).save()


def test_the_average_of_the_newest_checkpoint_is_read(state, tmp_path):
    write_run(tmp_path, state, SCHEDULE.iterations)
    loaded = load_average(tmp_path)
    assert (loaded.level, loaded.alpha, loaded.iteration) == (2, 1.0, SCHEDULE.iterations)
    for ours, theirs in zip(loaded.generator.get_weights(), state.average.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_that_still_grows_is_read_where_it_stands(state, tmp_path):
    # 4x4 takes 2 iterations, 8x8 fades in over 2 and is stable for 2, 16x16 has begun to fade in.
    write_run(tmp_path, state, 7)
    sampler, data_dir = open_run(tmp_path)
    assert sampler.resolution == 16
    assert data_dir == tmp_path / "data"
    latents = np.random.RandomState(0).normal(size=(4, 8)).astype(np.float32)
    expected = state.average(tf.constant(latents), level=2, alpha=0.5).numpy()[..., 0]
    np.testing.assert_array_equal(sampler.images(latents), to_grey(expected))
    assert sampler.facts["iterations"] == 7


def test_a_damaged_checkpoint_is_passed_over(state, tmp_path):
    write_run(tmp_path, state, 5)
    write_run(tmp_path, state, 6)
    (tmp_path / "checkpoints" / "checkpoint-6.index").write_bytes(b"broken")
    assert load_average(tmp_path).iteration == 5


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "config.json").unlink(), "holds no run"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").write_text(json.dumps({"network": {}})), "another version"),
        (lambda folder: (folder / "checkpoints" / "checkpoint-5.index").unlink(), "no checkpoint"),
    ],
)
def test_folders_that_hold_no_run_are_refused(spoil, message, state, tmp_path):
    write_run(tmp_path, state, 5)
    spoil(tmp_path)
    with pytest.raises(UserError, match=message):
        open_run(tmp_path)


def test_an_export_gives_the_networks_images_by_name_and_by_version(tmp_path):
    generator = Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8)
    export_generator(generator, tmp_path / "model")
    export_generator(generator, tmp_path / "model")
    expected = sampler_of(generator, level=2).draw(5, seed=3)
    for path in (tmp_path / "model", tmp_path / "model" / "1"):
        sampler = open_saved_model(path)
        assert (sampler.resolution, sampler.latent_size) == (16, 8)
        np.testing.assert_allclose(sampler.draw(5, seed=3), expected.astype(int), atol=1)


def test_a_seed_means_the_same_images_whatever_their_number():
    sampler = sampler_of(Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8), level=2)
    np.testing.assert_array_equal(sampler.draw(20, seed=1)[:7], sampler.draw(7, seed=1))
    assert (sampler.draw(7, seed=1) != sampler.draw(7, seed=2)).any()


def test_interpolations_begin_and_end_at_latents_and_change_step_by_step():
    sampler = sampler_of(Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8), level=2)
    rows = sampler.interpolations(3, 9, seed=1)
    assert rows.shape == (3, 9, 16, 16)
    np.testing.assert_allclose(rows[:, [0, -1]].reshape(6, 16, 16), sampler.draw(6, seed=1), atol=1)
    steps = np.abs(np.diff(rows.astype(float), axis=1)).mean((0, 2, 3))
    assert steps.max() < np.abs(rows[:, 0].astype(float) - rows[:, -1]).mean()
