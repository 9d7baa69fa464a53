"""Finds the flagfiles and models that come with mrisynth, wherever it is installed."""

from __future__ import annotations

import pathlib

from mrisynth.cli import flag_values

_PACKAGE = pathlib.Path(__file__).parents[1]
# A wheel has them inside of the package; a checkout, and what is installed from it with -e, beside it.
_FOLDER = _PACKAGE / "shipped" if (_PACKAGE / "shipped").is_dir() else _PACKAGE.parent

FLAGFILES = _FOLDER / "flags"
MODELS = _FOLDER / "saved_models"


def flagfile(name: str) -> pathlib.Path:
    """Finds a flagfile.

    Args:
        name: A path, or else NAME.flags or flags/NAME.flags of a flagfile that comes with mrisynth.

    Returns:
        The file. If there is none, the path as it was given.
    """
    return _find(name, FLAGFILES)


def saved_model(name: str) -> pathlib.Path:
    """Finds an exported model.

    Args:
        name: A path, or else NAME or saved_models/NAME, with or without a version, of a model that comes with
            mrisynth.

    Returns:
        The folder. If there is none, the path as it was given.
    """
    return _find(name, MODELS)


def _find(name: str, folder: pathlib.Path) -> pathlib.Path:
    path = flag_values.expanded(name)
    if path.exists() or path.is_absolute():
        return path
    parts = path.parts[1:] if path.parts[:1] == (folder.name,) else path.parts
    found = folder.joinpath(*parts)
    return found if parts and ".." not in parts and found.exists() else path
