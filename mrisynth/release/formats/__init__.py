"""The formats of a release: a new one is a new module here, which is found by itself."""

from __future__ import annotations

import importlib
import pkgutil

from mrisynth.release.formats.base import ReleaseFormat


def _discover() -> dict[str, type[ReleaseFormat]]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return {kind.name: kind for kind in ReleaseFormat.__subclasses__()}


FORMATS = _discover()
"""Every format by its name in --format."""
