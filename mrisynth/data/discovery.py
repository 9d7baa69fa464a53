"""Finds scans: files, the subjects they show, what BIDS says about them, lesion masks, participants.tsv."""

from __future__ import annotations

import csv
import dataclasses
import functools
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mrisynth.data import dicom
from mrisynth.data.dicom_series import DicomFile, find_series, look_at
from mrisynth.errors import UserError

EXTENSIONS = (
    ".nii", ".nii.gz", ".nii.bz2", ".hdr", ".hdr.gz", ".img", ".img.gz", ".mgh", ".mgz", ".mgh.gz", ".mnc",
    ".par", ".head",
)  # fmt: skip
"""What the name of a scan in a folder ends in; a file that is given itself may be called anything."""

_NOT_SCANS = ("derivatives", "sourcedata", "code", "stimuli")
_ENTITY = re.compile(r"(?:^|_)([a-zA-Z]+)-([a-zA-Z0-9]+)(?=_|$)")
_PARTICIPANT_COLUMN = "participant_id"


@dataclasses.dataclass(frozen=True)
class Scan:
    """A file that may be a scan, and what its name and folder say about it.

    Attributes:
        path: The file.
        name: Its path relative to the input folder, with forward slashes; its file name if given itself.
        input: The input it was found in.
        subject: Whose scan it is.
        session: BIDS session, for instance "ses-1"; empty if none.
        suffix: BIDS suffix, for instance "FLAIR"; empty if none.
        participant: The columns of participants.tsv for this subject.
        mask: Its lesion mask; None if there is none.
        fault: Why it cannot be used, if that is known from the outside; else empty.
        files: The DICOM files that it is made of; empty for any other file.
        warnings: What a user should know about it, as far as that is known from the outside.
    """

    path: Path
    name: str
    input: str
    subject: str
    session: str = ""
    suffix: str = ""
    participant: dict[str, str] = dataclasses.field(default_factory=dict)
    mask: Path | None = None
    fault: str = ""
    files: tuple[Path, ...] = ()
    warnings: tuple[str, ...] = ()


def find_scans(
    inputs: tuple[str, ...],
    suffix: str = "",
    subject_regex: str = "",
    masks: str = "",
    series: str = "",
    salt: str = "",
) -> list[Scan]:
    """Finds every scan below some folders, or takes the files that are given.

    A folder is read as BIDS if it holds dataset_description.json or folders named sub-*: only files whose
    name ends in the suffix count, and derivatives/ is passed over. Any other folder is searched for the
    extensions of `EXTENSIONS`. DICOM files are known by what is in them, wherever they are.

    Args:
        inputs: Folders and files.
        suffix: Contrast to take; empty takes the only one a BIDS folder has, or every file of other folders.
        subject_regex: Regular expression that finds the subject in a file's name (see `subjects_of`).
        masks: Folder of lesion masks, absolute or relative to each input folder; empty for none.
        series: Regular expression that chooses DICOM series by their descriptions.
        salt: What patients' IDs in DICOM files are hashed with.

    Returns:
        The scans, sorted by name within each input, each file once; those of DICOM files last.

    Raises:
        UserError: Something is not there, nothing is found, or a choice has to be made.
    """
    pattern = _compiled(subject_regex)
    found: dict[Path, Scan] = {}
    dicom_files: list[DicomFile] = []
    for place in map(Path, inputs):
        if place.name.upper() == "DICOMDIR" and place.is_file():
            place = place.parent  # The list of all that lies beside it.
        if place.is_dir():
            scans = _scans_in_folder(place, suffix, pattern, dicom_files)
        elif place.exists():
            dicom_file = look_at(place, place)
            dicom_files += [dicom_file] if dicom_file else []
            scans = [] if dicom_file else _describe([(place.name, place)], place, pattern)
        else:
            raise UserError(f"--input: there is no file or folder {place}")
        if masks:
            scans = _with_masks(scans, _mask_folder(place, masks))
        for scan in scans:
            found.setdefault(Path(os.path.realpath(scan.path)), scan)
    scans = [*found.values(), *_dicom_scans(dicom_files, suffix, series, pattern, salt)]
    if not scans:
        looked_for = f"looked for DICOM and {', '.join(EXTENSIONS)}"
        raise UserError(f"--input: no scans below {', '.join(inputs)} ({looked_for})")
    if all(scan.fault for scan in scans) and any(scan.fault == dicom.ADVICE for scan in scans):
        raise UserError(f"--input: what lies below {', '.join(inputs)} is {dicom.ADVICE}")
    return scans


def entities(name: str) -> dict[str, str]:
    """The BIDS entities of a file name: "sub-01_ses-2_FLAIR.nii" gives {"sub": "01", "ses": "2"}."""
    return dict(_ENTITY.findall(stem(name)))


def stem(name: str) -> str:
    """A file's name without folder and extension, also without a double one such as .nii.gz."""
    base = name.rsplit("/", 1)[-1]
    for extension in sorted(EXTENSIONS, key=len, reverse=True):
        if base.lower().endswith(extension):
            return base[: -len(extension)]
    return base.split(".")[0]


def bids_suffix(name: str) -> str:
    """What follows the last underscore of a file name that begins with a BIDS entity; else empty."""
    parts = stem(name).split("_")
    return parts[-1] if len(parts) > 1 and parts[0].startswith("sub-") and "-" not in parts[-1] else ""


def subjects_of(names: list[str], pattern: re.Pattern[str] | None = None) -> list[str]:
    """Says whose scan each file is.

    By the regular expression if there is one (its group `subject`, else its first group, else the whole
    match; empty where it does not match); else by the BIDS entity sub-, in the name or in a folder's name;
    else by the file's name. Where files of one name lie in several folders (patient7/flair.nii,
    patient8/flair.nii), the name says what a file is and not whose, and the outermost folder counts instead.

    Args:
        names: Paths relative to the input, with forward slashes.
        pattern: The regular expression.

    Returns:
        One subject per name.
    """
    if pattern is not None:
        return [_matched(pattern, name) for name in names]
    repeated = any(count > 1 for count in Counter(map(stem, names)).values())
    return [
        _bids_subject(name) or (name.split("/")[0] if repeated and "/" in name else stem(name))
        for name in names
    ]


def read_participants(folder: Path) -> dict[str, dict[str, str]]:
    """Reads participants.tsv.

    Args:
        folder: A BIDS data set.

    Returns:
        The columns of each subject, by the name "sub-..."; empty if the file is not there.

    Raises:
        UserError: The file cannot be read as a table with a column participant_id.
    """
    path = folder / "participants.tsv"
    if not path.is_file():
        return {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path} cannot be read as a tab-separated table: {error}") from error
    if rows and _PARTICIPANT_COLUMN not in rows[0]:
        raise UserError(f"{path} has no column {_PARTICIPANT_COLUMN}, which BIDS asks for")
    participants = {}
    for row in rows:
        subject = (row[_PARTICIPANT_COLUMN] or "").strip()
        subject = subject if subject.startswith("sub-") else f"sub-{subject}"
        columns = {
            key.strip(): (value or "n/a").strip() for key, value in row.items() if isinstance(key, str)
        }
        del columns[_PARTICIPANT_COLUMN]
        participants[subject] = columns
    return participants


def _compiled(subject_regex: str) -> re.Pattern[str] | None:
    try:
        return re.compile(subject_regex) if subject_regex else None
    except re.error as error:
        raise UserError(f"--subject_regex is not a regular expression: {error}") from error


def _dicom_scans(
    files: list[DicomFile], suffix: str, series: str, pattern: re.Pattern[str] | None, salt: str
) -> list[Scan]:
    """The scans that DICOM files make up."""
    subject_of = functools.partial(_matched, pattern) if pattern else None
    missing = "" if dicom.dcm2niix() else dicom.ADVICE
    return [
        Scan(
            path=found.files[0],
            name=found.name,
            input=found.input,
            subject=found.subject,
            session=found.session,
            suffix=found.suffix,
            fault=found.fault or missing,
            files=found.files,
            warnings=found.warnings,
        )
        for found in find_series(files, salt, suffix, series, subject_of)
    ]


def _scans_in_folder(
    folder: Path, suffix: str, pattern: re.Pattern[str] | None, dicom_files: list[DicomFile]
) -> list[Scan]:
    """The scans below a folder, by BIDS rules where they apply; DICOM files are added to those found."""
    files = sorted((path.relative_to(folder).as_posix(), path) for path in _walk(folder, dicom_files))
    if _is_bids(folder):
        files = [(name, path) for name, path in files if bids_suffix(name)]
        suffix = suffix or _only_suffix(folder, files)
    if suffix:
        chosen = [
            (name, path) for name, path in files if stem(name) == suffix or stem(name).endswith(f"_{suffix}")
        ]
        if not chosen and files:
            there = ", ".join(sorted({bids_suffix(name) or stem(name) for name, _ in files})[:8])
            raise UserError(f"--suffix={suffix}: no such scan below {folder}; there are {there}")
        files = chosen
    participants = read_participants(folder)
    scans = _describe(files, folder, pattern)
    return [dataclasses.replace(scan, participant=participants.get(scan.subject, {})) for scan in scans]


def _describe(files: list[tuple[str, Path]], place: Path, pattern: re.Pattern[str] | None) -> list[Scan]:
    """Scans of the given names and files, found in the same place."""
    subjects = subjects_of([name for name, _ in files], pattern)
    scans = []
    for (name, path), subject in zip(files, subjects, strict=True):
        session = entities(name).get("ses", "")
        scans.append(
            Scan(
                path=path,
                name=name,
                input=str(place),
                subject=subject,
                session=f"ses-{session}" if session else "",
                suffix=bids_suffix(name),
                fault=_outward_fault(path)
                or ("" if subject else "--subject_regex finds no subject in its name"),
            )
        )
    return scans


def _walk(folder: Path, dicom_files: list[DicomFile]) -> Iterator[Path]:
    """Files below a folder that may be scans; DICOM files are added to those found."""
    seen: set[str] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        folders[:] = [] if real in seen else sorted(f for f in folders if f not in _NOT_SCANS and f[0] != ".")
        if real in seen:  # A link that leads back up.
            continue
        seen.add(real)
        for path in (Path(place, name) for name in sorted(files) if name[0] != "."):
            dicom_file = look_at(path, folder)
            if dicom_file is not None:
                dicom_files.append(dicom_file)
            elif path.name.lower().endswith(EXTENSIONS) and not _is_second_half(path):
                yield path


def _is_second_half(path: Path) -> bool:
    """Whether a file is the .img of a .hdr/.img pair; the header stands for both."""
    name = path.name
    position = name.lower().rfind(".img")
    if position < 0:
        return False
    rest = name[position + 4 :]
    return any(path.with_name(name[:position] + header + rest).exists() for header in (".hdr", ".HDR"))


def _outward_fault(path: Path) -> str:
    """Why a file cannot be used, as far as one sees without an image library; empty if nothing is wrong."""
    if path.is_symlink() and not path.exists():
        return "a broken link; is its content still to be fetched?"
    return ""


def _is_bids(folder: Path) -> bool:
    return (folder / "dataset_description.json").is_file() or any(
        child.is_dir() for child in folder.glob("sub-*")
    )


def _only_suffix(folder: Path, files: list[tuple[str, Path]]) -> str:
    """The suffix of a BIDS folder's scans if they share one."""
    suffixes = sorted({bids_suffix(name) for name, _ in files})
    if len(suffixes) > 1:
        raise UserError(
            f"--suffix: {folder} holds {', '.join(suffixes)}; choose one, as in --suffix={suffixes[0]}"
        )
    return suffixes[0] if suffixes else ""


def _matched(pattern: re.Pattern[str], name: str) -> str:
    match = pattern.search(name)
    if match is None:
        return ""
    if "subject" in pattern.groupindex:
        return match["subject"] or ""
    return (match[1] if pattern.groups else match[0]) or ""


def _bids_subject(name: str) -> str:
    """The name "sub-..." from a file's name or one of its folders; empty if there is none."""
    for part in reversed(name.split("/")):
        match = re.match(r"sub-[a-zA-Z0-9]+", part)
        if match:
            return match[0]
    return ""


def _mask_folder(folder: Path, masks: str) -> Path:
    place = (folder if folder.is_dir() else folder.parent) / masks  # An absolute path stays as it is.
    if not place.is_dir():
        raise UserError(f"--masks: there is no folder {place}")
    return place


def _with_masks(scans: list[Scan], folder: Path) -> list[Scan]:
    """The scans with the masks that belong to them."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.name.lower().endswith(EXTENSIONS) and not _is_second_half(path)
    )
    by_subject: dict[str, list[str]] = {}
    for name in names:
        by_subject.setdefault(_bids_subject(name), []).append(name)
    paired = []
    for scan in scans:
        candidates = by_subject.get(_bids_subject(scan.name), [])
        match = _matching_mask(scan, candidates)
        paired.append(dataclasses.replace(scan, mask=folder / match) if match else scan)
    return paired


def _matching_mask(scan: Scan, candidates: list[str]) -> str:
    """The one mask that belongs to a scan; empty if there is none.

    A BIDS mask belongs to a scan of the same subject and session whose entities it does not contradict; any
    other mask to the scan whose name its own begins with.
    """
    if _bids_subject(scan.name):
        own = entities(scan.name)
        agreeing = [
            name
            for name in candidates
            if entities(name).get("ses") == own.get("ses")
            and all(own.get(key, value) == value for key, value in entities(name).items())
        ]
        lesions = [name for name in agreeing if "lesion" in stem(name).lower()]
        agreeing = lesions or agreeing
    else:
        agreeing = [name for name in candidates if stem(name).startswith(stem(scan.name))]
    if len(agreeing) > 1:
        raise UserError(
            f"--masks: several masks fit {scan.name}: {', '.join(agreeing)}; keep the one that is meant"
        )
    return agreeing[0] if agreeing else ""
