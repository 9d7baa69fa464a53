"""The formats of an exported generator: a new one is a new module here, which is found by itself.

A module's `export_generator(generator, directory, card)` writes the generator and returns where it is.
"""

from __future__ import annotations

import importlib
import pathlib
import pkgutil
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mrisynth.networks import Discriminator, Generator

DEFAULT_FORMAT = "saved_model"


def format_names() -> list[str]:
    """What --format can be; no format is imported for that."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def export_as(
    name: str,
    generator: Generator,
    directory: pathlib.Path,
    card: Mapping[str, Any] | None,
    **beside: Discriminator,
) -> pathlib.Path:
    """Writes a generator in one of the formats.

    Args:
        name: One of `format_names`.
        generator: Usually the one whose weights are the moving average.
        directory: The folder of the model, or the file.
        card: See `mrisynth.export.model_card`.
        beside: What the format takes besides; saved_model takes discriminator=.

    Returns:
        Path of what was written.

    Raises:
        OSError: If it cannot be written.
    """
    return importlib.import_module(f"{__name__}.{name}").export_generator(
        generator, directory, card, **beside
    )
