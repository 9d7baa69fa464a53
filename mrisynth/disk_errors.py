"""What a user is told when a folder cannot be written."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
from collections.abc import Iterator

import tensorflow as tf

from mrisynth.errors import UserError


@contextlib.contextmanager
def naming_disk_errors(folder: pathlib.Path) -> Iterator[None]:
    """Turns what Python and TensorFlow raise when a disk is full into one sentence.

    Args:
        folder: What is written to; nothing else may go wrong inside the context.

    Raises:
        UserError: If something could not be written.
    """
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        # TensorFlow's own errors end in the reason and the name of the operation.
        reason = getattr(error, "strerror", None) or str(error).split(";")[-1].split("[Op")[0].strip()
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(existing).free / 2**20
        raise UserError(
            f"{folder} cannot be written ({reason}, {free:,.0f} MiB are free there); make room and run the "
            "same command again to go on from the last checkpoint"
        ) from error
