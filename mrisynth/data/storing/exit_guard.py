"""Lets Python end while tf.data still reads ahead.

Python's end stops every thread that waits for Python's lock. Had such a thread come from tf.data to read a
batch, the batch would never arrive, and TensorFlow, which waits for it, would never end.
"""

from __future__ import annotations

import atexit
import functools
import threading
import time
from collections.abc import Callable
from typing import Any

_QUIET_SECONDS = 0.2
_POLL_SECONDS = 0.02


class ExitGuard:
    """Knows of every read that goes on; from the end of the program on, lets none begin."""

    def __init__(self) -> None:
        """Knows of no reads yet."""
        self._ending = threading.Event()
        self._running: list[None] = []
        self._latest = -_QUIET_SECONDS

    def watch(self, read: Callable[..., Any]) -> Callable[..., Any]:
        """Makes a function one that is waited for, and that raises StopIteration once the program ends."""

        @functools.wraps(read)
        def watched(*arguments: Any) -> Any:
            self._running.append(None)
            try:
                if self._ending.is_set():
                    raise StopIteration
                return read(*arguments)
            finally:
                self._running.pop()
                self._latest = time.monotonic()

        return watched

    def wait(self) -> None:
        """Returns when the last read has ended, and none was asked for during a moment."""
        self._ending.set()
        while self._running or time.monotonic() - self._latest < _QUIET_SECONDS:
            time.sleep(_POLL_SECONDS)


GUARD = ExitGuard()
"""Guards the end of this process."""

atexit.register(GUARD.wait)
