"""Stopping a run between two iterations, on SIGINT or SIGTERM.

Python runs a handler only between two of its own instructions, and TensorFlow may compile for half a minute
in one of them. What was asked for is therefore acknowledged by a thread, which learns of a signal at once.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
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
        self._sender: socket.socket | None = None

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            receiver, self._sender = socket.socketpair()
            self._sender.setblocking(False)
            self._wakeup = signal.set_wakeup_fd(self._sender.fileno(), warn_on_full_buffer=False)
            threading.Thread(target=_acknowledge, args=(receiver,), daemon=True).start()
            self._handlers = {number: signal.signal(number, self._note) for number in _STOP_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._put_handlers_back()
        if self._sender:
            signal.set_wakeup_fd(self._wakeup)
            self._sender.close()

    def _put_handlers_back(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)

    def _note(self, signal_number: int, _: Any) -> None:
        self.signal_number = signal_number
        self._put_handlers_back()


def _acknowledge(receiver: socket.socket) -> None:
    """Says that the first signal was heard, and ends the program on a second one."""
    with receiver:
        heard = False
        while number := receiver.recv(1):
            if number[0] not in _STOP_SIGNALS:
                continue
            if heard:
                sys.stderr.write("interrupted\n")
                os._exit(128 + number[0])
            heard = True
            sys.stderr.write(
                "\nstopping: the iteration at hand ends first, then a checkpoint is written; "
                "Ctrl-C again ends at once\n"
            )
            sys.stderr.flush()
