"""How flags are defined from the fields of configurations, and become values of those fields.

Every program has flag values of its own, so that two programs can have flags of one name.
"""

from __future__ import annotations

import dataclasses
import enum
import inspect
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import flags

from mrisynth.errors import UserError

T = TypeVar("T")

_DEFINERS = {
    bool: flags.DEFINE_bool,
    int: flags.DEFINE_integer,
    float: flags.DEFINE_float,
}


def group(values: flags.FlagValues, title: str) -> dict[str, Any]:
    """Says where flags are defined, as keyword arguments of absl's functions and of `define_fields`.

    Args:
        values: The program's flags.
        title: What --help shows the flags under.
    """
    return {"flag_values": values, "module_name": title}


def define_fields(kind: type, names: Collection[str], **group: Any) -> None:
    """Defines a flag for fields of a dataclass, with the name, type, default and description of the field.

    A field without a default, or with the default None, gets a flag that is a string and None if not given.

    Args:
        kind: The dataclass. What its docstring says of a field under "Attributes" is what --help says.
        names: Of the fields; of a mapping the values are what --help says in place of that.
        group: What `group` returned.
    """
    described = {**_attributes(kind), **(names if isinstance(names, Mapping) else {})}
    for name in names:
        text = described[name]
        default = getattr(kind, name, None)
        if isinstance(default, enum.Enum):
            flags.DEFINE_enum(name, default, list(type(default)), text, **group)
        elif isinstance(default, tuple):
            flags.DEFINE_list(name, list(map(str, default)), text, **group)
        else:
            define = _DEFINERS.get(type(default), flags.DEFINE_string)
            define(name, default, text, **group)


def _attributes(kind: type) -> dict[str, str]:
    """What a docstring says of every attribute, by name."""
    _, _, section = inspect.getdoc(kind).partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.+(?:\n {8}.*)*)", section, re.M)
    return {name: " ".join(text.split()) for name, text in entries}


def from_flags(values: flags.FlagValues, kind: type[T], **given: object) -> T:
    """Makes a dataclass of the flags that have the names of its fields.

    Args:
        values: The flags.
        kind: The dataclass. A field that is neither given nor a flag has its default.
        given: Fields that are not what the flag of their name says.
    """
    names = [field.name for field in dataclasses.fields(kind) if field.name in values]
    return kind(**{**{name: values[name].value for name in names}, **given})


def expanded(text: str) -> Path:
    """A path as a user writes it: ~ is the home folder, which shells leave as it is in --flag=~/data."""
    try:
        return Path(text).expanduser()
    except RuntimeError:  # There is no such user.
        return Path(text)


def path(values: flags.FlagValues, flag: str) -> Path | None:
    """Turns a flag into a path; None if it is not given or empty."""
    return expanded(values[flag].value) if values[flag].value else None


def paths(values: flags.FlagValues, flag: str) -> tuple[str, ...]:
    """Turns a flag that may be given several times into paths.

    A comma separates paths, unless it is in the name of a file or folder that is there.
    """
    found = []
    for text in values[flag].value:
        parts = text.split(",")
        while parts:
            longest_first = (",".join(parts[:length]) for length in range(len(parts), 1, -1))
            taken = next(filter(_exists, longest_first), parts[0])
            parts = parts[taken.count(",") + 1 :]
            found += [str(expanded(taken))] if taken else []
    return tuple(found)


def _exists(text: str) -> bool:
    try:
        return expanded(text).exists()
    except OSError:  # Too long a name.
        return False


def integers(values: flags.FlagValues, flag: str) -> tuple[int, ...]:
    """Turns a flag that is a list into whole numbers.

    Raises:
        UserError: If one is not a whole number.
    """
    return tuple(_integer(flag, part) for part in values[flag].value if part)


def batch_sizes(values: flags.FlagValues) -> dict[int, int]:
    """Turns --batch_sizes into the number of images in a batch by resolution.

    Raises:
        UserError: If it is not written that way.
    """
    batches = {}
    for part in values.batch_sizes:
        resolution, separator, batch = part.partition(":")
        if not separator:
            raise UserError(f"--batch_sizes has '{part}'; write resolution:batch, as in 64:32")
        batches[_integer("batch_sizes", resolution)] = _integer("batch_sizes", batch)
    return batches


def _integer(flag: str, text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise UserError(f"--{flag} has '{text}', which is not a whole number") from error
