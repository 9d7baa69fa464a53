"""Releases of a tiny export."""

import dataclasses
import shutil

import pytest
import tensorflow as tf

from mrisynth.release.config import ReleaseConfig
from mrisynth.release.release import make_release
from mrisynth.sampling.generators import open_export
from tests.untrained_exports import CARD, evaluation, replaced, write_card


@pytest.fixture
def release(model, sampler, tmp_path):
    """Makes a release in tmp_path / name and returns what was said of it."""

    def release(name="out", sampler=sampler, **settings):
        config = ReleaseConfig(**{"saved_model": model, "output": tmp_path / name, "count": 70, **settings})
        opened = sampler if config.saved_model == model else None
        return make_release(config, sampler=opened)

    return release


@pytest.fixture(scope="session")
def several(conditional):
    """Makes a model with labels draw several channels: the image, its negative, the image upside down."""
    opened = open_export(conditional)

    def several(*channels, **card):
        def from_seeds(*inputs):
            image = opened.from_seeds(*inputs)
            return tf.concat([image, -image, image[:, ::-1]][: len(channels)], axis=-1)

        return dataclasses.replace(
            opened, channels=channels, from_seeds=from_seeds, card={**opened.card, **card}
        )

    return several


@pytest.fixture
def judged(model, tmp_path):
    """A copy of the model whose card has a verdict, NAME."""

    def judged(words, report="0123456789ab" + 52 * "c"):
        copied = tmp_path / "models" / "judged"
        shutil.copytree(model, copied, dirs_exist_ok=True)
        card = replaced({**CARD, "evaluation": evaluation(words, report)}, "data", fingerprint="f" * 64)
        write_card(copied / "1", card)
        return copied

    return judged
