"""Which contrasts of scans are wanted: FLAIR, or by the BIDS entities of names, T1w[ce-GAD] and T1w[!ce]."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from mrisynth.data.finding.bids import entities
from mrisynth.data.finding.scan_names import stem
from mrisynth.errors import UserError

_BETWEEN = re.compile(r",(?![^\[]*\])")
_WANTED = re.compile(r"([^\[\]]+)(?:\[([^\[\]]+)\])?")
_ENTITY = re.compile(r"(!?)([a-zA-Z]+)(?:-([a-zA-Z0-9]+))?")


@dataclasses.dataclass(frozen=True)
class WantedContrast:
    """One contrast that is wanted.

    Attributes:
        text: As the user wrote it, "T1w[ce-GAD]".
        suffix: What names of its scans end in, behind an underscore or hyphen.
        having: BIDS entities that these names have, each with its value, which is empty if any will do.
        lacking: The same for entities that they do not have.
        flag: What it was asked for with.
    """

    text: str
    suffix: str
    having: tuple[tuple[str, str], ...] = ()
    lacking: tuple[tuple[str, str], ...] = ()
    flag: str = "--suffix"

    @property
    def label(self) -> str:
        """What the contrast is called in a data set, as a BIDS name would end: "ce-GAD_T1w"."""
        return "_".join([*("-".join(filter(None, entity)) for entity in self.having), self.suffix])

    def matches(self, name: str, ignore_case: bool = False) -> bool:
        """Whether a file's name is that of such a scan; `ignore_case`: of the suffix, in any letters."""
        ending = rf"(?:^|[-_ .]){re.escape(self.suffix)}$"
        if not re.search(ending, stem(name), re.IGNORECASE if ignore_case else 0):
            return False
        there = entities(name)
        return all(_has(there, entity) for entity in self.having) and not any(
            _has(there, entity) for entity in self.lacking
        )

    def describes(self, description: str) -> bool:
        """Whether a DICOM series has the suffix among the words of its description; it has no entities."""
        # A word ends where letters turn to digits, too: T2FLAIR is a FLAIR, but T10 is no T1.
        before = "[a-z]" if self.suffix[0].isalpha() else r"\d"
        after = "[a-z]" if self.suffix[-1].isalpha() else r"\d"
        word = f"(?<!{before}){re.escape(self.suffix)}(?!{after})"
        return not self.having and re.search(word, description, re.IGNORECASE) is not None


def split_contrasts(text: str) -> list[str]:
    """The parts of a text that commas separate, but for those between brackets."""
    return [part.strip() for part in _BETWEEN.split(text) if part.strip()]


def wanted_contrasts(text: str, flag: str = "--suffix") -> tuple[WantedContrast, ...]:
    """Reads a flag that names contrasts.

    Args:
        text: Contrasts separated by commas, as in "FLAIR,T1w[ce-GAD],T1w[!ce]"; empty for none.
        flag: What an error calls it.

    Raises:
        UserError: It is not written that way, or two contrasts would have one name.
    """
    wanted = tuple(_read(part, flag) for part in split_contrasts(text))
    labels = [contrast.label.casefold() for contrast in wanted]
    for number, label in enumerate(labels):
        if label in labels[:number]:
            both = f"{wanted[labels.index(label)].text} and {wanted[number].text}"
            raise UserError(f"{flag}={text}: {both} would have one name; take one of them")
    return wanted


def the_one(matching: Sequence[WantedContrast], name: str) -> WantedContrast:
    """The only one of the contrasts that fit a scan of this name.

    Raises:
        UserError: Several fit.
    """
    if len(matching) > 1:
        both = " and ".join(contrast.text for contrast in matching)
        raise UserError(
            f"{matching[0].flag}: {name} fits {both}; tell them apart by BIDS entities, as in "
            "T1w[ce-GAD],T1w[!ce], or by longer words"
        )
    return matching[0]


def _read(part: str, flag: str) -> WantedContrast:
    match = _WANTED.fullmatch(part)
    chosen = (
        [_ENTITY.fullmatch(entity.strip()) for entity in match[2].split(",")] if match and match[2] else []
    )
    if not match or None in chosen:
        raise UserError(
            f"{flag} has '{part}'; write FLAIR, or T1w[ce-GAD] for names with this BIDS entity, or "
            "T1w[!ce] for names without it"
        )
    having = tuple((entity[2], entity[3] or "") for entity in chosen if not entity[1])
    lacking = tuple((entity[2], entity[3] or "") for entity in chosen if entity[1])
    return WantedContrast(part, match[1], having, lacking, flag)


def _has(there: dict[str, str], entity: tuple[str, str]) -> bool:
    name, value = entity
    return name in there and value.casefold() in ("", there[name].casefold())
