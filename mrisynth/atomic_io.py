"""Files that are there whole or not at all."""

from __future__ import annotations

import contextlib
import pathlib
from collections.abc import Iterator


def write_text_aside(path: pathlib.Path, text: str) -> None:
    """Writes a text in UTF-8, first aside, then renamed; what cannot be written leaves nothing.

    Args:
        path: Of the file; one that is there is replaced.
        text: What it is to hold.

    Raises:
        OSError: If it cannot be written; a file that was there stays as it was.
    """
    write_bytes_aside(path, text.encode("utf-8"))


def write_bytes_aside(path: pathlib.Path, content: bytes) -> None:
    """Writes a file like `write_text_aside`."""
    aside = path.with_name(f".{path.name}.partial")
    try:
        aside.write_bytes(content)
        aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_to_write(folder: pathlib.Path) -> Iterator[None]:
    """Makes a folder, and takes away what it made of it if nothing is in there at the end of the context.

    Args:
        folder: May be there, wholly or in part.

    Raises:
        OSError: If it cannot be made.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                # Fails, as it should, where the folder is not empty.
                path.rmdir()
