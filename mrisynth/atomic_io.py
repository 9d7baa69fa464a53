"""Files and folders that are there whole or not at all, also after a power failure."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any


def json_text(document: Any) -> str:
    """A document as the text of a JSON file.

    Raises:
        ValueError: If a number is not finite, which JSON has no word for.
    """
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json_aside(path: pathlib.Path, document: Any) -> None:
    """Writes a JSON file like `write_text_aside`; raises as `json_text`, too."""
    write_text_aside(path, json_text(document))


def write_text_aside(path: pathlib.Path, text: str) -> None:
    """Writes a text in UTF-8, first aside, then renamed; what cannot be written leaves nothing.

    Args:
        path: Path of the file; one that is there is replaced.
        text: What it is to hold.

    Raises:
        OSError: If it cannot be written; a file that was there stays as it was.
    """
    write_bytes_aside(path, text.encode("utf-8"))


def write_bytes_aside(path: pathlib.Path, content: bytes, durable: bool = True) -> None:
    """Writes a file, first aside, then renamed; what cannot be written leaves nothing.

    Args:
        path: Path of the file; one that is there is replaced.
        content: What it is to hold.
        durable: Whether to wait, some milliseconds, until the disk has it. Otherwise a power failure can
            leave a file that is cut off.

    Raises:
        OSError: If it cannot be written; a file that was there stays as it was.
    """
    aside = path.with_name(f".{path.name}.partial")
    try:
        aside.write_bytes(content)
        if durable:
            move_into_place(aside, path)
        else:
            aside.replace(path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def move_into_place(aside: pathlib.Path, path: pathlib.Path) -> None:
    """Renames what was written aside, once the disk has all of it.

    Args:
        aside: A file, or a folder with all that is in it.
        path: Its name from now on; a file that is there is replaced.

    Raises:
        OSError: If the disk does not take it, or something is in the way.
    """
    for part in [aside, *aside.rglob("*")] if aside.is_dir() else [aside]:
        _sync(part)
    aside.replace(path)
    _sync(path.parent)


def _sync(path: pathlib.Path) -> None:
    """Waits until the disk has a file's content or a folder's names."""
    is_folder = path.is_dir()
    try:
        # Windows syncs only what is open for writing, and no folders.
        descriptor = os.open(path, os.O_RDONLY if is_folder else os.O_RDWR)
    except PermissionError:
        if is_folder:
            return
        raise
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def folder_to_write(folder: pathlib.Path) -> Iterator[None]:
    """Makes a folder, and takes away what it made of it if nothing is in there at the end of the context.

    Args:
        folder: A folder that may be there, wholly or in part.

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
