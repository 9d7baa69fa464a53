import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from mrisynth.data.storing.exit_guard import ExitGuard

READ_AHEAD = """
import sys
from mrisynth.data import open_dataset
batches = iter(open_dataset(sys.argv[1], 64, 64))
for _ in range(20):
    next(batches)
"""


def test_reads_that_go_on_are_waited_for_and_no_more_begin():
    guard = ExitGuard()
    started, ended = threading.Event(), []

    def read(name):
        started.set()
        time.sleep(0.3)
        ended.append(name)
        return name

    watched = guard.watch(read)
    thread = threading.Thread(target=watched, args=("first",))
    thread.start()
    started.wait()
    guard.wait()
    assert ended == ["first"]
    with pytest.raises(StopIteration):
        watched("second")
    assert ended == ["first"]
    thread.join()


def test_without_reads_nothing_is_waited_for():
    start = time.monotonic()
    ExitGuard().wait()
    assert time.monotonic() - start < 0.1


def test_a_read_that_fails_is_no_longer_waited_for():
    guard = ExitGuard()
    with pytest.raises(ZeroDivisionError):
        guard.watch(lambda: 1 / 0)()
    guard.wait()


@pytest.mark.slow
def test_a_program_ends_while_batches_are_read_ahead(data_dir):
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for _ in range(3):
        command = [sys.executable, "-c", READ_AHEAD, str(data_dir)]
        subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True)
