"""Enums whose members users write as plain words, in flags and in JSON."""

from __future__ import annotations

import enum

from mrisynth.errors import UserError


class Choice(str, enum.Enum):
    """One of a few words; equal to the word, and written like it."""

    def __str__(self) -> str:
        return self.value


def set_choice(config: object, name: str, kind: type[Choice]) -> None:
    """Makes a field of a frozen dataclass that may be a plain word a member of its enum.

    Raises:
        UserError: If there is no such member, naming the flag and the words that there are.
    """
    word = getattr(config, name)
    try:
        object.__setattr__(config, name, kind(word))
    except ValueError as error:
        raise UserError(f"--{name}={word} is not one of {', '.join(kind)}") from error
