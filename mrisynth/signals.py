"""Signals are heard at once, also while Python runs no handlers.

Python runs a handler only between two of its own instructions, and TensorFlow may compile for half a minute
in one of them. A thread learns of a signal the moment that it comes in.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def heard_at_once(react: Callable[[int], None]) -> Iterator[None]:
    """Has a thread call a function for every signal that comes in; handlers run as ever, in their own time.

    Python gives signals to the main thread only. In any other thread the context hears nothing.

    Args:
        react: Takes the signal's number.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)

    def listen() -> None:
        with receiver:
            while number := receiver.recv(1):
                react(number[0])

    before = signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False)
    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        sender.close()
        thread.join()
