"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_HELD = (errno.EACCES, errno.EAGAIN)


class LockedError(Exception):
    """Another process holds the lock."""


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock, that of a file which is there meanwhile; never waits for it.

    The lock is the operating system's, so that nothing stays locked when a process is killed. Where the file
    system knows no locks, a note on standard error says so, and the work goes on.

    Args:
        path: Of the file; in a folder that is there.

    Raises:
        LockedError: Another process holds the lock.
        OSError: The file cannot be written.
    """
    file = _acquire(path)
    try:
        yield
    finally:
        # Removed while it is still locked, lest another process locks a file that is about to go.
        removed = _remove(path)
        file.close()
        if not removed:  # Windows removes only what is closed, and nothing that another process has opened.
            _remove(path)


def _acquire(path: Path) -> IO[bytes]:
    """The locked file."""
    while True:
        file = path.open("ab")
        try:
            _lock(file, path)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
        except BaseException:
            file.close()
            raise
        # Its former holder has removed it in between.
        file.close()


def _lock(file: IO[bytes], path: Path) -> None:
    """Locks an open file in the first way that works here."""
    for way in (_flock, _lockf, _locking):
        try:
            return way(file.fileno())
        except ImportError:
            continue  # Not on this platform.
        except OSError as error:
            if error.errno in _HELD:
                raise LockedError(f"another process has locked {path}") from error
    print(
        f"{path.parent} knows no locks; see to it that no other process writes to it meanwhile",
        file=sys.stderr,
    )
    return None


def _flock(descriptor: int) -> None:
    import fcntl

    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _lockf(descriptor: int) -> None:
    """For network file systems that have no flock, but the locks of POSIX."""
    import fcntl

    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _locking(descriptor: int) -> None:
    import msvcrt

    msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)


def _remove(path: Path) -> bool:
    """Whether a file could be removed."""
    try:
        path.unlink()
    except OSError:
        return False
    return True
