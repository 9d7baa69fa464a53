"""Worker processes that end at once with the program, whatever they are at."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from mrisynth.errors import UserError

T = TypeVar("T")
U = TypeVar("U")


def in_workers(work: Callable[[T], U], items: Iterator[T], count: int) -> Iterator[U]:
    """Does the same work on every item, in worker processes, which end when something else ends the work.

    Args:
        work: A function that other processes can import.
        items: What it is done on; each is taken when a worker is about to be free.
        count: Number of workers; one is this process itself.

    Yields:
        The results, in order; never more than a few ahead are in memory.

    Raises:
        UserError: A worker died.
    """
    if count == 1:
        yield from map(work, items)
        return
    workers = _Workers()
    executor = ProcessPoolExecutor(count, workers, initializer=_end_with_parent)
    running: deque[Future[U]] = deque()
    try:
        while True:
            while len(running) <= count and (item := next(items, None)) is not None:
                with _interrupts_held_back():
                    running.append(executor.submit(work, item))
            if not running:
                return
            yield running[0].result()
            running.popleft()
    except BrokenProcessPool as error:
        raise UserError("--num_workers: a worker died, most likely out of memory; use fewer") from error
    finally:
        if running:
            workers.terminate()
        executor.shutdown(wait=True, cancel_futures=True)


class _Workers(SpawnContext):
    """Starts worker processes afresh, since TensorFlow's threads do not survive a fork, and can end them."""

    def __init__(self) -> None:
        super().__init__()
        self._started: list[BaseProcess] = []

    def Process(self, *args: Any, **kwargs: Any) -> BaseProcess:  # noqa: N802
        process = super().Process(*args, **kwargs)
        self._started.append(process)
        return process

    def terminate(self) -> None:
        """Ends them, whatever they are at."""
        for process in self._started:
            if process.pid is not None:
                process.terminate()


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Lets Ctrl-C wait; processes that are started meanwhile never see it, from their first moment on."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows.
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _end_with_parent() -> None:
    """Lets a worker end when its parent is gone, even one that was killed, and leave Ctrl-C to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
