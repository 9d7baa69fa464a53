"""How every program of mrisynth starts and fails: quietly, and in one sentence.

Import this module before TensorFlow: it silences TensorFlow's start-up messages, which are read from the
environment only once. Every program hands its flags and what it does to `run`.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import io
import math
import os
import pathlib
import select
import signal
import sys
import textwrap
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import TypeVar


def _leave(number: int, frame: FrameType | None, screen: int = 2) -> None:
    """Ends the program on Ctrl-C, at once: imports leave nothing behind, and some swallow exceptions."""
    os.write(screen, b"interrupted\n")
    os._exit(130)


def _hears_interrupts() -> bool:
    """Whether Ctrl-C is for this thread to handle, and is not ignored, as it is behind nohup."""
    is_main = threading.current_thread() is threading.main_thread()
    return is_main and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN


if _hears_interrupts():
    # From now on, for most of the first second goes into imports.
    signal.signal(signal.SIGINT, _leave)

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
warnings.filterwarnings("ignore", message=".*Protobuf gencode version.*")

from absl import flags, logging  # noqa: E402  (after the environment is set)

from mrisynth import __version__, keras_backend  # noqa: E402
from mrisynth.cli import shipped  # noqa: E402
from mrisynth.errors import UserError  # noqa: E402
from mrisynth.signals import heard_at_once  # noqa: E402

keras_backend.defer_tensorflow()
try:
    keras_backend.require_tensorflow()
except ImportError as error:
    sys.exit(f"error: {error}")

T = TypeVar("T")

_PIPE_STATUS = 128 + 13
"""The exit status of what SIGPIPE ends, which not every system has."""
_CLEANING_SECONDS = 5.0
_PATIENCE_SECONDS = 0.2

_HELP = ("--help", "-help", "-h", "--helpfull")
_WIDTH = 100
_EVERY_PROGRAM = (
    "--flagfile=NAME reads flags from a file, one a line, as they are written here; a flag on the command "
    "line beats it. Files that come with mrisynth: {}. --version says which mrisynth this is."
)


def run(
    program: Callable[[flags.FlagValues], None],
    define_flags: Callable[[flags.FlagValues], None],
    description: str,
) -> None:
    """Runs a program with the flags of the command line.

    A `UserError` becomes one line on standard error and exit status 1.

    Args:
        program: What the program does, given its flags.
        define_flags: Defines the flags.
        description: What --help says first.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the screen has no letters for must not end hours of work.
            stream.reconfigure(errors="backslashreplace")
    logging.use_absl_handler()
    logging.set_verbosity(logging.ERROR)
    logging.set_stderrthreshold("error")
    values = flags.FlagValues()
    define_flags(values)
    given = sys.argv[1:]
    with _quiet_once_nobody_reads():
        if any(argument in _HELP for argument in given):
            print(help_text(values, description))
        elif "--version" in given:
            print(f"mrisynth {__version__}")
        else:
            _run(lambda: (parse_flags(values, given), program(values)))


@contextlib.contextmanager
def _quiet_once_nobody_reads() -> Iterator[None]:
    """Ends the program without a word where whatever read its output is gone, as behind `| head`."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads(1):
            raise
        # What is left of the output must not fail once more when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(_PIPE_STATUS)


def _nobody_reads(pipe: int) -> bool:
    """Whether a file descriptor is that of a pipe whose other end is closed, where the system can tell."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(pipe, select.POLLOUT)
    return any(events & (select.POLLERR | select.POLLHUP) for _, events in poll.poll(0))


def _run(work: Callable[[], object]) -> None:
    """Does the work of a program; faults of a user and Ctrl-C are one line and an exit status."""
    try:
        with _interruptible():
            work()
    except UserError as error:
        sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        if signal.getsignal(signal.SIGINT) is _leave:
            # All is put away; another Ctrl-C is to change nothing about how the program ends.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        sys.stderr.write("interrupted\n")
        sys.exit(130)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Has Ctrl-C raise KeyboardInterrupt in the context, but not again while the program is cleaning up.

    What does not end at once is acknowledged at once. Where TensorFlow keeps Python from raising anything, a
    second Ctrl-C ends the program.
    """
    last, acknowledged = -math.inf, False
    raised, over = threading.Event(), threading.Event()

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal last
        raised.set()
        if time.monotonic() - last > _CLEANING_SECONDS:
            last = time.monotonic()
            raise KeyboardInterrupt

    def acknowledge(number: int) -> None:
        nonlocal acknowledged
        if number != signal.SIGINT:
            return
        if acknowledged and not raised.is_set():
            _leave(number, None, screen)
        if acknowledged or over.wait(_PATIENCE_SECONDS):
            return
        acknowledged = True
        wait = "as soon as TensorFlow can be interrupted; Ctrl-C again ends at once"
        until = "when what was begun is put away" if raised.is_set() else wait
        os.write(screen, f"\nstopping {until}\n".encode())

    if not _hears_interrupts():
        yield
        return
    screen = os.dup(2)  # While TensorFlow is imported, standard error itself leads nowhere.
    try:
        with _on_interrupt(interrupt), heard_at_once(acknowledge):
            try:
                yield
            finally:
                over.set()
    finally:
        os.close(screen)


@contextlib.contextmanager
def _on_interrupt(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Has a function handle Ctrl-C in the context, unless it is ignored or for another thread."""
    if not _hears_interrupts():
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def help_text(values: flags.FlagValues, description: str) -> str:
    """What --help prints: the description, then the flags by group, all in the order of their definitions."""
    groups = (
        "\n".join([f"{title}:", *map(_describe, members)])
        for title, members in values.flags_by_module_dict().items()
    )
    every = _filled(_EVERY_PROGRAM.format(_shipped_flagfiles()), "")
    return "\n\n".join([description.strip(), *groups, every])


def _describe(flag: flags.Flag) -> str:
    """A flag with what it does and its default."""
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    has_default = flag.default not in (None, "", [])
    default = " (default: {})".format(flag.default_as_str.strip("'")) if has_default else ""
    return _filled(f"{name}: {flag.help}{default}", "  ")


def _filled(text: str, indent: str) -> str:
    return textwrap.fill(
        text,
        _WIDTH,
        initial_indent=indent,
        subsequent_indent=4 * " " if indent else "",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _shipped_flagfiles() -> str:
    return ", ".join(sorted(path.name for path in shipped.FLAGFILES.glob("*.flags")))


def parse_flags(values: flags.FlagValues, arguments: Sequence[str]) -> None:
    """Parses a command line, without the program's name.

    Flagfiles are read first, wherever they stand, so that an explicit flag beats them.

    Raises:
        UserError: If a flag or flagfile is wrong.
    """
    names, others = _take_flagfiles(arguments)
    files = [shipped.flagfile(name) for name in names]
    for name, path in zip(names, files, strict=True):
        if not path.is_file():
            raise UserError(
                f"--flagfile={name} is not a file, nor one that comes with mrisynth ({_shipped_flagfiles()})"
            )
    try:
        # What flag values take for the program's name comes first.
        rest = values(["", *(f"--flagfile={path}" for path in files), *others])
    except flags.UnrecognizedFlagError as error:
        nearest = difflib.get_close_matches(error.flagname, list(values), n=1)
        advice = "".join(f"did you mean --{name}? " for name in nearest)
        raise UserError(
            f"--{error.flagname} is not a flag of this program; {advice}--help lists them"
        ) from error
    except flags.Error as error:
        raise UserError(str(error)) from error
    if len(rest) > 1:
        raise UserError(f"'{rest[1]}' is not a flag; options are written --name=value (see --help)")


def _take_flagfiles(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divides arguments into the names of flagfiles and the rest."""
    files, others = [], []
    remaining = iter(arguments)
    for argument in remaining:
        name, separator, path = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            others.append(argument)
        else:
            files.append(path if separator else next(remaining, ""))
    return files, others


def import_tensorflow(
    logical_cpus: int = 1,
    gpus: Sequence[int] | None = None,
    start: Callable[[], T] = lambda: None,
) -> T:
    """Imports TensorFlow without its start-up messages.

    Some are written before TensorFlow reads the level it should log at, so standard error is closed to it,
    below Python, until it has started. GPU memory is taken as it is needed, not all at once.

    Args:
        logical_cpus: How many devices the CPU is divided into.
        gpus: Numbers of the GPUs to use; all if None.
        start: What is to be the first that TensorFlow does, such as making a strategy over several machines.

    Returns:
        What `start` returns.

    Raises:
        UserError: If there is no GPU of such a number.
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with (
            _on_interrupt(functools.partial(_leave, screen=kept)),
            pathlib.Path(os.devnull).open("w") as nowhere,
        ):
            os.dup2(nowhere.fileno(), 2)
            import tensorflow as tf

            tf.get_logger().setLevel("ERROR")
            _choose_devices(logical_cpus, gpus)
            started = start()
            # Creating the first context writes the last of them.
            tf.config.list_logical_devices()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
    return started


def _choose_devices(logical_cpus: int, gpus: Sequence[int] | None) -> None:
    """Says which devices TensorFlow uses, before it looks at them."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    devices = [tf.config.LogicalDeviceConfiguration() for _ in range(logical_cpus)]
    tf.config.set_logical_device_configuration(cpu, devices)
    found = tf.config.list_physical_devices("GPU")
    if gpus is not None:
        missing = [number for number in gpus if not 0 <= number < len(found)]
        if missing:
            there = f"has GPUs 0 to {len(found) - 1}" if found else "has none"
            raise UserError(f"--gpus={missing[0]} is not there: TensorFlow {there} on this machine")
        found = [found[number] for number in gpus]
        tf.config.set_visible_devices(found, "GPU")
    for gpu in found:
        tf.config.experimental.set_memory_growth(gpu, True)
