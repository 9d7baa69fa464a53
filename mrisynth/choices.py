"""Enums whose members users write as plain words, in flags and in JSON."""

from __future__ import annotations

import enum


class Choice(str, enum.Enum):
    """One of a few words; equal to the word, and written like it."""

    def __str__(self) -> str:
        return self.value
