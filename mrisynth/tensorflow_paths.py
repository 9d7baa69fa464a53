"""Paths that TensorFlow reads literally.

TensorFlow takes the path of a checkpoint or SavedModel that it restores for a pattern, and never finds a
folder called "run[1]". Such a folder is read through a link without such characters instead.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

_PATTERN_CHARACTERS = frozenset("*?[]\\") - {os.sep}


@contextlib.contextmanager
def literal_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Gives a path to a folder that TensorFlow can restore files from.

    Args:
        folder: Only read inside the context.

    Yields:
        The folder itself, or, if its path has characters of a pattern, a temporary link to it.
    """
    if not _PATTERN_CHARACTERS & set(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        link = pathlib.Path(temporary, "folder")
        try:
            link.symlink_to(folder.absolute(), target_is_directory=True)
        except OSError:
            # Windows reserves links for some users.
            shutil.copytree(folder, link)
        yield link
