"""participants.tsv: what is known of each subject, matched to the subjects of scans."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mrisynth.data.finding.scan_names import same_form
from mrisynth.data.labels import UNKNOWN
from mrisynth.errors import UserError

_COLUMN = "participant_id"
_UNKNOWN = {"", UNKNOWN, "na", "n.a.", "nan"}


@dataclasses.dataclass(frozen=True)
class Participants:
    """The table's rows by subject, and how they are looked up.

    Attributes:
        rows: The columns of each subject, by its id as the table has it.
        unclear: What is wrong with the rows of an id, by the id; what they do not say for certain is unknown.
    """

    rows: Mapping[str, Mapping[str, str]]
    unclear: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def of_subjects(self, subjects: Iterable[str]) -> dict[str, tuple[Mapping[str, str], str]]:
        """Finds subjects, with or without "sub-", leading zeros, hyphens and capital letters.

        Args:
            subjects: Names, such as "sub-01".

        Returns:
            For every subject its columns, empty if it has no row of its own, and what a user should be warned
            of; empty if nothing.
        """
        if not self.rows:
            return {subject: ({}, "") for subject in subjects}
        id_of = self._ids(set(subjects))
        unclear = self._others_of_one_form(set(id_of.values())) | dict(self.unclear)
        found: dict[str, tuple[Mapping[str, str], str]] = {}
        for subject in subjects:
            row = id_of.get(subject)
            warning = ""
            if row is None:
                warning = f"participant unknown: participants.tsv has no row for {subject}"
            elif row in unclear:
                warning = f"participant unclear: participants.tsv has {unclear[row]}"
            found[subject] = (self.rows.get(row, {}), warning)
        return found

    def _ids(self, subjects: set[str]) -> dict[str, str]:
        """The id of each subject, the closest first; none that could be another subject's as well."""
        found: dict[str, str] = {}
        for form in (str, _without_prefix, _loose):
            names = _by_form(subjects - found.keys(), form)
            ids = _by_form(self.rows.keys() - found.values(), form)
            found |= {
                names[key][0]: ids[key][0]
                for key in names.keys() & ids.keys()
                if len(names[key]) == len(ids[key]) == 1
            }
        return found

    def _others_of_one_form(self, found: set[str]) -> dict[str, str]:
        """What is wrong with ids of subjects where another id, which is no subject's, is alike."""
        others = _by_form(self.rows.keys() - found, _loose)
        return {
            row: f"rows for {row} and {other} that differ"
            for row in sorted(found)
            for other in others.get(_loose(row), [])
            if self.rows[other] != self.rows[row]
        }


def read_participants(folder: Path) -> Participants:
    """Reads the participants.tsv of a BIDS data set; a table without a row if it is not there.

    Raises:
        UserError: The file cannot be read as a table with a column participant_id, or has two columns of one
            name.
    """
    path = folder / "participants.tsv"
    if not path.is_file():
        return Participants({})
    try:
        # BIDS tables know no quoting: a quotation mark that is never closed must not swallow rows.
        lines = [
            [_unquoted(field) for field in line]
            for line in csv.reader(
                io.StringIO(_text(path), newline=None), delimiter="\t", quoting=csv.QUOTE_NONE
            )
            if any(field.strip() for field in line)
        ]
    except (OSError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a tab-separated table: {error}") from error
    if not lines:
        return Participants({})
    header = [_COLUMN if name.casefold() == _COLUMN else name for name in lines[0]]
    if _COLUMN not in header:
        raise UserError(f"{path} has no column {_COLUMN} between tabs, which BIDS asks for")
    twice = [name for name, count in Counter(header).items() if name and count > 1]
    if twice:
        raise UserError(f"{path} has two columns {twice[0]}; keep one of them")
    return _by_subject(header, lines[1:])


def _by_subject(header: list[str], lines: list[list[str]]) -> Participants:
    rows: dict[str, dict[str, str]] = {}
    unclear: dict[str, str] = {}
    for line in lines:
        columns = {
            name: _known(value)
            for name, value in zip(header, line + [""] * len(header), strict=False)
            if name
        }
        subject = columns.pop(_COLUMN)
        if subject == UNKNOWN:
            continue
        if any(line[len(header) :]):
            unclear[subject] = (
                f"a row for {subject} with more fields than columns, whose values were left out"
            )
            columns = dict.fromkeys(columns, UNKNOWN)
        before = rows.setdefault(subject, columns)
        if before != columns:
            unclear.setdefault(subject, f"rows for {subject} that differ")
            rows[subject] = {
                name: value if before[name] == value else UNKNOWN for name, value in columns.items()
            }
    return Participants(rows, unclear)


def _text(path: Path) -> str:
    """The file's text, in the encodings that spreadsheets write."""
    content = path.read_bytes()
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def _unquoted(field: str) -> str:
    """A field without the pair of quotation marks that some programs put around it."""
    field = field.strip()
    is_quoted = len(field) > 1 and field[0] == field[-1] == '"'
    return field[1:-1].replace('""', '"').strip() if is_quoted else field


def _known(value: str) -> str:
    return UNKNOWN if value.casefold() in _UNKNOWN else value


def _by_form(names: Iterable[str], form: Callable[[str], str]) -> dict[str, list[str]]:
    forms: dict[str, list[str]] = {}
    for name in names:
        forms.setdefault(form(name), []).append(name)
    return forms


def _without_prefix(subject: str) -> str:
    return subject.removeprefix("sub-")


def _loose(subject: str) -> str:
    """An id of numbers may have lost its leading zeros, or have become a decimal number."""
    return same_form(_without_prefix(subject.casefold()).removesuffix(".0")).replace("_", "")
