"""Releases of a tiny export."""

import shutil

import pytest

from mrisynth.release.config import ReleaseConfig
from mrisynth.release.release import make_release
from tests.untrained_exports import CARD, evaluation, replaced, write_card


@pytest.fixture
def release(model, sampler, tmp_path):
    """Makes a release in tmp_path / name and returns what was said of it."""

    def release(name="out", **settings):
        config = ReleaseConfig(**{"saved_model": model, "output": tmp_path / name, "count": 70, **settings})
        opened = sampler if config.saved_model == model else None
        return make_release(config, progress=False, sampler=opened)

    return release


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
