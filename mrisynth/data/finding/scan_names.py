"""What names of files and folders say: the ending, and words for visits, contrasts and masks."""

from __future__ import annotations

import os
import re
import unicodedata

from mrisynth.errors import UserError

EXTENSIONS = (
    ".nii", ".nii.gz", ".nii.bz2", ".hdr", ".hdr.gz", ".img", ".img.gz", ".mgh", ".mgz", ".mgh.gz", ".mnc",
    ".par", ".head",
)  # fmt: skip
"""What the name of a scan in a folder ends in; a file that is given itself may be called anything."""

NOT_SUPPORTED = {
    ".nrrd": "NRRD", ".nhdr": "NRRD", ".mha": "MetaImage", ".mhd": "MetaImage", ".gipl": "GIPL",
    ".nii.zip": "a zip archive", ".nii.xz": "xz-compressed NIfTI", ".nii.zst": "zstd-compressed NIfTI",
    ".mnc.gz": "gzip-compressed MINC",
}  # fmt: skip
"""Endings of scans that cannot be read, and what such a file is."""

_ENDINGS = sorted((*EXTENSIONS, *NOT_SUPPORTED), key=len, reverse=True)

# Words that stand for a visit wherever they stand, and codes that do so behind something else.
_NUMBER = r"(?:[-_ ]?\d+[a-z]?)"
_VISIT = (
    rf"(?:visit|session|sess?|timepoint|time|follow[-_ ]?up|wave|exam|month|week|day|year|run|echo){_NUMBER}"
    r"|baseline|follow[-_ ]?up|visit|session|later|earlier|first|second|third|pre|post"
    r"|(?:19|20)\d\d(?:[01]\d[0-3]\d|[-_][01]\d[-_][0-3]\d)"
)
_VISIT_CODE = r"(?:v|t|m|w|d|y|mr|tp|fu|bl)\d{1,4}|bl|fu"
_CONTRAST = (
    r"t[12](?:w|n|c|f|ce|gd|km|post|star|starw|flair|weighted)?|flair|pdw?|mp2?rage|spgr|tof|swi|dwi|adc|dti"
)
_GROUP = (
    r"(?:site|center|centre|scanner|hospital|group|cohort|batch|part|fold)s?\d*[a-z]?|train(?:ing)?|test(?:ing)?"
    r"|val(?:idation)?|controls?|patients?|cases?|healthy|subjects?|subj|sub|ms|hc|nc|cn|ad|mci"
)
_MASK = (
    r"masks?|lesions?|[ad]?seg(?:m|mentations?)?|probseg|labels?|rois?|gt|ground[-_ ]?truth|annotations?|wmh"
)
_GENERIC = (
    r"imag(?:e|es|ing)|(?:images|labels)t[rs]|img|scans?|anat|brain|head|mri?|nifti|nii|orig(?:inal)?|raw|data"
    r"|volume|vol"
)


def compiled(flag: str, expression: str, how: re.RegexFlag = re.NOFLAG) -> re.Pattern[str] | None:
    """The regular expression that a user gave; None if it is empty.

    Raises:
        UserError: It is none.
    """
    try:
        return re.compile(expression, how) if expression else None
    except re.error as error:
        raise UserError(f"{flag} is not a regular expression: {error}") from error


def _words(pattern: str, behind: bool = False) -> re.Pattern[str]:
    """Finds whole words, with the separator before them; `behind`: not at the beginning."""
    before = r"[-_ .]" if behind else r"(?:^|[-_ .])"
    return re.compile(rf"{before}(?:{pattern})(?=[-_ .]|$)", re.IGNORECASE)


_VISITS = (_words(_VISIT), _words(_VISIT_CODE, behind=True))
_CONTRASTS = (_words(_CONTRAST),)
_MASKS = (_words(_MASK),)
_ONLY_GENERIC = re.compile(rf"(?:[-_ .]*(?:{_GENERIC})(?=[-_ .]|$))*[-_ .]*", re.IGNORECASE)
_ONLY_GROUPS = re.compile(rf"(?:[-_ .]*(?:{_GROUP})(?=[-_ .]|$))+", re.IGNORECASE)


def stem(name: str) -> str:
    """A file's name without folder and extension, also without a double one such as .nii.gz."""
    base = name.rsplit("/", 1)[-1]
    for ending in _ENDINGS:
        if base.lower().endswith(ending):
            return base[: -len(ending)]
    return base.split(".")[0]


def printable(name: str) -> str:
    """A name that any text can hold: what is no letter of UTF-8 becomes a backslash escape."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text
    )


def same_form(name: str) -> str:
    """What names have in common that differ in case, separators and leading zeros: "P-01" and "p_1"."""
    text = re.sub(r"[-_ .]+", "_", unicodedata.normalize("NFC", name).casefold())
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def whose(part: str) -> str:
    """A stem's or a folder's words but those for visits, contrasts and masks; empty if nothing else is left.

    "patient7_visit1_T1w" gives "patient7"; "visit1", "flair" and "imaging" say nothing of whose they are.
    """
    return _without(part, (*_VISITS, *_CONTRASTS, *_MASKS))


def what_is_masked(part: str) -> str:
    """A mask's stem, or its scan's, without words for masks and contrasts; empty if nothing else is left."""
    return _without(part, (*_MASKS, *_CONTRASTS))


def is_contrast(word: str) -> bool:
    """Whether a word is the name of an MR contrast."""
    return re.fullmatch(_CONTRAST, word, re.IGNORECASE) is not None


def is_visit(words: str) -> bool:
    """Whether the first of some words stands for a visit or is a number."""
    first = re.split(r"[-_ .]", words)[0]
    return first.isdigit() or re.fullmatch(f"{_VISIT}|{_VISIT_CODE}", first, re.IGNORECASE) is not None


def is_visit_code(part: str) -> bool:
    """Whether a folder's name is a short code for a visit, such as "v1" or "m06"."""
    return re.fullmatch(_VISIT_CODE, part, re.IGNORECASE) is not None


def is_mask(name: str) -> bool:
    """Whether a file's name has a word for a mask in it."""
    return any(pattern.search(stem(name)) for pattern in _MASKS)


def is_group(part: str) -> bool:
    """Whether a name consists of words for groups of subjects, such as "controls", "site2" or "train"."""
    return _ONLY_GROUPS.fullmatch(part) is not None


def _without(part: str, patterns: tuple[re.Pattern[str], ...]) -> str:
    for pattern in patterns:
        part = pattern.sub("", part)
    part = part.strip("-_ .")
    return "" if _ONLY_GENERIC.fullmatch(part) else part
