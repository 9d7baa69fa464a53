import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import read_manifest
from mrisynth.errors import UserError
from mrisynth.export.formats.saved_model import export_generator
from mrisynth.export_folder import ExportFolder
from mrisynth.image_io import to_gray
from mrisynth.networks import Generator
from mrisynth.networks.config import NetworkConfig
from mrisynth.networks.flops import largest_activation
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.generators import Sampler, open_export, open_run, sampler_of
from mrisynth.sampling.latents import seeded_latents
from tests.label_tables import DISTRIBUTION, SCHEMA
from tests.untrained_exports import CARD, write_card
from tests.untrained_runs import make_state, write_run

pytestmark = pytest.mark.both_stacks


@pytest.fixture
def state():
    return make_state()


def test_a_run_that_still_grows_is_read_where_it_stands(state, tmp_path):
    # 4x4 takes 2 iterations, 8x8 fades in over 2 and is stable for 2, 16x16 has begun to fade in.
    write_run(tmp_path, state, 7)
    sampler, run = open_run(tmp_path)
    assert sampler.resolution == 16
    assert (run.training.data_dir, run.fingerprint) == (tmp_path / "data", "fingerprint")
    latents = np.random.RandomState(0).normal(size=(4, 8)).astype(np.float32)
    expected = state.average(tf.constant(latents), level=2, alpha=0.5)
    np.testing.assert_allclose(sampler.images(latents), np.clip(expected, -1, 1), atol=1e-6)
    drawn = state.average(seeded_latents(30, 4, 8), level=2, alpha=0.5, truncation=0.6)
    np.testing.assert_allclose(sampler.draw(30, 4, truncation=0.6), np.clip(drawn, -1, 1), atol=1e-6)


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


def test_an_export_gives_the_networks_images_by_name_and_by_version(model, bare):
    by_name, by_version = open_export(model), open_export(bare)
    for sampler in (by_name, by_version):
        assert (sampler.resolution, sampler.latent_size, sampler.channels) == (16, 12, ("image",))
    np.testing.assert_array_equal(by_name.draw(3, 5, 0.7), by_version.draw(3, 5, 0.7))
    assert (by_name.export.name, by_name.export.version) == ("heads", "1")
    assert by_name.card["preparation"] == {"suffix": "T2w"}
    assert by_version.card is None


def test_channels_are_named_by_the_card_or_else_by_number(tmp_path):
    generator = Generator(resolution=8, channels=2, latent_size=4, fmap_base=16, fmap_max=4)
    # A name that TensorFlow would take for a pattern.
    folder = export_generator(generator, tmp_path / "model [1]")
    assert open_export(folder).channels == sampler_of(generator, 1).channels == ("channel1", "channel2")
    write_card(folder, {**CARD, "model": {"channels": ["FLAIR", "T1w"]}})
    assert open_export(folder).channels == ("FLAIR", "T1w")
    assert open_export(folder).draw_gray(0, 3).shape == (3, 8, 8, 2)


def test_gray_values_are_of_the_seeds_that_were_asked_for():
    sampler = sampler_of(Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8), 2, at_most=6)
    gray = sampler.draw_gray(40, 20)
    np.testing.assert_allclose(gray, to_gray(sampler.draw(40, 20)).astype(int), atol=1)
    np.testing.assert_allclose(gray[7:9], sampler.draw_gray(47, 2).astype(int), atol=1)
    assert len({image.tobytes() for image in gray}) == 20


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

    def from_latents(latents):
        seen.append(len(latents))
        return tf.ones([len(latents), 16, 16, 1]) * latents[:, :1, None, None]

    def from_seeds(first_seed, count, truncation):
        return from_latents(tf.cast(first_seed + tf.range(count, dtype=tf.int64), tf.float32)[:, None] / 100)

    sampler = Sampler(from_latents, from_seeds, 16, 1, at_once=16)
    latents = np.linspace(-1, 1, count, dtype=np.float32)[:, None]
    np.testing.assert_array_equal(sampler.images(latents)[:, 0, 0], latents)
    gray = sampler.draw_gray(-10, count)
    np.testing.assert_array_equal(gray[:, 0, 0, 0], to_gray((np.arange(count) - 10) / 100))
    assert max(seen) <= 16
    assert sum(seen) == 2 * count


def test_too_little_memory_is_one_sentence():
    def fail(*inputs):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    with pytest.raises(UserError, match="16 images of 32x32 at once do not fit the device's memory"):
        Sampler(fail, fail, 32, 4).draw_gray(0, 40)


def test_pixels_that_are_not_finite_are_one_sentence():
    def spoil(latents):
        return tf.fill([len(latents), 16, 16, 1], float("nan"))

    with pytest.raises(UserError, match="pixels that are not finite"):
        Sampler(spoil, spoil, 16, 4).images(np.zeros((2, 4), np.float32))


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


def test_a_saved_model_without_a_card_does_not_say_what_it_was_trained_on(tmp_path):
    sampler = open_export(save_model(tmp_path, same_images, latents=[None, 4]))
    assert sampler.trained_on is None
    assert sampler.at_once == 512


def test_an_export_says_which_model_it_is_and_what_it_was_trained_on(heads, ended_run, private_data):
    sampler, (of_run, _) = open_export(heads), open_run(ended_run)
    card = sampler.card
    assert sampler.facts["name"] == "heads"
    assert sampler.facts["version"] == "1"
    assert sampler.facts["exported"] == card["date"]
    assert sampler.facts["checksum"] == card["model"]["checksum"] == sampler.export.checksum
    assert sampler.facts["weights_checksum"] == of_run.facts["weights_checksum"]
    assert sampler.trained_on == of_run.trained_on == read_manifest(private_data).fingerprint


def test_the_card_of_another_model_is_refused(heads, bare, tmp_path):
    shutil.copytree(bare, tmp_path / "1")
    write_card(tmp_path / "1", ExportFolder(heads).read_card())
    with pytest.raises(UserError, match="--saved_model=.* has the model card of another model"):
        open_export(tmp_path)


@pytest.mark.parametrize(
    ("call", "shapes", "message"),
    [
        (same_images, {"latents": [None]}, "takes latents of shape"),
        (same_images, {"latents": None}, "takes latents of shape"),
        (same_images, {"latents": [None, None]}, "takes latents of shape"),
        (images_of_any_rank, {"latents": [None, 4]}, "gives images of shape <unknown>, not square ones"),
        (lambda z: {"images": tf.zeros([1, 16, 16, 1])}, {"z": [None, 4]}, "no signature serving_default"),
        (lambda latents: {"pictures": latents}, {"latents": [None, 4]}, "no signature serving_default"),
        (
            lambda latents, label: same_images(latents),
            {"latents": [None, 4], "label": [None, 3]},
            "no signature serving_default",
        ),
    ],
)
def test_signatures_that_are_not_ours_are_refused(call, shapes, message, tmp_path):
    with pytest.raises(UserError, match=message):
        open_export(save_model(tmp_path, call, **shapes))


def test_a_model_without_serving_default_is_refused(tmp_path):
    folder = save_model(tmp_path, same_images, signature="other", latents=[None, 4])
    with pytest.raises(UserError, match="it has no signature serving_default"):
        open_export(folder)


def test_a_model_that_fails_when_it_is_called_is_one_sentence(tmp_path):
    def call(latents):
        with tf.control_dependencies([tf.debugging.assert_less(tf.shape(latents)[0], 2)]):
            return same_images(latents)

    sampler = open_export(save_model(tmp_path, call, latents=[None, 4]))
    with pytest.raises(UserError, match="cannot be called .*; export it again"):
        sampler.draw(0, 5)


def test_a_model_that_gives_another_number_of_images_is_refused(tmp_path):
    def call(latents):
        return {"images": tf.zeros([1 + 0 * tf.shape(latents)[0], 16, 16, 1])}

    sampler = open_export(save_model(tmp_path, call, latents=[None, 4]))
    with pytest.raises(UserError, match=r"gives images of shape \[1, 16, 16, 1\]"):
        sampler.draw(0, 5)


def test_without_a_signature_for_seeds_their_latents_are_served(tmp_path):
    def call(latents):
        return {"images": tf.tile(latents[:, :1, None, None], [1, 16, 16, 1]) / 10}

    sampler = open_export(save_model(tmp_path, call, latents=[None, 4]))
    drawn = sampler.draw(7, 3)
    np.testing.assert_allclose(drawn[:, 0, 0, 0], seeded_latents(7, 3, 4)[:, 0] / 10, rtol=1e-6)
    with pytest.raises(UserError, match="no signature generate, which --truncation needs"):
        sampler.draw(7, 3, truncation=0.5)


def test_a_seed_has_labels_of_the_training_side(conditional):
    sampler = open_export(conditional)
    assert sampler.label_schema == SCHEMA
    drawn = sampler.draw(20, 6)
    given = sampler.draw(20, 6, labels=sampler.labels.encode(20, 6))
    np.testing.assert_array_equal(drawn, given)
    np.testing.assert_allclose(sampler.draw(23, 2), drawn[3:5], atol=1e-5)
    np.testing.assert_allclose(sampler.draw_gray(20, 6), to_gray(drawn).astype(int), atol=1)
    unknown = sampler.draw(20, 6, labels=np.zeros((6, SCHEMA.width), np.float32))
    assert np.abs(drawn - unknown).max() > 0.01


def test_labels_that_are_given_or_asked_for_reach_the_network(conditional):
    sampler = open_export(conditional)
    table = {"suffix": ["T2w"] * 4, "participant/sex": [None] * 4, "position_mm": [-12.0] * 4}
    given = sampler.draw(7, 4, labels=SCHEMA.encode(table, 4))
    asked = sampler.asking([Condition.read(text) for text in ("suffix=T2w", "sex=", "position_mm=-12")])
    np.testing.assert_allclose(asked.draw(7, 4), given, atol=1e-6)
    latents = seeded_latents(7, 4, 12).numpy()
    np.testing.assert_allclose(sampler.images(latents, SCHEMA.encode(table, 4)), given, atol=1e-5)
    assert np.abs(sampler.draw(7, 4) - given).max() > 0.01


def test_a_network_and_its_export_give_a_seed_the_same_image(tmp_path):
    generator = Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4, label_schema=SCHEMA)
    folder = export_generator(generator, tmp_path / "model")
    write_card(folder, {**CARD, "labels": DISTRIBUTION.to_json()})
    of_network = sampler_of(generator, 1, labels=DISTRIBUTION)
    np.testing.assert_allclose(open_export(folder).draw(0, 20), of_network.draw(0, 20), atol=1e-5)


def test_labels_count_as_much_as_the_training_has_let_them_in():
    generator = Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4, label_schema=SCHEMA)
    for layer in generator.label_layers[2:]:
        for variable in layer.trainable_variables:
            variable.assign(tf.ones_like(variable))
    labels = DISTRIBUTION.schema.encode({"suffix": ["T1w"] * 3}, 3)
    drawn = [
        sampler_of(generator, 1, labels=DISTRIBUTION, label_weight=weight).draw(0, 3, labels=labels)
        for weight in (0.0, 1.0)
    ]
    expected = generator(seeded_latents(0, 3, 4), labels=labels, label_weight=0.0)
    np.testing.assert_allclose(drawn[0], np.clip(expected, -1, 1), atol=1e-5)
    assert np.abs(drawn[0] - drawn[1]).max() > 0.01


def test_without_a_card_labels_are_unknown_and_nothing_can_be_asked(conditional, tmp_path):
    shutil.copytree(conditional, tmp_path / "bare")
    ExportFolder(tmp_path / "bare" / "1").card.unlink()
    sampler, carded = open_export(tmp_path / "bare"), open_export(conditional)
    unknown = carded.draw(3, 4, labels=np.zeros((4, SCHEMA.width), np.float32))
    np.testing.assert_allclose(sampler.draw(3, 4), unknown, atol=1e-6)
    with pytest.raises(UserError, match="--condition=suffix: the model knows no labels"):
        sampler.asking([Condition.read("suffix=T1w")])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda labels: {**labels, "cells": [{}]}, "what the model card of .* says of labels is damaged"),
        (lambda labels: {}, None),
        (lambda labels: {**labels, "labels": labels["labels"][:1]}, "damaged|serving_default"),
    ],
)
def test_a_card_whose_labels_are_not_the_models_is_refused(spoil, message, conditional, tmp_path):
    folder = shutil.copytree(conditional, tmp_path / "model")
    write_card(folder / "1", {**CARD, "labels": spoil(DISTRIBUTION.to_json())})
    if message is None:
        assert open_export(folder).labels is None
    else:
        with pytest.raises(UserError, match=message):
            open_export(folder)


def test_gray_values_are_of_the_labels_that_were_given(conditional):
    sampler = open_export(conditional)
    labels = SCHEMA.encode({"suffix": ["T1w"] * 3, "position_mm": [-20.0, 0.0, 20.0]}, 3)
    drawn = dataclasses.replace(sampler, at_once=2).draw_gray(5, 3, labels=labels)
    for index in range(3):
        alone = sampler.draw(5 + index, 1, labels=labels[index : index + 1])
        np.testing.assert_array_equal(drawn[index], to_gray(alone)[0])
    assert not np.array_equal(drawn, sampler.draw_gray(5, 3))
