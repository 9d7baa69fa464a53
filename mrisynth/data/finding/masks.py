"""Which lesion mask belongs to which scan, by their names."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mrisynth.data.finding.bids import entities, session, subject_of
from mrisynth.data.finding.scan_names import is_mask, is_visit, same_form, stem, what_is_masked
from mrisynth.errors import UserError

_TEMPLATES = re.compile(r"(?:MNI|ICBM|NIHPD|OASIS|Talairach|fsaverage|fsLR|UNC|dhcp)", re.IGNORECASE)
_SEPARATOR = re.compile(r"[\W_]+")


@dataclasses.dataclass(frozen=True)
class MaskFolder:
    """Where the masks of one input's scans lie.

    Attributes:
        path: The folder.
        is_shared: Whether scans lie there, too, so that a mask is known only by a word for it in its name.
    """

    path: Path
    is_shared: bool

    def holds(self, path: Path) -> bool:
        """Whether a file there is a mask, and no scan; what it or its folder is a link to does not matter."""
        ways = (path, Path(os.path.realpath(path.parent), path.name))
        return any(self.path in way.parents for way in ways) and (not self.is_shared or is_mask(path.name))


def mask_folder(place: Path, masks: str) -> MaskFolder:
    """The masks' folder of an input folder or file: absolute, or relative to the folder.

    Raises:
        UserError: There is no such folder.
    """
    scans = (place if place.is_dir() else place.parent).resolve()
    folder = (scans / masks).resolve()  # An absolute path stays as it is.
    if not folder.is_dir():
        raise UserError(f"--masks: there is no folder {folder}")
    return MaskFolder(folder, is_shared=folder == scans or folder in scans.parents)


def masks_of(scans: Sequence[str], subjects: Sequence[str], masks: Sequence[str]) -> list[tuple[str, str]]:
    """Finds the mask of each scan.

    A BIDS mask belongs to a scan of the same subject and session whose entities it does not contradict. Any
    other mask belongs to the scan whose name it has, alone or followed by a separator and words that stand
    for no visit; else to the scans whose folders and name are the same but for words for masks and contrasts.

    Args:
        scans: Paths relative to the input folder, with forward slashes.
        subjects: Whose scans they are.
        masks: Paths relative to the masks' folder.

    Returns:
        For every scan a mask, empty if it has none, and what a user should be warned of then.

    Raises:
        UserError: Several masks fit a scan.
    """
    plain = _by_names(scans, subjects, [mask for mask in masks if not subject_of(mask)])
    by_subject: dict[str, list[str]] = {}
    for mask in masks:
        by_subject.setdefault(same_form(subject_of(mask)), []).append(mask)
    chosen = []
    for number, scan in enumerate(scans):
        subject = subject_of(scan)
        agreeing = [mask for mask in by_subject.get(same_form(subject), []) if subject and _agree(mask, scan)]
        own = [mask for mask in agreeing if not _is_elsewhere(mask, scan)]
        mask = _only(own or plain.get(number, []), scan)
        warning = "mask missing: no file of --masks belongs to it by its name"
        if agreeing:
            warning = f"mask left out: {agreeing[0]} lies in the space of a template, and the scan does not"
        chosen.append((mask, "" if mask else warning))
    return chosen


def _is_elsewhere(mask: str, scan: str) -> bool:
    """Whether a mask lies in the space of a template, and its scan does not."""
    space = entities(mask).get("space", "")
    return _TEMPLATES.match(space) is not None and space != entities(scan).get("space")


def _agree(mask: str, scan: str) -> bool:
    """Whether a BIDS mask of the scan's subject is of the same session and image."""
    theirs, own = entities(mask), entities(scan)
    theirs = {key: value for key, value in theirs.items() if key not in ("sub", "space")}
    return session(mask) == session(scan) and all(
        own.get(key, value) == value for key, value in theirs.items()
    )


def _only(candidates: list[str], scan: str) -> str:
    """The mask of a scan; of several, the one in a folder of the same name, or that of lesions."""
    for is_better in (lambda mask: _folders(mask) == _folders(scan), lambda mask: "lesion" in mask.lower()):
        if len(candidates) > 1:
            candidates = [mask for mask in candidates if is_better(mask)] or candidates
    if len(candidates) > 1:
        raise UserError(
            f"--masks: several masks fit {scan}: {', '.join(candidates)}; keep the one that is meant"
        )
    return candidates[0] if candidates else ""


def _by_names(scans: Sequence[str], subjects: Sequence[str], masks: Sequence[str]) -> dict[int, list[str]]:
    """The masks, none of them named as in BIDS, that fit each scan, by its number."""
    fitting: dict[int, list[str]] = {}
    by_name: dict[str, list[int]] = {}
    by_rest: dict[str, list[int]] = {}
    for number, scan in enumerate(scans):
        # nnU-Net numbers the contrasts of a scan, whose mask has no number.
        for name in {_form(stem(scan)), _form(re.sub(r"_000\d$", "", stem(scan)))}:
            by_name.setdefault(name, []).append(number)
        for rest in {_rest(scan), _form(subjects[number])} - {""}:
            by_rest.setdefault(rest, []).append(number)
    for mask in masks:
        named = next((by_name[name] for name in _beginnings(stem(mask)) if name in by_name), [])
        if len(named) > 1:  # Files of one name in several folders: the folder says which is meant.
            named = [number for number in named if _folders(scans[number]) == _folders(mask)]
        alike = by_rest.get(_rest(mask), [])
        if len({_rest(scans[number]) for number in alike}) > 1:  # Which of a subject's visits is meant?
            alike = []
        for number in named or alike:
            fitting.setdefault(number, []).append(mask)
    return fitting


def _beginnings(name: str) -> Iterator[str]:
    """A mask's name, then its beginnings up to each separator that no visit follows, the longest first."""
    yield _form(name)
    for match in reversed(list(_SEPARATOR.finditer(name))):
        if not is_visit(name[match.end() :]):
            yield _form(name[: match.start()])


def _form(name: str) -> str:
    return _SEPARATOR.sub("_", name.casefold())


def _folders(name: str) -> str:
    return name.rpartition("/")[0]


def _rest(name: str) -> str:
    """Folders and stem but for what words for masks and contrasts say."""
    *folders, _ = name.split("/")
    return "/".join(_form(part) for part in map(what_is_masked, (*folders, stem(name))) if part)
