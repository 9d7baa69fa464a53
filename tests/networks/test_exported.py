"""Networks that are read from exports."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.export.formats.saved_model import export_generator
from mrisynth.networks import Generator
from mrisynth.networks.exported import read_generator
from mrisynth.sampling.generators import open_export
from tests.label_tables import SCHEMA
from tests.untrained_exports import card_of, replaced, untrained_generator, write_card

MODEL = pathlib.Path(__file__).parents[2] / "saved_models" / "head_phantom"

pytestmark = pytest.mark.both_stacks


@pytest.mark.parametrize(
    "settings",
    [
        {"fmap_base": 100, "fmap_max": 30, "channels": 2, "label_schema": SCHEMA},
        {"fmap_base": 64, "fmap_max": 16, "attention_resolutions": (4, 8)},
        {"resolution": 4, "fmap_base": 7, "fmap_max": 5},
        {"fmap_base": 64, "fmap_max": 16, "bilinear_resampling": True},
        {"fmap_base": 64, "fmap_max": 16, "attention_resolutions": (4, 8), "noise_inputs": True},
    ],
)
def test_every_weight_comes_back(settings, tmp_path):
    settings = {"attention_resolutions": (), "latent_size": 6, **settings}
    generator = untrained_generator(**settings)
    exported = export_generator(generator, tmp_path / "odd [1]" / "heads")
    write_card(exported, card_of(generator))
    read, card, folder = read_generator(exported.parent)
    assert (folder.path, card) == (exported, json.loads(json.dumps(card_of(generator))))
    latents = tf.random.normal([2, 6])
    np.testing.assert_allclose(read(latents), generator(latents), atol=1e-5)
    for name, variable in generator.named_variables().items():
        np.testing.assert_array_equal(read.named_variables()[name], variable)


def test_the_shipped_model_draws_the_same_images():
    generator, _, _ = read_generator(MODEL)
    latents = np.random.default_rng(0).normal(size=(2, 128)).astype(np.float32)
    np.testing.assert_allclose(
        np.clip(generator(latents), -1, 1), open_export(MODEL).images(latents), atol=1e-5
    )


def test_one_whose_labels_entered_otherwise_is_refused(tmp_path):
    generator = Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4, label_schema=SCHEMA)
    exported = export_generator(generator, tmp_path / "heads")
    for optimization in ({"diversity": 0.0}, {}):
        write_card(exported, {**card_of(generator), "training": {"optimization": optimization}})
        if optimization:
            read_generator(exported)
    with pytest.raises(UserError, match="--saved_model=.* was exported by an earlier mrisynth"):
        read_generator(exported)


def test_what_is_no_export_with_its_own_card_is_refused(tmp_path):
    generator = Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4)
    exported = export_generator(generator, tmp_path / "heads")
    with pytest.raises(UserError, match="has no model card"):
        read_generator(exported)
    write_card(exported, card_of(generator, weights_checksum="0" * 64))
    with pytest.raises(UserError, match="--saved_model=.*heads has the model card of another model"):
        read_generator(exported.parent)
    write_card(exported, replaced(card_of(generator), "model", resolution=16))
    with pytest.raises(UserError, match="--saved_model=.*is no generator that mrisynth exported"):
        read_generator(exported)
    write_card(exported, card_of(generator))
    shutil.rmtree(exported / "variables")
    with pytest.raises(UserError, match="--saved_model=.*or is damaged"):
        read_generator(exported)
