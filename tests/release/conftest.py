"""Tiny exports to release images of."""

import shutil

import pytest
import tensorflow as tf

from mrisynth.export.saved_model import export_generator
from mrisynth.networks import Generator
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.release import make_release
from mrisynth.sampling.exports import open_generator
from tests.release.made_exports import CARD, write_card


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An export without a model card, NAME/VERSION."""
    tf.keras.utils.set_random_seed(5)
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16)
    # Without this, no latent's length matters, and so no truncation.
    dense = generator.blocks[0].entry
    dense.bias.assign(tf.random.stateless_normal(dense.bias.shape, [0, 1]))
    return export_generator(generator, tmp_path_factory.mktemp("models") / "bare")


@pytest.fixture(scope="session")
def model(bare, tmp_path_factory):
    """The same export with a model card, NAME."""
    folder = tmp_path_factory.mktemp("models") / "heads"
    shutil.copytree(bare, folder / "1")
    write_card(folder / "1", CARD)
    return folder


@pytest.fixture(scope="session")
def draw(bare):
    """Images by the signature alone, [count, 16, 16]."""
    loaded = tf.saved_model.load(str(bare))

    def draw(seed, count=1, truncation=1.0):
        inputs = {
            "seed": tf.constant(seed, tf.int64),
            "count": tf.constant(count),
            "truncation": tf.constant(truncation, tf.float32),
        }
        return loaded.signatures["generate"](**inputs)["images"].numpy()[..., 0]

    return draw


@pytest.fixture(scope="session")
def generator(model):
    """The model with a card, opened."""
    return open_generator(model)


@pytest.fixture
def release(model, generator, tmp_path):
    """Makes a release in tmp_path / name and returns what was said of it."""

    def release(name="out", **settings):
        config = ReleaseConfig(**{"saved_model": model, "output": tmp_path / name, "count": 70, **settings})
        opened = generator if config.saved_model == model else None
        return make_release(config, progress=False, generator=opened)

    return release
