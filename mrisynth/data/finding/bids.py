"""What the names of files and folders say where they follow BIDS."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from mrisynth.data.finding.scan_names import is_contrast, same_form, stem, whose

_ENTITY = re.compile(r"(?:^|_)([a-zA-Z]+)-([^_]+)(?=_|$)")
_SUFFIX = re.compile(r"[a-zA-Z][a-zA-Z0-9]*")
# A folder's name may go on with entities, as in sub-01_ses-1.
_FOLDER_LABEL = re.compile(r"sub-.+?(?=_[a-zA-Z]+-|$)")


def is_bids(folder: Path) -> bool:
    """Whether a folder holds a BIDS data set, or at least folders that are called as in one."""
    return (folder / "dataset_description.json").is_file() or any(
        child.is_dir() for child in folder.glob("sub-*")
    )


def entities(name: str) -> dict[str, str]:
    """The BIDS entities of a file name: "sub-01_ses-2_FLAIR.nii" gives {"sub": "01", "ses": "2"}."""
    return dict(_ENTITY.findall(stem(name)))


def bids_suffix(name: str) -> str:
    """What follows the last underscore of a file name that begins with a BIDS subject; else empty."""
    whole = stem(name)
    if not whole.startswith("sub-"):
        return ""
    _, *others = _behind_label(name).split("_")
    return others[-1] if others and _SUFFIX.fullmatch(others[-1]) else ""


def contrast(name: str) -> str:
    """The BIDS suffix, or what stands for it in a name that is not quite BIDS; empty if nothing does.

    It is "flair" in sub-01/flair.nii and in sub-01-flair.nii.
    """
    suffix, rest = bids_suffix(name), _behind_label(name).strip("_-")
    if suffix or not rest.startswith("sub-"):
        return suffix or rest
    last = rest.split("-")[-1]
    return last if is_contrast(last) else ""


def session(name: str) -> str:
    """The session of a file with its "ses-", by its name or a folder's; empty if there is none."""
    for part in (stem(name), *reversed(name.split("/")[:-1])):
        label = dict(_ENTITY.findall(part)).get("ses")
        if label:
            return f"ses-{label}"
    return ""


def subject_labels(name: str) -> tuple[str, str] | None:
    """Whose scan a file is, with the "sub-", by its folder or its name.

    A label has no hyphen or underscore in BIDS, but many have one in practice: the folder's name is taken
    whole, and a name without such a folder up to its first underscore.

    Args:
        name: Path relative to the input, with forward slashes.

    Returns:
        The label twice; where an underscore may belong to it, the label up to there and the longest there
        can be ("sub-CC", "sub-CC_0001"). Two empty texts if the folder and the name contradict each other;
        None if neither begins with "sub-".
    """
    folder, whole = _folder_label(name), stem(name)
    if not whole.startswith("sub-"):
        return (folder, folder) if folder else None
    if folder and _behind_label(name) != whole:
        return folder, folder
    first, *others = whole.split("_")
    first = _label(first)
    if folder:
        alike = same_form(folder).replace("_", "") == same_form(first).replace("_", "")
        return (folder, folder) if alike else ("", "")
    inner = others[:-1] if bids_suffix(name) else others
    more = itertools.takewhile(lambda part: "-" not in part, inner)
    return first, _label("_".join([first, *more]))


def subject_of(name: str) -> str:
    """The shortest label that `subject_labels` gives; empty if there is none."""
    return (subject_labels(name) or ("",))[0]


def _folder_label(name: str) -> str:
    """The label of the innermost folder that begins with "sub-"; empty if there is none."""
    for part in reversed(name.split("/")[:-1]):
        match = _FOLDER_LABEL.match(part)
        if match:
            return _label(match[0])
    return ""


def _behind_label(name: str) -> str:
    """The stem behind the label of its folder; the whole stem if it does not begin with that."""
    whole, folder = stem(name), _folder_label(name)
    rest = whole.removeprefix(folder)
    return whole if rest[:1].isalnum() else rest


def _label(text: str) -> str:
    """A label without words for visits and contrasts, as in sub-01-flair."""
    return f"sub-{whose(text[4:]) or text[4:]}"
