"""Releases of a tiny export."""

import pytest

from mrisynth.release.config import ReleaseConfig
from mrisynth.release.release import make_release


@pytest.fixture
def release(model, sampler, tmp_path):
    """Makes a release in tmp_path / name and returns what was said of it."""

    def release(name="out", **settings):
        config = ReleaseConfig(**{"saved_model": model, "output": tmp_path / name, "count": 70, **settings})
        opened = sampler if config.saved_model == model else None
        return make_release(config, progress=False, sampler=opened)

    return release
