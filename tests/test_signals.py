import signal
import threading

import pytest

from mrisynth.signals import heard_at_once


@pytest.fixture
def noted(monkeypatch):
    """Numbers of the signals whose handler Python has run."""
    noted = []
    before = signal.signal(signal.SIGTERM, lambda number, _: noted.append(number))
    yield noted
    signal.signal(signal.SIGTERM, before)


def test_a_signal_is_heard_in_a_thread_and_handled_as_ever(noted):
    heard, done = [], threading.Event()

    def react(number):
        heard.append((number, threading.current_thread() is threading.main_thread()))
        done.set()

    with heard_at_once(react):
        signal.raise_signal(signal.SIGTERM)
        assert done.wait(10)
    assert heard == [(signal.SIGTERM, False)]
    assert noted == [signal.SIGTERM]


def test_only_the_innermost_context_hears(noted):
    outer, inner, done = [], [], threading.Event()
    with heard_at_once(lambda number: (outer.append(number), done.set())):
        with heard_at_once(inner.append):
            pass
        signal.raise_signal(signal.SIGTERM)
        assert done.wait(10)
    assert (outer, inner) == ([signal.SIGTERM], [])
    assert signal.set_wakeup_fd(-1) == -1


def test_other_threads_hear_nothing():
    seen = []

    def run():
        with heard_at_once(seen.append):
            seen.append("inside")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == ["inside"]
