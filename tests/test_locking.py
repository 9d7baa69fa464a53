import errno
import os
import pathlib
import subprocess
import sys
import time
import types

import pytest

from mrisynth import locking
from mrisynth.errors import UserError
from mrisynth.locking import LockedError, exclusive, only_writer

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


@pytest.fixture
def no_locks(monkeypatch):
    """A file system such as Lustre, mounted without locks; beats are short, lest tests wait."""
    fcntl = pytest.importorskip("fcntl")
    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(fcntl, "lockf", refuse)
    monkeypatch.setattr(locking, "_BEAT", 0.02)
    monkeypatch.setattr(locking, "_WATCH", 0.5)


def test_without_any_lock_a_file_shows_who_is_alive_and_a_note_says_so(tmp_path, no_locks, capsys):
    with exclusive(tmp_path / "lock"):
        assert f"{tmp_path} knows no locks" in capsys.readouterr().err
        with pytest.raises(LockedError), exclusive(tmp_path / "lock"):
            pass
    assert list(tmp_path.iterdir()) == []


def test_without_any_lock_a_killed_process_leaves_its_file_to_others(tmp_path, no_locks):
    (tmp_path / "lock.owner").write_text("00000000000000000007")  # that no one writes to any more
    begun = time.monotonic()
    with exclusive(tmp_path / "lock"):
        assert time.monotonic() - begun > 0.5
        with pytest.raises(LockedError), exclusive(tmp_path / "lock"):
            pass


def test_a_folder_has_one_writer_and_a_refused_one_leaves_nothing(tmp_path):
    folder = tmp_path / "deep" / "run"
    with only_writer(folder, "--run_dir"):
        with (
            pytest.raises(UserError, match=r"--run_dir: another process is writing to .*run just now"),
            only_writer(folder, "--run_dir"),
        ):
            pass
        assert folder.is_dir()
    assert list(tmp_path.iterdir()) == []


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
