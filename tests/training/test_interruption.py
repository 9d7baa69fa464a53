import signal
import threading

import pytest

from mrisynth.training.interruption import Interrupted, StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_is_not(number):
    before = signal.getsignal(number)
    with StopRequest() as request:
        assert request.signal_number == 0
        signal.raise_signal(number)
        assert request.signal_number == number
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before


def test_handlers_are_put_back_without_a_signal():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_other_threads_leave_signals_alone():
    seen = []

    def run():
        with StopRequest() as request:
            seen.append((request.signal_number, signal.getsignal(signal.SIGTERM)))

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [(0, before)]


def test_an_interruption_says_by_what():
    assert str(Interrupted(signal.SIGTERM)) == "SIGTERM"
    assert Interrupted(signal.SIGTERM).signal_number == signal.SIGTERM
