import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.export.saved_model import export_generator
from mrisynth.image_io import to_gray
from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import largest_activation
from mrisynth.sampling.generators import Sampler, open_run, open_saved_model, sampler_of
from tests.made_runs import make_state, write_run

pytestmark = pytest.mark.both_stacks


@pytest.fixture
def state():
    return make_state()


def test_a_run_that_still_grows_is_read_where_it_stands(state, tmp_path):
    # 4x4 takes 2 iterations, 8x8 fades in over 2 and is stable for 2, 16x16 has begun to fade in.
    write_run(tmp_path, state, 7)
    sampler, trained_on = open_run(tmp_path)
    assert sampler.resolution == 16
    assert (trained_on.folder, trained_on.fingerprint) == (tmp_path / "data", "fingerprint")
    latents = np.random.RandomState(0).normal(size=(4, 8)).astype(np.float32)
    expected = state.average(tf.constant(latents), level=2, alpha=0.5).numpy()[..., 0]
    np.testing.assert_array_equal(sampler.images(latents), to_gray(expected))


@pytest.mark.parametrize(
    ("iteration", "resolution", "alpha", "finished"),
    [
        (2, "4 of 16", None, "no, at iteration 2 of 10"),
        (3, "8 of 16", 0.5, "no, at iteration 3 of 10"),
        (4, "8 of 16", None, "no, at iteration 4 of 10"),
        (6, "8 of 16", None, "no, at iteration 6 of 10"),
        (7, 16, 0.5, "no, at iteration 7 of 10"),
        (10, 16, None, "yes"),
    ],
)
def test_the_facts_say_where_the_run_stands(iteration, resolution, alpha, finished, state, tmp_path):
    write_run(tmp_path, state, iteration)
    sampler, _ = open_run(tmp_path)
    assert sampler.resolution == int(str(resolution).split()[0])
    assert sampler.facts["resolution"] == resolution
    assert sampler.facts.get("alpha") == alpha
    assert sampler.facts["finished"] == finished
    assert sampler.facts["iterations"] == iteration
    assert sampler.facts["training_precision"] == "float32"
    assert "precision" not in sampler.facts


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


def test_images_are_drawn_as_many_at_a_time_as_the_memory_is_planned_for():
    def bytes_at(resolution, **settings):
        return 4 * largest_activation(NetworkConfig(**settings), resolution)

    mib = 2**20
    assert bytes_at(256) == 16 * mib
    assert bytes_at(256, fused_resampling=False) == 32 * mib
    assert bytes_at(64, attention_generator=(32, 64)) == 16 * mib
    assert bytes_at(32, attention_generator=(32, 64)) == 2 * mib
    assert bytes_at(4) == 16 * 512 * 4
    small = Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8)
    assert sampler_of(small, 2).at_once == 2**28 // (16 * 16 * 4 * 4)
    assert sampler_of(small, 2, at_most=16).at_once == 16


@pytest.mark.parametrize("count", [1, 16, 37])
def test_so_many_are_drawn_at_a_time_and_no_more(count):
    seen = []

    def call(latents):
        seen.append(len(latents))
        return tf.ones([len(latents), 16, 16, 1]) * latents[:, :1, None, None]

    latents = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
    images = Sampler(16, 1, {}, call, at_once=16).images(latents)
    np.testing.assert_array_equal(images[:, 0, 0], to_gray(latents[:, 0]))
    assert max(seen) <= 16
    assert sum(seen) == count


def test_too_little_memory_is_one_sentence():
    def call(latents):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with pytest.raises(UserError, match="16 images of 32x32 at once do not fit the device's memory"):
        Sampler(32, 4, {}, call).draw(40)


def save_model(folder, call, signature="serving_default", **shapes):
    """A SavedModel with a signature from tensors of these shapes."""
    specs = {name: tf.TensorSpec(shape, tf.float32, name=name) for name, shape in shapes.items()}
    module = tf.Module()
    module.serve = tf.function(call).get_concrete_function(**specs)
    tf.saved_model.save(module, str(folder), signatures={signature: module.serve})
    return folder


def same_images(latents):
    return {"images": tf.zeros([tf.shape(latents)[0], 16, 16, 1])}


def images_of_any_rank(latents):
    shape = tf.concat([[tf.shape(latents)[0]], tf.fill([tf.shape(latents)[0] * 0 + 3], 16)], 0)
    return {"images": tf.zeros(shape)}


def test_what_a_saved_model_was_trained_on_is_not_checked(tmp_path):
    sampler = open_saved_model(save_model(tmp_path, same_images, latents=[None, 4]))
    assert sampler.facts["training_data"] == "said by --data_dir, not checked"
    assert sampler.at_once == 512


@pytest.mark.parametrize(
    ("call", "shapes", "message"),
    [
        (same_images, {"latents": [None]}, "takes latents of shape"),
        (same_images, {"latents": None}, "takes latents of shape"),
        (same_images, {"latents": [None, None]}, "takes latents of shape"),
        (images_of_any_rank, {"latents": [None, 4]}, "gives images of shape <unknown>, not square gray"),
        (lambda z: {"images": tf.zeros([1, 16, 16, 1])}, {"z": [None, 4]}, "no signature serving_default"),
        (lambda latents: {"pictures": latents}, {"latents": [None, 4]}, "no signature serving_default"),
        (
            lambda latents, label: same_images(latents),
            {"latents": [None, 4], "label": [None]},
            "no signature serving_default",
        ),
    ],
)
def test_signatures_that_are_not_ours_are_refused(call, shapes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        open_saved_model(save_model(tmp_path, call, **shapes))


def test_a_model_without_serving_default_is_refused(tmp_path):
    folder = save_model(tmp_path, same_images, signature="other", latents=[None, 4])
    with pytest.raises(UserError, match="it has no signature serving_default"):
        open_saved_model(folder)


def test_a_model_that_fails_when_it_is_called_is_one_sentence(tmp_path):
    def call(latents):
        with tf.control_dependencies([tf.debugging.assert_less(tf.shape(latents)[0], 2)]):
            return same_images(latents)

    sampler = open_saved_model(save_model(tmp_path, call, latents=[None, 4]))
    with pytest.raises(UserError, match="cannot be called .*; export it again"):
        sampler.draw(5)


def test_a_model_that_gives_another_number_of_images_is_refused(tmp_path):
    def call(latents):
        return {"images": tf.zeros([1 + 0 * tf.shape(latents)[0], 16, 16, 1])}

    sampler = open_saved_model(save_model(tmp_path, call, latents=[None, 4]))
    with pytest.raises(UserError, match=r"gives images of shape \[1, 16, 16, 1\]"):
        sampler.draw(5)
