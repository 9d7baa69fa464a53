"""Trains and evaluates the runs of a comparison, each in processes of its own."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from mrisynth import screen
from mrisynth.comparison.plan import ComparisonConfig, PlannedRun
from mrisynth.comparison.results import evaluation_of, is_as_asked
from mrisynth.training.interruption import Interrupted, StopRequest

TRAIN = (sys.executable, "-m", "mrisynth.main")
EVALUATE = (sys.executable, "-c", "from mrisynth.cli.evaluate import main; main()")

_POLL_SECONDS = 1.0
_TAIL = 4096


def carry_out(config: ComparisonConfig, after_each: Callable[[], object]) -> dict[str, str]:
    """Trains and evaluates every run that has not been, as many at a time as there are jobs.

    Every run has one line on the screen, the newest that its own program has said.

    Args:
        config: The comparison.
        after_each: Called whenever a run has been evaluated.

    Returns:
        Why a run has failed, by its name; the others are carried out all the same.

    Raises:
        Interrupted: On SIGINT or SIGTERM, when the runs at hand have written their checkpoints.
    """
    waiting = [run for run in config.runs if _due(run, config)]
    jobs: list[_Job] = []
    failures = {}
    with StopRequest() as stop_request, _Screen(config) as screen:
        try:
            while jobs or waiting:
                while waiting and len(jobs) < config.jobs:
                    slot = min(set(range(config.jobs)) - {job.slot for job in jobs})
                    jobs.append(_Job(waiting.pop(0), config, slot))
                screen.show(jobs, len(waiting))
                time.sleep(_POLL_SECONDS)
                if stop_request.signal_number:
                    raise Interrupted(stop_request.signal_number)
                for job in [job for job in jobs if job.has_ended()]:
                    jobs.remove(job)
                    screen.end(job)
                    if job.failure:
                        failures[job.run.name] = job.failure
                    else:
                        after_each()
        finally:
            for job in jobs:
                job.stop()
            for job in jobs:
                job.wait()
    return failures


def _due(run: PlannedRun, config: ComparisonConfig) -> Sequence[str]:
    """The next command of a run; none if it has been trained and evaluated."""
    results = evaluation_of(run)
    if results is None:
        return (*TRAIN, *run.arguments)
    if is_as_asked(results, config):
        return ()
    asked = (f"--images={config.images}", f"--utility={config.utility}")
    return (*EVALUATE, f"--run_dir={run.training.run_dir}", *asked)


class _Job:
    """A run on its way.

    Args:
        run: The run.
        config: The comparison.
        slot: Number of the job, which says what share of the cores it has.

    Attributes:
        failure: What the program has said at last, if it has failed; else empty.
    """

    def __init__(self, run: PlannedRun, config: ComparisonConfig, slot: int) -> None:
        self.run = run
        self.slot = slot
        self.failure = ""
        self._config = config
        self._start = time.monotonic()
        run.log.parent.mkdir(parents=True, exist_ok=True)
        self._begin(_due(run, config))

    def _begin(self, command: Sequence[str]) -> None:
        self._command = command
        with self.run.log.open("ab") as log:
            self._log_start = log.tell()
            # In a session of its own, Ctrl-C does not reach it: it is asked to stop once, by this process.
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self._config.jobs > 1 and hasattr(os, "sched_setaffinity"):
            cores = sorted(os.sched_getaffinity(0))[self.slot :: self._config.jobs]
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(self._process.pid, cores)

    @property
    def seconds(self) -> float:
        """For how long it has been on its way."""
        return time.monotonic() - self._start

    def last_line(self) -> str:
        """What the program has said at last."""
        with self.run.log.open("rb") as log:
            log.seek(max(self._log_start, self.run.log.stat().st_size - _TAIL))
            text = log.read().decode("utf-8", "replace")
        return ([line.strip() for line in re.split(r"[\r\n]", text) if line.strip()] or ["starting"])[-1]

    def has_ended(self) -> bool:
        """Whether all is done or has failed; begins the next command if there is one."""
        status = self._process.poll()
        if status is None:
            return False
        due = _due(self.run, self._config)
        if status == 0 and due and due != self._command:
            self._begin(due)
            return False
        if status or due:
            self.failure = self.last_line()
        return True

    def stop(self) -> None:
        """Asks the program to write a checkpoint and to end."""
        self._process.terminate()

    def wait(self) -> None:
        """Waits for the end of the program."""
        self._process.wait()


class _Screen:
    """A line for each run on its way, and one for the comparison with the time left."""

    def __init__(self, config: ComparisonConfig) -> None:
        self._total = len(config.runs)
        self._seconds: list[float] = []
        self._jobs = config.jobs
        self._runs = [""] * config.jobs
        self._status = screen.Status(config.jobs + 1)

    def __enter__(self) -> _Screen:
        return self

    def __exit__(self, *_: object) -> None:
        self._status.close()

    def show(self, jobs: Sequence[_Job], waiting: int) -> None:
        """Shows how far everything has come."""
        for job in jobs:
            self._runs[job.slot] = f"{job.run.name}: {job.last_line()}"
        done = self._total - waiting - len(jobs)
        left = ""
        if self._seconds:
            each = sum(self._seconds) / len(self._seconds)
            seconds = each * waiting + sum(max(0.0, each - job.seconds) for job in jobs)
            left = f", about {screen.duration(seconds / self._jobs)} left"
        self._status.show([*self._runs, f"{done} of {self._total} runs done{left}"])

    def end(self, job: _Job) -> None:
        """Leaves a line of a run that has ended."""
        if job.failure:
            screen.say(f"{job.run.name}: failed after {screen.duration(job.seconds)}")
        else:
            self._seconds.append(job.seconds)
            screen.say(f"{job.run.name}: done in {screen.duration(job.seconds)}")
