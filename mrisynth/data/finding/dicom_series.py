"""Which DICOM files make up a scan, whose it is, and which of the scans are wanted.

Patients' IDs and UIDs stay here. What leaves are hashes of them, made with a salt that only the data set
knows, and the descriptions of series without the words that name the patient.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from mrisynth.data.finding.dicom_headers import DEFLATED, DamagedHeaderError, Header, read_header
from mrisynth.data.finding.scan_names import compiled, same_form
from mrisynth.data.finding.scans import Scan
from mrisynth.data.finding.wanted_contrasts import WantedContrast, the_one
from mrisynth.errors import UserError

_EXTENSIONS = (".dcm", ".ima", ".dicom")
_LOCALIZER = re.compile(r"locali[sz]er|scout|survey|plan.?scan|(3|three).?plane|(?<![a-z])loc(?![a-z])", re.I)
_DERIVED_MAP = re.compile(
    r"(?<![a-z])(e?adc|(r|rel)?cb[fv]|mtt|ttp|tmax|tensor|m(in|n)?ip)(?![a-z])"
    r"|map(s|ping)?(?![a-z])|subtract|projection|screen.?save|anisotropy",
    re.I,
)
_DERIVED_TYPES = {"FA", "COLFA", "MPR", "REFORMATTED", "SUB", "T_MAP", "T-TEST", "STDDEV", "R2", "R2_STAR"}
_NOT_MAGNITUDE = re.compile(r"[PRI](_.*)?|PHASE.*|REAL.*|IMAGINARY.*")


@dataclasses.dataclass(frozen=True)
class DicomFile:
    """A DICOM file, the input it was found in, and its path relative to that, with forward slashes.

    Its header is None where it cannot be read.
    """

    path: Path
    input: str
    name: str
    header: Header | None


def look_at(path: Path, place: Path) -> DicomFile | None:
    """Reads a file's header if it is DICOM, by what is in it, or at least called so.

    Args:
        path: Any file.
        place: The input folder it was found in; of a file that is given itself, its folder, for the file's
            name may be the patient's.
    """
    header = None
    try:
        header = read_header(path) if path.is_file() else None  # Opening a pipe would wait for ever.
        is_dicom = header is not None
    except DamagedHeaderError:
        is_dicom = True
    except OSError:
        is_dicom = False
    if not is_dicom and not path.name.lower().endswith(_EXTENSIONS):
        return None
    return DicomFile(path, str(place), path.relative_to(place).as_posix(), header)


def without_file_name(place: str) -> str:
    """An input as it may be stored: of a DICOM file, whose name may be the patient's, its folder."""
    path = Path(place)
    return place if path.is_dir() or look_at(path, path.parent) is None else str(path.parent)


def find_series(
    found: list[DicomFile],
    salt: str,
    wanted: Sequence[WantedContrast] = (),
    series: str = "",
    subject_of: Callable[[str], str] | None = None,
    is_alone: bool = True,
) -> list[Scan]:
    """Puts DICOM files together to series and chooses among them.

    All but the paths of what is returned may be shown and stored.

    Args:
        found: The files of all inputs.
        salt: What is hashed along with IDs and UIDs; the same one gives the same names.
        wanted: Contrasts to take, words of the series' descriptions; none takes the only description there
            is.
        series: Regular expression that chooses by description, in place of `wanted`.
        subject_of: Says by a file's name whose it is, or "", in place of the patient's ID.
        is_alone: Whether some series must be of `wanted`; not so where there are scans of other formats.

    Returns:
        The series that are wanted, sorted by name, and one more for each folder with damaged files. The name
        is made of the subject, the description and a salted hash; subject and session are "sub-" and "ses-"
        with such a hash of the patient's ID and of the examination's UID. Each image is there once, in the
        order of the paths.

    Raises:
        UserError: Nothing is as wanted, a choice has to be made, or `series` is no regular expression.
    """
    groups: dict[tuple[str, str], list[DicomFile]] = {}
    damaged: dict[tuple[str, str], list[DicomFile]] = {}
    for file in found:
        if file.header is None:
            damaged.setdefault((file.input, file.name.rpartition("/")[0]), []).append(file)
        elif file.header.rows or file.header.series:  # Else a list of files (DICOMDIR).
            key = file.header.series or file.name.rpartition("/")[0]  # Without a UID, its folder's files.
            groups.setdefault((file.header.patient, key), []).append(file)
    chosen = _choose(list(groups.values()), wanted, series, is_alone)
    headers = (file.header for files in groups.values() for file in files)
    doubts = {} if subject_of is not None else _doubts(headers)
    described = [_series(files, salt, suffix, subject_of, doubts, damaged.keys()) for files, suffix in chosen]
    described = _with_descriptions(described, [_shown(files[0].header) for files, _ in chosen])
    described += [_damaged(files, salt) for files in damaged.values()]
    return sorted(described, key=lambda one: one.name)


def subject_name(salt: str, patient: str) -> str:
    """What a patient is called in a data set, by ID."""
    return f"sub-{salted(salt, patient)}"


def salted(salt: str, text: str) -> str:
    """Twelve hexadecimal digits that stand for a text; without the salt nobody can say for which."""
    return hashlib.sha256(f"{salt}{text}".encode()).hexdigest()[:12]


def _choose(
    groups: list[list[DicomFile]], wanted: Sequence[WantedContrast], series: str, is_alone: bool
) -> list[tuple[list[DicomFile], str]]:
    """The groups of files whose descriptions are wanted, each with the contrast that was asked for or ""."""
    if not groups:
        return []
    pattern = compiled("--series", series, re.IGNORECASE)
    if wanted or pattern is not None:
        labels = [_label(files[0].header, wanted, pattern) for files in groups]
        chosen = [(files, label) for files, label in zip(groups, labels, strict=True) if label is not None]
        if not chosen and (series or is_alone):
            asked = ",".join(one.text for one in wanted)
            flag = f"--series={series}" if series else f"{wanted[0].flag}={asked}"
            raise UserError(f"{flag}: no DICOM series is called so; there are {_listed(groups)}")
        return chosen
    usable = [files for files in groups if not _fault([file.header for file in files])]
    if len({_shown(files[0].header).casefold() for files in usable}) > 1:
        raise UserError(
            f"--series: the DICOM files are of the series {_listed(usable)}; choose by a regular expression, "
            "or by --suffix=WORD"
        )
    return [(files, "") for files in groups]


def _label(header: Header, wanted: Sequence[WantedContrast], pattern: re.Pattern[str] | None) -> str | None:
    """What a series' contrast is called, "" if by its description; None if the series is not wanted."""
    if pattern is not None:
        if not pattern.search(header.description):
            return None
        if len(wanted) < 2:
            return wanted[0].label if wanted else ""
    matching = [one for one in wanted if one.describes(header.description)]
    if matching and _fault([header]):
        return matching[0].label
    return the_one(matching, f"the DICOM series {_shown(header)}").label if matching else None


def _listed(groups: list[list[DicomFile]]) -> str:
    there = sorted({_shown(files[0].header) or "(without a description)" for files in groups})
    return ", ".join(there[:12]) + (", ..." if len(there) > 12 else "")


def _shown(header: Header) -> str:
    """The description without words that name the patient."""
    confidential = " ".join((header.patient, *header.person, header.study, header.series)).casefold()
    secret = {word for word in re.split(r"[\W_]+", confidential) if len(word) > 1}
    words = re.split(r"[\W_]+", header.description)
    return "-".join(word for word in words if word and word.casefold() not in secret)


def _series(
    files: list[DicomFile],
    salt: str,
    suffix: str,
    subject_of: Callable[[str], str] | None,
    doubts: Mapping[str, str],
    damaged_folders: Iterable[tuple[str, str]],
) -> Scan:
    """Describes a group of files."""
    files = sorted(files, key=lambda file: (file.input, file.name))
    unique = list({file.header.instance or file.name: file for file in reversed(files)}.values())[::-1]
    header = unique[0].header
    subject, fault = _subject(unique[0], salt, subject_of)
    folders = {(file.input, file.name.rpartition("/")[0]) for file in files}
    shown = _shown(header)
    return Scan(
        path=unique[0].path,
        files=tuple(file.path for file in unique),
        input=unique[0].input,
        name=f"{subject or 'nobody'}/{shown or 'series'}_{salted(salt, header.series)}",
        subject=subject,
        session=f"ses-{salted(salt, header.study)}",
        suffix=suffix or shown,
        fault=_fault([file.header for file in unique]) or fault,
        warnings=tuple(
            _warnings(unique, files, doubts.get(header.patient), folders.intersection(damaged_folders))
        ),
    )


def _with_descriptions(found: list[Scan], descriptions: Sequence[str]) -> list[Scan]:
    """The series, with a warning where several descriptions count as one contrast."""
    of_label: dict[str, set[str]] = {}
    for one, description in zip(found, descriptions, strict=True):
        if not one.fault:
            of_label.setdefault(one.suffix, set()).add(description)
    warned = []
    for one in found:
        several = sorted(of_label.get(one.suffix, ()))
        warning = f"descriptions differ: {', '.join(several[:8])} count as {one.suffix}; --series can choose"
        warned.append(one.warned(warning) if len(several) > 1 else one)
    return warned


def _subject(file: DicomFile, salt: str, subject_of: Callable[[str], str] | None) -> tuple[str, str]:
    """A series' subject; empty, with the reason, if there is none."""
    name, fault = file.header.patient, "without a PatientID; --subject_regex can find the subject in its path"
    if subject_of is not None:
        name, fault = subject_of(file.name), "--subject_regex finds no subject in its path"
    return (subject_name(salt, name), "") if name else ("", fault)


def _fault(headers: list[Header]) -> str:
    """Why a series is not wanted or cannot be converted, as far as headers say."""
    first = headers[0]
    type_ = [part for part in first.image_type[2:] if part]
    words = " ".join((first.description, *type_))
    if not all(header.rows for header in headers):
        return f"no images, or not in all of its files (modality {first.modality or 'unknown'})"
    if first.modality not in ("MR", ""):
        return f"not of MR (modality {first.modality})"
    if _LOCALIZER.search(words):
        return "a localizer, by its name or image type"
    if any(_NOT_MAGNITUDE.fullmatch(part) for part in type_):
        return "a phase, real or imaginary part, by its image type"
    if _DERIVED_MAP.search(words) or _DERIVED_TYPES.intersection(type_):
        return "a derived map, by its name or image type"
    if any(header.transfer_syntax == DEFLATED for header in headers):
        return "deflated DICOM, which dcm2niix does not read; inflate it with: dcmconv +te OLD NEW"
    return ""


def _warnings(
    files: list[DicomFile], with_copies: list[DicomFile], doubt: str | None, is_damaged: Iterable[object]
) -> Iterable[str]:
    """What a user should know about a series, as far as headers say."""
    numbers = sorted(file.header.number for file in files)
    if files[0].header.expected > len(files):
        yield f"slices missing: {len(files)} images of the {files[0].header.expected} that were acquired"
    elif all(numbers) and numbers[-1] > len(files):
        yield (
            f"slices missing: the {len(files)} images of its series are numbered from {numbers[0]} to "
            f"{numbers[-1]}"
        )
    if is_damaged:
        yield "slices missing: perhaps, for the header of a file in its folder cannot be read"
    # A file that two names lead to is no copy.
    copies = len(with_copies) > len(files) and len({file.path.resolve() for file in with_copies}) - len(files)
    if copies:
        yield f"copies left out: {copies} of its files hold an image that another one holds"
    if doubt:
        yield f"patient unsure: {doubt}"
    if files[0].header.image_type[0] == "DERIVED":
        yield "derived image: its image type says that it was computed from others"


def _doubts(headers: Iterable[Header]) -> dict[str, str]:
    """Why an ID may be that of several persons, or not the only one of its person, by ID."""
    persons: dict[str, set[tuple[str, ...]]] = {}
    ids: dict[tuple[str, ...], set[str]] = {}
    for header in headers:
        name, birth, sex = header.person[:3]
        words = re.findall(r"[^\W_]+", name.casefold())
        persons.setdefault(header.patient, set()).add(("".join(words), birth, sex))
        ids.setdefault(("differs in zeros, case or separators alone", same_form(header.patient)), set()).add(
            header.patient
        )
        if birth and len(set(words)) > 1:  # One word alone may stand for all: ANONYMOUS.
            person = ("has the same name and birth date", "".join(words), birth)
            ids.setdefault(person, set()).add(header.patient)
    doubts = {
        patient: f"another PatientID {alike}; they count as two subjects"
        for (alike, *_), those in ids.items()
        if len(those - {""}) > 1
        for patient in those
    }
    return doubts | {
        patient: "files of one PatientID differ in the patient's name, birth date or sex"
        for patient, those in persons.items()
        if any(len(set(values) - {""}) > 1 for values in zip(*those, strict=True))
    }


def _damaged(files: list[DicomFile], salt: str) -> Scan:
    """Stands for the damaged files of a folder, whose series nobody knows."""
    return Scan(
        path=files[0].path,
        files=tuple(file.path for file in files),
        input=files[0].input,
        name=f"damaged_{salted(salt, files[0].name)}",
        subject="",
        fault=f"{len(files)} DICOM file(s) of one folder have no header that can be read (cut off, or "
        "without the mark DICM at byte 128)",
    )
