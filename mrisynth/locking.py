"""One process at a time: a lock that ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mrisynth.atomic_io import folder_to_write
from mrisynth.errors import UserError, naming_disk_errors

_HELD = (errno.EACCES, errno.EAGAIN)
# Seconds: how often the owner of a file of ours shows that it is alive, and how long others look for that.
_BEAT, _WATCH = 2.0, 15.0


class LockedError(OSError):
    """Another process holds the lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EAGAIN, "another process is writing there just now", str(path))


class _NoLocksError(Exception):
    """The file system knows no locks."""


@contextlib.contextmanager
def only_writer(folder: Path, flag: str) -> Iterator[None]:
    """Makes a folder, and keeps other processes from writing to it; never waits for them.

    Args:
        folder: May be there; what was made of it is removed if nothing is in there at the end.
        flag: The flag that names the folder, for the message.

    Raises:
        UserError: Another process is writing to the folder, or it cannot be written.
    """
    with contextlib.ExitStack() as stack:
        with naming_disk_errors(folder, flag):
            try:
                stack.enter_context(folder_to_write(folder))
                stack.enter_context(exclusive(folder / ".lock"))
            except LockedError as error:
                raise UserError(
                    f"{flag}: another process is writing to {folder} just now; wait for its end, or name "
                    "another"
                ) from error
        yield


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Holds a lock, that of a file which is there meanwhile; never waits for it.

    The lock is the operating system's, so that nothing stays locked when a process is killed. Where the file
    system knows no locks, a second file does instead, into which its owner writes as long as it lives; a note
    on standard error says so.

    Args:
        path: Of the file; in a folder that is there.

    Raises:
        LockedError: Another process holds the lock.
        OSError: The file cannot be written.
    """
    try:
        file = _acquire(path)
    except _NoLocksError:
        _remove(path)
        with _owned(path.with_name(f"{path.name}.owner")):
            yield
        return
    try:
        yield
    finally:
        # Removed while it is still locked, lest another process locks a file that is about to go.
        removed = _remove(path)
        file.close()
        if not removed:  # Windows removes only what is closed, and nothing that another process has opened.
            _remove(path)


def _acquire(path: Path) -> BinaryIO:
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


def _lock(file: BinaryIO, path: Path) -> None:
    """Locks an open file in the first way that works here."""
    for way in (_flock, _lockf, _locking):
        try:
            return way(file.fileno())
        except ImportError:
            continue  # Not on this platform.
        except OSError as error:
            if error.errno in _HELD:
                raise LockedError(path) from error
    raise _NoLocksError


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


@contextlib.contextmanager
def _owned(path: Path) -> Iterator[None]:
    """Holds a file that this process has made, and writes to it all the while.

    Two processes that find the file of a killed one within the same moments may both take it; there is no
    help against that without locks.
    """
    print(
        f"{path.parent} knows no locks; {path.name} shows other processes that it is being written to",
        file=sys.stderr,
    )
    while True:
        try:
            file = path.open("xb", buffering=0)
            break
        except FileExistsError as error:
            if _is_alive(path):
                raise LockedError(path) from error
            path.unlink(missing_ok=True)
    ended = threading.Event()
    beat = threading.Thread(target=_beat, args=(file, ended), daemon=True)
    beat.start()
    try:
        yield
    finally:
        ended.set()
        beat.join()
        file.close()
        _remove(path)


def _beat(file: BinaryIO, ended: threading.Event) -> None:
    """Writes another number every time, over the last one: neither clocks nor processes need be compared."""
    count = 0
    while not ended.is_set():
        with contextlib.suppress(OSError):
            file.seek(0)
            file.write(b"%020d" % count)
            os.fsync(file.fileno())
        count += 1
        ended.wait(_BEAT)


def _is_alive(path: Path) -> bool:
    """Whether another process writes to its file."""
    try:
        found, end = path.read_bytes(), time.monotonic() + _WATCH
        while time.monotonic() < end:
            time.sleep(_BEAT / 2)
            if path.read_bytes() != found:
                return True
    except FileNotFoundError:
        pass
    return False
