"""The programs of mrisynth as a user starts them.

`start` gives a program a process of its own, which takes seconds to import TensorFlow. `call` runs it in this
one: the same arguments, output and exit status, for the many tests that look at a sentence or at files.
"""

import contextlib
import dataclasses
import io
import os
import pathlib
import re
import runpy
import subprocess
import sys
import time
from unittest import mock

from mrisynth.cli import app

ROOT = pathlib.Path(__file__).parents[1]
TRAIN = "mrisynth.main"


@dataclasses.dataclass(frozen=True)
class Ended:
    """How a program ended, and what it said."""

    returncode: int
    stdout: str
    stderr: str


def command(program, *arguments):
    """A program's command line.

    Args:
        program: TRAIN, or the path of a tool such as "tools/evaluate.py".
        arguments: Its flags.
    """
    name = ["-m", TRAIN] if program == TRAIN else [str(ROOT / program)]
    return [sys.executable, *name, *map(str, arguments)]


def begin(program, *arguments, environment=None, **options):
    """Begins a program in a process of its own, from the repository's folder if not told otherwise."""
    return subprocess.Popen(
        command(program, *arguments),
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **{"cwd": ROOT, **options},
    )


def start(program, *arguments, **options):
    """Runs a program to its end in a process of its own."""
    process = begin(program, *arguments, **options)
    output, errors = process.communicate()
    return Ended(process.returncode, output, errors)


def call(program, *arguments):
    """Runs a program in this process, with the TensorFlow that is there."""
    output, errors = io.StringIO(), io.StringIO()
    try:
        with (
            mock.patch.object(sys, "argv", [str(program), *map(str, arguments)]),
            mock.patch.object(app, "import_tensorflow", _already_imported),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            if program == TRAIN:
                program = "mrisynth/main.py"
            runpy.run_path(str(ROOT / program), run_name="__main__")
    except SystemExit as ended:
        return Ended(ended.code or 0, output.getvalue(), errors.getvalue())
    raise AssertionError("the program has not ended by itself")


def _already_imported(logical_cpus=1, gpus=None, start=lambda: None):
    return start()


def check_refusal(ended, message):
    """Checks that a program said one sentence and nothing else, and ended with status 1."""
    assert ended.returncode == 1
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert re.search(message, line), line


def wait_for(condition, *processes, seconds=240):
    """Waits until a condition holds, for as long as processes run."""
    deadline = time.monotonic() + seconds
    while not condition():
        ended = [process for process in processes if process.poll() is not None]
        assert not ended, [process.communicate() for process in ended]
        assert time.monotonic() < deadline
        time.sleep(0.01)
