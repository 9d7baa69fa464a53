"""What programs show while they work: bars in a terminal, elsewhere one plain line a minute.

Elsewhere is a file or a pipe, as behind a batch system, where a bar would be drawn anew some thousand times.
Everything goes to standard error.
"""

from __future__ import annotations

import math
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

LINE_SECONDS = 60.0
"""Seconds from one line to the next, of all bars together."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# (less than so many seconds, seconds in a unit, its name)
_UNITS = (
    (90, 1, "s"),
    (90 * _MINUTE, _MINUTE, "minutes"),
    (48 * _HOUR, _HOUR, "hours"),
    (60 * _DAY, _DAY, "days"),
    (730 * _DAY, 30.4 * _DAY, "months"),
    (math.inf, 365.25 * _DAY, "years"),
)

_last_line = time.monotonic()


def duration(seconds: float) -> str:
    """A duration in the words a person would use, such as "45 s", "3.5 hours" or "14 months"."""
    unit, name = next((unit, name) for limit, unit, name in _UNITS if seconds < limit)
    count = seconds / unit
    return f"{count:,.1f} {name}" if 0 < count < 9.95 else f"{count:,.0f} {name}"


def say(text: str) -> None:
    """Writes a line, above the bars where there are any."""
    tqdm.write(text, file=sys.stderr)


def _is_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()


def _line_is_due() -> bool:
    """Whether the last line, of whatever bar, is a minute old; if so, a new one is taken to be written."""
    global _last_line
    now = time.monotonic()
    if now - _last_line < LINE_SECONDS:
        return False
    _last_line = now
    return True


_open: weakref.WeakSet[Bar] = weakref.WeakSet()


class Bar:
    """Shows how much of something is done, for as long as its context lasts.

    There is one bar at a time: what works behind one shows none of its own.

    Args:
        title: What is being done, such as "reading train".
        total: How much there is to do.
        unit: What is counted, in the plural.
        done: How much is done already.
        shown: Whether to show anything.
        stays: Whether the bar stays on the screen when all is done.
        delay: Seconds before which a bar is not shown.
        layout: How tqdm is to lay the bar out, if not in its own way.
    """

    def __init__(
        self,
        title: str,
        total: int,
        *,
        unit: str = "",
        done: int = 0,
        shown: bool = True,
        stays: bool = False,
        delay: float = 0,
        layout: str | None = None,
    ) -> None:
        self._title, self._total, self._unit = title, total, unit
        self._done = self._first = done
        self._note = ""
        self._start = time.monotonic()
        terminal, shown = _is_terminal(), shown and not _open
        if shown:
            _open.add(self)
        self._lines = shown and not terminal
        self._bar = tqdm(
            total=total,
            initial=done,
            desc=title,
            unit=f" {unit}" if unit else "it",
            leave=stays,
            delay=delay,
            bar_format=layout,
            dynamic_ncols=True,
            disable=not (shown and terminal),
        )

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def note(self, text: str) -> None:
        """Shows something behind the count, before anything is done."""
        self._note = text
        self._bar.set_postfix_str(text)

    def update(self, count: int = 1, note: str = "", details: Callable[[], str] | None = None) -> None:
        """Counts what has been done.

        Args:
            count: How much more is done.
            note: What is shown behind the count from now on; as long as there is none, the time left.
            details: Gives what only a line has room for; called when one is due.
        """
        self._done += count
        if note:
            self._note = note
            self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(count)
        if self._lines and _line_is_due():
            counted = f"{self._done:,} of {self._total:,} {self._unit}".rstrip()
            parts = [counted, details() if details else "", self._note or self._left()]
            say(f"{self._title.strip()}: {', '.join(filter(None, parts))}")

    def _left(self) -> str:
        done = self._done - self._first
        if not done:
            return ""
        seconds = (time.monotonic() - self._start) / done * (self._total - self._done)
        return f"{duration(seconds)} left"

    def close(self) -> None:
        """Takes the bar off the screen, unless it is to stay."""
        _open.discard(self)
        self._bar.close()


def counted(items: Iterable[T], title: str, total: int | None = None, *, delay: float = 0) -> Iterator[T]:
    """Goes through some items behind a bar.

    Args:
        items: The items.
        title: What is being done.
        total: How many there are, where they have no length.
        delay: Seconds before which the bar is not shown.
    """
    with Bar(title, len(items) if total is None else total, delay=delay) as bar:
        for item in items:
            yield item
            bar.update()


class Status:
    """Some lines that are rewritten in their places in a terminal; elsewhere all are one, once a minute.

    Args:
        count: How many lines.
    """

    def __init__(self, count: int) -> None:
        self._terminal = _is_terminal()
        self._lines = [
            tqdm(
                bar_format="{desc}",
                position=position,
                leave=False,
                dynamic_ncols=True,
                disable=not self._terminal,
            )
            for position in range(count)
        ]

    def show(self, texts: Sequence[str]) -> None:
        """Shows the lines as they are now."""
        if not self._terminal:
            if _line_is_due():
                say("; ".join(filter(None, texts)))
            return
        for line, text in zip(self._lines, texts, strict=True):
            if line.desc != text:
                line.set_description_str(text)

    def close(self) -> None:
        """Takes the lines off the screen."""
        for line in reversed(self._lines):
            line.close()
