"""How every program of mrisynth starts and fails: quietly.

Import this module before TensorFlow: it silences TensorFlow's start-up messages, which are read from the
environment only once. `main` and the tools hand their main function to `run`.
"""

from __future__ import annotations

import os
import pathlib
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
warnings.filterwarnings("ignore", message=".*Protobuf gencode version.*")

from absl import app, flags, logging  # noqa: E402  (after the environment is set)

from mrisynth import keras_backend  # noqa: E402
from mrisynth.errors import UserError  # noqa: E402

keras_backend.defer_tensorflow()
try:
    keras_backend.require_tensorflow()
except ImportError as error:
    sys.exit(f"error: {error}")

T = TypeVar("T")


def parse_flags(arguments: Sequence[str]) -> list[str]:
    """Parses a command line, the program's name first.

    Flagfiles are read first, wherever they stand, so that an explicit flag beats them.

    Returns:
        The program's name.

    Raises:
        UserError: If a flag or flagfile is wrong, in place of absl's own report.
    """
    name, *given = arguments
    files, others = _take_flagfiles(given)
    for path in files:
        if not pathlib.Path(path).is_file():
            raise UserError(f"--flagfile={path} is not a file; flags/ holds those that come with mrisynth")
    try:
        rest = flags.FLAGS([name, *(f"--flagfile={path}" for path in files), *others])
    except flags.UnrecognizedFlagError as error:
        raise UserError(f"--{error.flagname} is not a flag of this program; --help lists them") from error
    except flags.Error as error:
        raise UserError(str(error)) from error
    if len(rest) > 1:
        raise UserError(f"'{rest[1]}' is not a flag; options are written --name=value (see --help)")
    return rest


def _take_flagfiles(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Divides arguments into the paths of flagfiles and the rest."""
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
        with pathlib.Path(os.devnull).open("w") as nowhere:
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


def fail(error: UserError) -> None:
    """Prints the error's one sentence and ends the program with exit status 1."""
    sys.stderr.write(f"error: {' '.join(str(error).split())}\n")
    sys.exit(1)


def _show_in_help() -> None:
    """Lets --help list our flags, which are defined in `options` and not in the program's own file."""
    for module, defined in flags.FLAGS.flags_by_module_dict().items():
        if module.startswith("mrisynth."):
            for flag in defined:
                flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)


def run(main: Callable[[], None]) -> None:
    """Parses the flags, runs `main`, and turns a `UserError` into one line and exit status 1."""

    def guarded(_: list[str]) -> None:
        try:
            main()
        except UserError as error:
            fail(error)
        except KeyboardInterrupt:
            sys.stderr.write("interrupted\n")
            sys.exit(130)

    _show_in_help()
    logging.set_verbosity(logging.ERROR)
    logging.set_stderrthreshold("error")
    try:
        app.run(guarded, flags_parser=parse_flags)
    except UserError as error:
        fail(error)
