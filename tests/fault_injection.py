"""A file system whose n-th call fails, for whatever Python writes below a folder.

TensorFlow writes past Python; `through_python` has its files copied by Python, so that these calls count.
"""

import builtins
import collections
import contextlib
import errno
import io
import os
import pathlib
import shutil
import tempfile
import threading

from tests import folders

PATHS = ("mkdir", "rename", "replace", "rmdir", "unlink")
ERROR, FULL, SHORT, KILLED = "input/output error", "full disk", "short write", "killed, power off"


class Killed(BaseException):
    """The process ends here; nothing that it does after this has any effect."""


class FaultyFiles:
    """Counts the calls that change what is below a folder, and makes one of them fail.

    Attributes:
        calls: Names of the calls so far, in order.
        met: Whether the fault has happened.
    """

    def __init__(self, root, fault=None, at=None):
        """Prepares a fault.

        Args:
            root: The folder.
            fault: ERROR fails this one call. FULL writes half, and nothing any more after it. SHORT writes
                half and says so. KILLED fails this call and all after it, and cuts off what was not synced.
            at: Which call is to fail, from 0.
        """
        self.root = os.path.realpath(root)
        self.calls = []
        self.met = False
        self._fault, self._at = fault, at
        self._lock = threading.Lock()
        self._unsynced = set()
        self._synced_sizes = {}
        self._opened = []

    def is_below(self, path, dir_fd=None):
        folder = pathlib.Path() if dir_fd is None else pathlib.Path(f"/proc/self/fd/{dir_fd}").readlink()
        return os.path.realpath(folder / os.fsdecode(path)).startswith(self.root)

    def count(self, name):
        """Whether the call is to be cut short; raises where it is to fail."""
        with self._lock:
            now = len(self.calls) == self._at
            self.calls.append(name)
            self.met |= now
        if self._fault == KILLED and self.met:
            raise Killed
        if now and self._fault == ERROR:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return self.met and name == "write" and (self._fault == FULL or (now and self._fault == SHORT))

    def write(self, file, content):
        whole = not self.count("write")
        self._unsynced.add(os.fstat(file.fileno()).st_ino)
        if whole:
            return io.FileIO.write(file, content)
        if self._fault == FULL and len(self.calls) - 1 > self._at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return io.FileIO.write(file, memoryview(content)[: max(1, len(content) // 2)])

    def fsync(self, descriptor):
        self.count("fsync")
        status = os.fstat(descriptor)
        self._unsynced.discard(status.st_ino)
        self._synced_sizes[status.st_ino] = status.st_size

    def lose_unsynced(self):
        """Cuts off what a power failure takes."""
        for path in pathlib.Path(self.root).rglob("*"):
            if path.is_file() and path.stat().st_ino in self._unsynced:
                status = path.stat()
                os.truncate(path, self._synced_sizes.get(status.st_ino, status.st_size // 2))

    @contextlib.contextmanager
    def installed(self, monkeypatch):
        """Takes the place of the file system; a process that is killed ends with the context."""
        with monkeypatch.context() as patch:
            patch.setattr(builtins, "open", self._opening(io.open))
            patch.setattr(io, "open", builtins.open)
            patch.setattr(os, "fsync", self.fsync)
            for name in PATHS:
                patch.setattr(os, name, self._counting(name, getattr(os, name)))
            with contextlib.suppress(Killed):
                yield
        if self._fault == KILLED and self.met:
            for file in self._opened:  # Their locks end with the process.
                file.close()
            self.lose_unsynced()

    def _counting(self, name, function):
        def call(path, *arguments, **settings):
            if self.is_below(path, settings.get("dir_fd")):
                self.count(name)
            return function(path, *arguments, **settings)

        return call

    def _opening(self, real_open):
        files = self

        class File(io.FileIO):
            def write(self, content):
                return files.write(self, content)

        def opened(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, **settings):
            if isinstance(file, int) or not set(mode) & set("wax+") or not files.is_below(file):
                return real_open(file, mode, buffering, encoding, errors, newline, **settings)
            files.count("open")
            raw = File(file, mode.replace("b", "").replace("t", ""))
            files._opened.append(raw)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        return opened


def through_python(write):
    """A function that writes as another one of TensorFlow's does, file by file with Python."""

    def written(first, path, *arguments, **settings):
        with tempfile.TemporaryDirectory() as elsewhere:
            target = pathlib.Path(path)
            result = write(first, f"{elsewhere}/{target.name}", *arguments, **settings)
            for source in sorted(pathlib.Path(elsewhere).rglob("*")):
                copy = target.parent / source.relative_to(elsewhere)
                if source.is_dir():
                    copy.mkdir(exist_ok=True)
                else:
                    copy.write_bytes(source.read_bytes())
        return result

    return written


class Trial:
    """Does some work again and again, with a fault at each of its calls in turn.

    Attributes:
        tried: How many faults were tried, by what they were.
    """

    def __init__(self, folder, monkeypatch, work, check):
        """Does the work undisturbed, and counts its calls.

        Args:
            folder: Empty; every attempt has a folder of its own in it.
            monkeypatch: Of the test.
            work: A function of an attempt's folder that raises `allowed` where it cannot write.
            check: A function of an attempt's folder, that of the undisturbed work, and whether the work said
                that it was done; asserts that all or nothing is there.
        """
        self._folder, self._monkeypatch, self._work, self._check = folder, monkeypatch, work, check
        self.tried = collections.Counter()
        self.whole = folder / "whole"
        self.whole.mkdir()
        files = FaultyFiles(self.whole)
        with files.installed(monkeypatch):
            work(self.whole)
        self.calls = files.calls

    def run(self, allowed, every=1):
        """Tries every so-manieth fault.

        Args:
            allowed: What the work may raise.
            every: 1 tries all.
        """
        faults = [
            (fault, at)
            for at, call in enumerate(self.calls)
            for fault in ((ERROR, FULL, SHORT, KILLED) if call == "write" else (ERROR, KILLED))
        ]
        for fault, at in faults[::every]:
            self._attempt(fault, at, allowed)

    def _attempt(self, fault, at, allowed):
        folder = self._folder / "attempt"
        folder.mkdir()
        files = FaultyFiles(folder, fault, at)
        done = False
        try:
            with files.installed(self._monkeypatch):
                self._work(folder)
                done = True
        except allowed as error:
            sentence = str(error)
            assert fault in (ERROR, FULL), sentence
            assert "\n" not in sentence
        assert files.met, f"{fault} at {at} did not happen"
        self.tried[fault] += 1
        try:
            self._check(folder, self.whole, done)
            self._work(folder)
            self._check(folder, self.whole, True)
        except BaseException as error:
            error.add_note(f"after {fault} at call {at}, {self.calls[at]}, of {self.calls}")
            raise
        shutil.rmtree(folder)


def contents(folder):
    """Every file that has its name, by its path; what lies aside has a name with a dot."""
    return {
        path: content
        for path, content in folders.contents(folder).items()
        if not any(part.startswith(".") for part in path.split("/"))
    }
