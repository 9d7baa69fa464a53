"""The formats of a release: a new one is a new module here, which is found by itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from mrisynth.release.formats.base import ReleaseFormat


def _discover() -> dict[str, type[ReleaseFormat]]:
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    found = {kind.name: kind for kind in _kinds(ReleaseFormat) if not inspect.isabstract(kind)}
    return dict(sorted(found.items()))


def _kinds(base: type[ReleaseFormat]) -> Iterator[type[ReleaseFormat]]:
    for kind in base.__subclasses__():
        yield kind
        yield from _kinds(kind)


FORMATS = _discover()
"""Every format by its name in --format."""
