"""The model card that travels inside an export."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from mrisynth.errors import UserError

JSON_FILE = pathlib.PurePath("assets.extra", "model_card.json")


def read_card(version_folder: pathlib.Path) -> dict[str, Any]:
    """Reads the card of an exported generator.

    Args:
        version_folder: NAME/VERSION.

    Returns:
        The document.

    Raises:
        UserError: If there is none, or it is damaged.
    """
    path = version_folder / JSON_FILE
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"the model card {path} cannot be read ({error}); export the model again") from error
    if not isinstance(card, dict):
        raise UserError(f"{path} is not a model card of mrisynth; export the model again")
    return card
