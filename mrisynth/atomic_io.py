"""Files and folders that are there whole or not at all, also after a power failure.

What is written lies aside, under a name that begins with a dot, until the disk has all of it; only then does
it get its own name. A rename alone does not do: the disk may have the name before it has the bytes.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import pathlib
import shutil
from collections.abc import Iterator
from typing import Any, BinaryIO

# What file systems answer that can sync files, but no folders.
_NO_FOLDERS = (errno.EACCES, errno.EINVAL, errno.ENOTSUP)


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


def write_bytes_aside(path: pathlib.Path, content: bytes) -> None:
    """Writes a file like `write_text_aside`."""
    with file_aside(path) as file:
        write_all(file, content)


def write_all(file: BinaryIO, content: bytes) -> None:
    """Writes all of it, also to a file without a buffer, which may take less and raise nothing.

    Raises:
        OSError: If the file takes no more.
    """
    rest = memoryview(content)
    while rest:
        taken = file.write(rest)
        if not taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        rest = rest[taken:]


@contextlib.contextmanager
def file_aside(path: pathlib.Path) -> Iterator[BinaryIO]:
    """Opens a file to write that gets its name at the end of the context, or is removed if that fails.

    Args:
        path: Path of the file; one that is there is replaced.

    Raises:
        OSError: If it cannot be written; a file that was there stays as it was.
    """
    aside = _aside(path)
    try:
        with aside.open("wb") as file:
            yield file
        move_into_place(aside, path)
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_aside(path: pathlib.Path) -> Iterator[pathlib.Path]:
    """Makes an empty folder that gets its name at the end of the context, or is removed if that fails.

    What a killed process left of it is removed first.

    Args:
        path: The name, which nothing has yet.

    Yields:
        The folder to write to.

    Raises:
        OSError: If it cannot be written.
    """
    aside = _aside(path)
    shutil.rmtree(aside, ignore_errors=True)
    try:
        aside.mkdir(parents=True)
        yield aside
        move_into_place(aside, path)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _aside(path: pathlib.Path) -> pathlib.Path:
    return path.with_name(f".{path.name}.partial")


def move_files(aside: pathlib.Path, folder: pathlib.Path, last: str) -> None:
    """Moves all files of one folder to another; where the last of them is, all of them are.

    Args:
        aside: Where they are, on the same file system.
        folder: Where they go; files of the same names are replaced.
        last: Name of the file that makes them complete.

    Raises:
        OSError: If the disk does not take them.
    """
    files = sorted(aside.iterdir(), key=lambda file: (file.name == last, file.name))
    for file in files:
        _sync(file)
    for file in files:
        if file.name == last:
            _sync(folder)
        file.replace(folder / file.name)
    _sync(folder)


def move_into_place(aside: pathlib.Path, path: pathlib.Path) -> None:
    """Renames what was written aside, once the disk has all of it.

    Args:
        aside: A file, or a folder with all that is in it.
        path: The name from now on; a file that is there is replaced.

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
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if not is_folder or error.errno not in _NO_FOLDERS:
            raise


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
