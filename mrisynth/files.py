"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import pathlib


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Writes a file aside, then renames it, so that no one ever finds half of it.

    Args:
        path: Of the file.
        content: Bytes, or text that is written as UTF-8.
    """
    path = pathlib.Path(path)
    aside = path.with_name(f".{path.name}.partial")
    aside.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    aside.replace(path)
