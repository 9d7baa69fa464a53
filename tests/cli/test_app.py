import os
import re
import shlex
import signal
import subprocess
import sys

import pytest
from absl import flags

from mrisynth import __version__
from mrisynth.cli import (
    app,
    benchmark_flags,
    compare_flags,
    evaluate_flags,
    export_flags,
    generate_flags,
    prepare_flags,
    query_flags,
    train_flags,
)
from mrisynth.comparison import plan
from mrisynth.errors import UserError
from mrisynth.phantoms.dataset import write_phantoms
from tests.programs import ROOT, TRAIN, call

DESCRIPTION = "Counts.\n\n    count --steps=3\n"


def define(values):
    flags.DEFINE_integer("steps", 1, "How far.", flag_values=values, module_name="Counting")
    flags.DEFINE_string("name", None, "Of whom.", flag_values=values, module_name="Others")


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a program with a command line; returns what it printed."""

    def run(*arguments, program=lambda values: print(values.steps, values.name)):
        monkeypatch.setattr("sys.argv", ["count", *arguments])
        app.run(program, define, DESCRIPTION)
        return capsys.readouterr().out

    return run


def test_a_program_gets_its_flags(run):
    assert run() == "1 None\n"
    assert run("--steps=3", "--name", "x") == "3 x\n"


def test_flags_of_two_programs_may_have_one_name(run):
    assert run("--steps=3") == "3 None\n"
    assert run() == "1 None\n"


@pytest.mark.parametrize("flag", ["--help", "-h", "-help", "--helpfull"])
def test_help_shows_description_and_flags_by_group(run, flag):
    said = run(flag, "--steps=x")
    assert said.startswith("Counts.\n\n    count --steps=3")
    assert said.index("Counting:") < said.index("--steps: How far.") < said.index("Others:")
    assert "  --steps: How far. (default: 1)\n" in said
    assert "--name: Of whom.\n" in said
    assert "quickstart.flags" in said


def test_version(run):
    assert run("--version") == f"mrisynth {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--step=3"], "--step is not a flag of this program; did you mean --steps. --help lists them"),
        (["--weight=3"], "--weight is not a flag of this program; --help lists them"),
        (["--steps=x"], "--steps=x"),
        (["3"], "'3' is not a flag; options are written --name=value"),
        (["--flagfile=no.flags"], "--flagfile=no.flags is not a file, nor one .*quickstart.flags"),
        (["--flagfile"], "--flagfile= is not a file"),
    ],
)
def test_wrong_command_lines_are_one_sentence(run, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        run(*arguments)
    assert ended.value.code == 1
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("error: ")
    with pytest.raises(UserError, match=message):
        raise UserError(line)
    assert said.out == ""


def test_what_a_user_can_put_right_is_one_line(run, capsys):
    def fail(_):
        raise UserError("--steps is\n  odd")

    with pytest.raises(SystemExit) as ended:
        run(program=fail)
    assert ended.value.code == 1
    assert capsys.readouterr().err == "error: --steps is odd\n"


def test_an_interrupted_program_says_so(run, capsys):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run(program=interrupt)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


@pytest.mark.parametrize("phase", ["importing", "importing TensorFlow", "running", "running twice"])
def test_ctrl_c_ends_a_program_in_one_line_at_any_time(phase):
    moments = {
        "importing": "interrupt()",
        "importing TensorFlow": "sys.modules['tensorflow'] = mock.MagicMock(); "
        "import_tensorflow(start=interrupt)",
        "running": "run(lambda _: interrupt(), lambda _: None, '')",
        "running twice": "run(lambda _: clean_up(), lambda _: None, '')",
    }
    program = (
        "from mrisynth.cli.app import *; import functools, signal; from unittest import mock\n"
        "sys.argv[1:] = []; interrupt = functools.partial(signal.raise_signal, signal.SIGINT)\n"
        "def clean_up():\n"
        "    try: interrupt()\n"
        "    finally: interrupt(); print('clean')\n"
        f"{moments[phase]}; print('goes on')"
    )
    program = "import sys\n" + program
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")
    assert ended.stdout == ("clean\n" if phase == "running twice" else "")


# Like compilation: so long Python runs no handlers.
BLOCKED = """
import hashlib, sys, threading, mrisynth.cli.app as app
sys.argv[1:] = []
def block(_):
    threading.Timer(0.3, print, ["busy"], {{"flush": True}}).start()
    hashlib.pbkdf2_hmac("sha512", b"", b"", {rounds})
app.run(block, lambda _: None, "")
"""


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_is_acknowledged_at_once_where_python_is_kept_from_its_handlers(times):
    program = BLOCKED.format(rounds={1: 4 * 10**6, 2: 10**8}[times])
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, **pipes)
    try:
        assert process.stdout.readline() == "busy\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "\n"
        assert process.stderr.readline().startswith("stopping as soon as TensorFlow can be interrupted")
        assert process.poll() is None
        if times == 2:
            process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=30)[1] == "interrupted\n"
        assert process.returncode == 130
    finally:
        process.kill()


def test_ctrl_c_is_acknowledged_at_once_where_putting_away_takes_a_while():
    program = (
        "from mrisynth.cli.app import *; import signal\n"
        "def work(_):\n"
        "    try: signal.raise_signal(signal.SIGINT)\n"
        "    finally: time.sleep(1)\n"
        "sys.argv[1:] = []; run(work, lambda _: None, '')"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert ended.returncode == 130
    assert ended.stderr == "\nstopping when what was begun is put away\ninterrupted\n"


def test_an_explicit_flag_beats_a_flagfile_wherever_it_stands(run, tmp_path):
    path = tmp_path / "x.flags"
    path.write_text("# Some.\n--steps=5\n--name=y\n")
    assert run(f"--flagfile={path}") == "5 y\n"
    assert run("--steps=3", f"--flagfile={path}") == "3 y\n"
    assert run("--flagfile", str(path), "--steps=3") == "3 y\n"


@pytest.mark.parametrize(
    ("program_flags", "arguments"),
    [
        (train_flags, ["--run_dir=~/a", "--data_dir=~/b"]),
        (train_flags, ["--run_dir=~/a"]),
        (prepare_flags, ["--input=~/a,~/b", "--input=~/c", "--output=~/d", "--masks=~/e"]),
        (evaluate_flags, ["--run_dir=~/a", "--data_dir=~/b", "--features=~/c"]),
        (evaluate_flags, ["--saved_model=~/a", "--data_dir=~/b", "--output=~/c"]),
        (export_flags, ["--run_dir=~/a", "--output=~/b", "--data_dir=~/c"]),
        (generate_flags, ["--saved_model=~/a", "--interpolate=~/b.gif"]),
        (
            generate_flags,
            ["--saved_model=~/a", "--output=~/b", "--count=1", "--filter_copies", "--data_dir=~/c"],
        ),
        (query_flags, ["--model=m", "--output=~/a"]),
        (benchmark_flags, ["--data_dir=~/a"]),
    ],
)
def test_every_path_may_begin_with_a_tilde(program_flags, arguments, parse_flags, monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    config = repr(parse_flags(program_flags, *arguments))
    assert "~" not in config
    given = sum(argument.count("~") for argument in arguments)
    assert config.count("/home/someone/") >= given


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_a_program_ends_quietly_once_nobody_reads_its_output(flag):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as output:
        ended = subprocess.run(
            [sys.executable, "-m", "mrisynth.main", flag], stdout=output, stderr=subprocess.PIPE, text=True
        )
    assert (ended.returncode, ended.stderr) == (141, "")


def test_names_that_the_screen_has_no_letters_for_are_printed_all_the_same():
    program = (
        "import sys; from mrisynth.cli import app; sys.argv[1:] = []\n"
        "app.run(lambda _: print('K\\xf6pfe', '\\udcff'), lambda _: None, '')"
    )
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("K\\xf6pfe \\udcff\n", "")


PROGRAMS = {
    TRAIN: ("train", train_flags),
    "tools/prepare_data.py": ("prepare", prepare_flags),
    "tools/evaluate.py": ("evaluate", evaluate_flags),
    "tools/export.py": ("export", export_flags),
    "tools/generate.py": ("generate", generate_flags),
    "tools/query_serving.py": ("query", query_flags),
    "tools/benchmark.py": ("benchmark", benchmark_flags),
    "tools/compare.py": ("compare", compare_flags),
}


def examples(program):
    """The commands that --help shows before the first flag, as lists of words."""
    ended = call(program, "--help")
    assert (ended.returncode, ended.stderr) == (0, "")
    lines = re.findall(r"^    (mrisynth-.*)$", ended.stdout.replace("\\\n", ""), re.M)
    return [shlex.split(line) for line in lines]


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_opens_with_a_sentence_and_two_examples_that_can_be_carried_out(
    program, parse_flags, monkeypatch
):
    monkeypatch.setattr(plan, "available_cores", lambda: 2)  # One of the examples uses them.
    name, program_flags = PROGRAMS[program]
    sentence, _, rest = call(program, "--help").stdout.partition("\n")
    assert re.fullmatch(r"[A-Z][^.]*\.", sentence)
    assert rest.startswith(f"\n    mrisynth-{name} --")
    found = examples(program)
    assert len(found) >= 2
    for command, *arguments in found:
        assert command == f"mrisynth-{name}"
        parse_flags(program_flags, *arguments)


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_is_short_and_knows_only_flags_that_are_ours(program):
    said = call(program, "-h").stdout
    assert said.count("\n  --") > 4
    assert "--flagfile=NAME reads flags from a file" in said
    assert not re.search("alsologtostderr|only_check_args|undefok|tf_xla", said)
    assert call(program, "--version").stdout == f"mrisynth {__version__}\n"
    assert call(program, "--help", "--helpfull").stdout == said


def test_help_comes_without_tensorflow():
    program = (
        "import contextlib, importlib, io, sys\n"
        "for name in ('main', 'cli.prepare', 'cli.evaluate', 'cli.export', 'cli.generate', 'cli.query', "
        "'cli.benchmark', 'cli.compare'):\n"
        "    sys.argv[1:] = ['--help']\n"
        "    program = importlib.import_module('mrisynth.' + name)\n"
        "    with contextlib.redirect_stdout(io.StringIO()): program.main()\n"
        "print(sorted({'tensorflow', 'keras', 'jax', 'torch'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_examples_work_as_printed(tmp_path, monkeypatch):
    write_phantoms(tmp_path / "runs" / "quickstart" / "phantoms" / "scans", subjects=3)
    monkeypatch.chdir(tmp_path)
    for program in ("tools/prepare_data.py", "tools/generate.py"):
        for _, *arguments in examples(program)[:2]:
            ended = call(program, *arguments)
            assert ended.returncode == 0, ended.stderr
    written = {path.name for path in tmp_path.iterdir()}
    assert written == {"runs", "data", "data_32", "images", "way.gif"}
