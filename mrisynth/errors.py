"""The exceptions that stand for mistakes a user can put right, and what is said of full disks."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import shutil
import sys
from collections.abc import Iterator


class UserError(Exception):
    """A wrong flag, file or folder.

    Its message is one sentence that names the flag or file and says what would work. Programs print it
    without a traceback and exit with status 1 (see `mrisynth.cli.app`).
    """


class UnusableScanError(UserError):
    """A scan that cannot be trained on; the message is the reason, without the file's name."""


@contextlib.contextmanager
def naming_disk_errors(path: pathlib.Path, flag: str = "") -> Iterator[None]:
    """Turns what Python and TensorFlow raise where something cannot be written into one sentence.

    Args:
        path: What is written to; nothing else may go wrong inside the context.
        flag: The flag that names it; empty if none does.

    Raises:
        UserError: If something could not be written.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (OSError, *_tensorflow_errors())):
            raise
        # TensorFlow's own errors end in the reason and the name of the operation.
        reason = getattr(error, "strerror", None) or str(error).split(";")[-1].split("[Op")[0].strip()
        if getattr(error, "errno", None) in (None, errno.ENOSPC, errno.EFBIG):
            existing = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
            reason += f", {shutil.disk_usage(existing).free / 2**20:,.0f} MiB are free there"
        named = f"{flag}={path}" if flag else path
        advice = "make room and run the same command again, or name another place"
        raise UserError(f"{named} cannot be written ({reason}); {advice}") from error


def _tensorflow_errors() -> tuple[type[Exception], ...]:
    """What TensorFlow's operations raise; nothing where it was not imported, which takes seconds."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if hasattr(tensorflow, "errors") else ()
