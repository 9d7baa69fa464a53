"""The model card that travels inside an export."""

from __future__ import annotations

import json
import os
import pathlib
from typing import Any

from mrisynth.errors import UserError

PLACE = pathlib.PurePath("assets.extra", "model_card.json")


def read_card(version_folder: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Reads the card of an export.

    Args:
        version_folder: NAME/VERSION.

    Returns:
        The document; None if the export has no card.

    Raises:
        UserError: If the card is damaged.
    """
    path = pathlib.Path(version_folder) / PLACE
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged ({error}); export the model again") from error
    if not isinstance(document, dict):
        raise UserError(f"{path} is damaged (it is no JSON object); export the model again")
    return document
