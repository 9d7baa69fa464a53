"""Stopping a run between two iterations, on SIGINT or SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

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

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._note) for number in _STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, signal_number: int, _: Any) -> None:
        self.signal_number = signal_number
        self.__exit__()
