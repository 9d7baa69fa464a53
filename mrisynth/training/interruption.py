"""Stopping a run between two iterations, on SIGINT or SIGTERM."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from typing import Any

from mrisynth.signals import heard_at_once

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """The run was asked to stop and has written a checkpoint.

    Attributes:
        signal_number: SIGINT or SIGTERM.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal.Signals(signal_number).name)
        self.signal_number = signal_number


class StopRequest:
    """A context that notes the first SIGINT or SIGTERM; a second one ends the program at once.

    Python gives signals to the main thread only. In any other thread the context notes nothing.

    Attributes:
        signal_number: The signal that was noted; 0 while there was none.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self._handlers: dict[int, Any] = {}
        self._listening = contextlib.ExitStack()
        self._heard = False

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._listening.enter_context(heard_at_once(self._acknowledge))
            self._handlers = {number: signal.signal(number, self._note) for number in _STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._put_handlers_back()
        self._listening.close()

    def _put_handlers_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, signal_number: int, _: Any) -> None:
        self.signal_number = signal_number
        self._put_handlers_back()

    def _acknowledge(self, signal_number: int) -> None:
        """Says that the first signal was heard, and ends the program on a second one."""
        if signal_number not in _STOP_SIGNALS:
            return
        if self._heard:
            sys.stderr.write("interrupted\n")
            os._exit(128 + signal_number)
        self._heard = True
        sys.stderr.write(
            "\nstopping: the iteration at hand ends first, then a checkpoint is written; "
            "Ctrl-C again ends at once\n"
        )
        sys.stderr.flush()
