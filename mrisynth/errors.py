"""The exceptions that stand for mistakes a user can put right, and what is said of full disks."""

from __future__ import annotations

import contextlib
import errno
import pathlib
import shutil
import sys
from collections.abc import Iterator

# Nobody knows a reason without a number, as TensorFlow's; most often the disk is full.
_FULL = (None, errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


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
        path: What is written to. An error that names a file elsewhere is told of that file.
        flag: The flag that names it; empty if none does.

    Raises:
        UserError: If something could not be written, or another file not be read.
    """
    try:
        yield
    except Exception as error:
        if not isinstance(error, (OSError, *_tensorflow_errors())):
            raise
        # TensorFlow's own errors end in the reason and the name of the operation.
        reason = getattr(error, "strerror", None) or str(error).split(";")[-1].split("[Op")[0].strip()
        elsewhere = getattr(error, "filename", None)
        if elsewhere and not _is_part(pathlib.Path(elsewhere).absolute(), path.absolute()):
            raise UserError(f"{elsewhere} cannot be read or written ({reason})") from error
        advice = "name another place"
        existing = next(place for place in (path.absolute(), *path.absolute().parents) if place.exists())
        if getattr(error, "errno", None) in _FULL:
            reason += f", {shutil.disk_usage(existing).free / 2**20:,.0f} MiB are free there"
            advice = "make room and run the same command again, or name another place"
        elif isinstance(error, (FileExistsError, NotADirectoryError)) and existing.is_file():
            reason = f"{existing} is a file"
        named = f"{flag}={path}" if flag else path
        raise UserError(f"{named} cannot be written ({reason}); {advice}") from error


def _is_part(file: pathlib.Path, path: pathlib.Path) -> bool:
    """Whether a file belongs to what is written to a path: above it, in it, or aside as ".NAME.partial"."""
    places = (path, path.with_name(f".{path.name}.partial"))
    return file in path.parents or any(place in (file, *file.parents) for place in places)


def _tensorflow_errors() -> tuple[type[Exception], ...]:
    """What TensorFlow's operations raise; nothing where it was not imported, which takes seconds."""
    tensorflow = sys.modules.get("tensorflow")
    return (tensorflow.errors.OpError,) if hasattr(tensorflow, "errors") else ()
