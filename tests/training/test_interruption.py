import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

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


def test_a_signal_is_acknowledged_at_once_and_a_second_one_ends_the_program():
    program = (
        "from mrisynth.cli import app\n"
        "from mrisynth.training.interruption import StopRequest\n"
        "import hashlib\n"
        "with StopRequest():\n"
        "    print('busy', flush=True)\n"
        # Like compilation: a minute in which Python runs no handlers.
        "    hashlib.pbkdf2_hmac('sha512', b'', b'', 10**8)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith("stopping: the iteration at hand ends first")
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[1] == "interrupted\n"
        assert process.returncode == 130
    finally:
        process.kill()


def test_an_interruption_says_by_what():
    assert str(Interrupted(signal.SIGTERM)) == "SIGTERM"
    assert Interrupted(signal.SIGTERM).signal_number == signal.SIGTERM
