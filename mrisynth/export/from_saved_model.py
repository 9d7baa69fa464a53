"""From an exported generator to another format of it."""

from __future__ import annotations

import pathlib

from mrisynth.export.formats import export_as
from mrisynth.networks.exported import read_generator


def export_again(saved_model: pathlib.Path, output: pathlib.Path, export_format: str) -> pathlib.Path:
    """Writes an export in another format, with its model card, and without its discriminator.

    Args:
        saved_model: Either NAME/VERSION or NAME, whose newest version is taken.
        output: What the format writes: a folder or a file.
        export_format: One of `mrisynth.export.formats.format_names`.

    Returns:
        What was written.

    Raises:
        UserError: If it is no export of mrisynth with its own card, or something is in the way.
    """
    generator, card, _ = read_generator(saved_model)
    # A discriminator stays where it is.
    card["model"].pop("discriminator_checksum", None)
    return export_as(export_format, generator, output, card)
