import errno
import os
import pathlib
import subprocess
import sys
import types

import pytest

from mrisynth.locking import LockedError, exclusive

HOLD = """
import pathlib, sys
from mrisynth.locking import exclusive
with exclusive(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    environment = {**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parents[1])}
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_lock_is_held_by_one_alone_and_leaves_nothing_behind(tmp_path):
    for _ in range(2):
        with exclusive(tmp_path / "lock"):
            with pytest.raises(LockedError, match="lock"), exclusive(tmp_path / "lock"):
                pass
            assert (tmp_path / "lock").exists()
        assert not (tmp_path / "lock").exists()


def test_a_lock_is_released_when_its_work_fails(tmp_path):
    with pytest.raises(RuntimeError), exclusive(tmp_path / "lock"):
        raise RuntimeError
    with exclusive(tmp_path / "lock"):
        pass


def test_a_killed_process_leaves_its_lock_to_others(holder, tmp_path):
    with pytest.raises(LockedError), exclusive(tmp_path / "lock"):
        pass
    holder.kill()
    holder.wait()
    with exclusive(tmp_path / "lock"):
        pass


def refuse(*_):
    raise OSError(errno.ENOSYS, "Function not implemented")


def test_where_flock_is_unknown_the_locks_of_posix_hold(holder, tmp_path, monkeypatch, capsys):
    fcntl = pytest.importorskip("fcntl")
    calls = []
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", lambda *arguments: calls.append(arguments))
    with exclusive(tmp_path / "another"):
        assert len(calls) == 1
    assert capsys.readouterr().err == ""


def test_windows_locks_a_byte(tmp_path, monkeypatch):
    held = set()

    def locking(descriptor, mode, count):
        assert (mode, count) == (2, 1)
        file = os.fstat(descriptor).st_ino
        if file in held:
            raise PermissionError(errno.EACCES, "Permission denied")
        held.add(file)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", types.SimpleNamespace(locking=locking, LK_NBLCK=2))
    with exclusive(tmp_path / "lock"), pytest.raises(LockedError), exclusive(tmp_path / "lock"):
        pass


def test_without_any_lock_a_note_is_on_the_screen_and_the_work_goes_on(tmp_path, monkeypatch, capsys):
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)
    with exclusive(tmp_path / "lock"):
        pass
    assert f"{tmp_path} knows no locks" in capsys.readouterr().err


def test_a_file_that_its_former_holder_removes_meanwhile_is_no_lock(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "lock"
    flock, calls = fcntl.flock, []

    def late(descriptor, mode):
        flock(descriptor, mode)
        if not calls:
            path.unlink()  # as the former holder does just before it lets go
        calls.append(descriptor)

    monkeypatch.setattr(fcntl, "flock", late)
    with exclusive(path):
        assert len(calls) == 2
        assert path.exists()
