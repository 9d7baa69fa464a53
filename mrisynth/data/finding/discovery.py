"""Finds scans below folders, and puts together what their names, tables and masks say of them."""

from __future__ import annotations

import dataclasses
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from mrisynth.data.finding import dicom
from mrisynth.data.finding.bids import bids_suffix, contrast, is_bids, session, subject_of
from mrisynth.data.finding.dicom_series import DicomFile, find_series, look_at, salted
from mrisynth.data.finding.file_search import fault_of_file, fault_of_part, location, walk
from mrisynth.data.finding.masks import MaskFolder, mask_folder, masks_of
from mrisynth.data.finding.participants import read_participants
from mrisynth.data.finding.scan_names import EXTENSIONS, compiled, is_contrast, printable, same_form, stem
from mrisynth.data.finding.scans import Scan
from mrisynth.data.finding.subjects import subjects_of
from mrisynth.data.finding.wanted_contrasts import WantedContrast, the_one, wanted_contrasts
from mrisynth.errors import UserError

_WORD_ENDS = re.compile(r"[-_ .]")


def find_scans(
    inputs: tuple[str, ...],
    suffix: str | Sequence[WantedContrast] = "",
    subject_regex: str = "",
    masks: str = "",
    series: str = "",
    salt: str = "",
) -> list[Scan]:
    """Finds every scan below some folders, or takes the files that are given.

    Folders are searched for the extensions of `EXTENSIONS`; those called derivatives, sourcedata, code or
    stimuli are passed over, and so are hidden ones. A folder that holds dataset_description.json or folders
    named sub-* is read as BIDS: it has one contrast, or `suffix` says which count. DICOM files are known by
    what is in them.

    Args:
        inputs: Folders and files.
        suffix: Contrasts to take (see `wanted_contrasts`): what names end in, behind an underscore or
            hyphen, also of files that are given; empty takes the only one a BIDS folder has, or every file of
            other folders.
        subject_regex: Regular expression that finds the subject in a file's path (see `subjects_of`).
        masks: Folder of lesion masks, absolute or relative to each input folder; empty for none.
        series: Regular expression that chooses DICOM series by their descriptions.
        salt: What patients' IDs in DICOM files are hashed with.

    Returns:
        The scans, sorted by name within each input, each file once; those of DICOM files last. Folders that
        cannot be read are among them, with their fault.

    Raises:
        UserError: Something is not there, nothing is found, or a choice has to be made.
    """
    pattern = compiled("--subject_regex", subject_regex)
    wanted = wanted_contrasts(suffix) if isinstance(suffix, str) else suffix
    places = [_place(Path(place)) for place in inputs]
    given = [place for place in places if not place.is_dir()]
    given_in = _shared_folder([place.parent for place in given])
    found: dict[tuple[str, str], Scan] = {}
    dicom_files: list[DicomFile] = []
    taken = {scan.path: scan for scan in _given(given, given_in, wanted, dicom_files)}
    for place in places:
        if place.is_dir():
            scans = _scans_in_folder(place, wanted, mask_folder(place, masks) if masks else None, dicom_files)
        else:
            scans = [taken[place]] if place in taken else []
        for scan in scans:
            found.setdefault(location(scan.path), scan)
    shared = _shared_folder([place if place.is_dir() else place.parent for place in places])
    scans = _with_participants(_with_subjects(list(found.values()), shared, pattern))
    scans = _with_masks(scans, masks) if masks else scans
    if dicom_files:
        scans = [_unnamed(scan, salt) if scan.name.endswith("/") else scan for scan in scans]
        is_alone = all(scan.fault for scan in scans)
        scans += _dicom_scans(dicom_files, wanted, series, pattern, salt, is_alone)
    _check_any(scans, inputs)
    _check_every_contrast(scans, wanted)
    return _with_one_spelling(scans if wanted else _with_mixed_contrasts(scans))


def _place(place: Path) -> Path:
    """An input, checked; of a DICOMDIR, the folder of all that it lists."""
    if not os.path.lexists(place):
        raise UserError(f"--input: there is no file or folder {place}")
    return place.parent if place.name.upper() == "DICOMDIR" and place.is_file() else place


def _check_any(scans: Sequence[Scan], inputs: Sequence[str]) -> None:
    """Checks that there is a scan, and one that is not known already to be of no use."""
    below = ", ".join(inputs)
    if not scans:
        raise UserError(f"--input: no scans below {below} (looked for DICOM and {', '.join(EXTENSIONS)})")
    faults = {scan.fault for scan in scans}
    if "" not in faults and dicom.ADVICE in faults:
        raise UserError(f"--input: what lies below {below} is {dicom.ADVICE}")
    if "" not in faults and len(faults) == 1:
        # Paths of DICOM files may name patients.
        shown = scans[0].name if scans[0].files else scans[0].path
        raise UserError(f"--input: {shown} cannot be used: {scans[0].fault}")


def _shared_folder(folders: Sequence[Path]) -> Path:
    """The folder that all of some folders are in, or are."""
    try:
        # Links keep their names.
        whole = [os.path.abspath(folder) for folder in folders]  # noqa: PTH100
        return Path(os.path.commonpath(whole or [os.curdir]))
    except ValueError:  # On different drives.
        return Path()


def _relative(path: Path, folder: Path) -> str:
    try:
        return Path(os.path.relpath(path, folder)).as_posix()
    except ValueError:  # On different drives.
        return path.absolute().as_posix()


def _scan(name: str, path: Path, place: Path, fault: str = "") -> Scan:
    """Describes a file by itself: whose it is is judged over all files together."""
    return Scan(
        path=path,
        name=printable(name),
        input=str(place),
        subject="",
        session=session(name),
        suffix=bids_suffix(name),
        fault=fault or fault_of_file(path) or fault_of_part(name),
    )


def _given(
    paths: Sequence[Path], folder: Path, wanted: Sequence[WantedContrast], dicom_files: list[DicomFile]
) -> list[Scan]:
    """The files that are given themselves, if their contrasts are wanted; DICOM is added to those found."""
    scans = []
    for path in dict.fromkeys(paths):
        dicom_file = look_at(path, path.parent)
        if dicom_file:
            dicom_files.append(dicom_file)
        else:
            scans.append(_scan(_relative(path, folder), path, path))
    return _with_suffix(scans, wanted, folder) if wanted else scans


def _scans_in_folder(
    folder: Path, wanted: Sequence[WantedContrast], masks: MaskFolder | None, dicom_files: list[DicomFile]
) -> list[Scan]:
    """The scans of the contrasts that are wanted below a folder, and what cannot be read there.

    DICOM files are added to those found.
    """
    scans, unreadable = [], []
    for path, fault in walk(folder, dicom_files):
        name = path.relative_to(folder).as_posix()
        if fault:
            unreadable.append(_scan(f"{name}/", path, folder, fault=fault))
        elif masks is None or not masks.holds(path):
            scans.append(_scan(name, path, folder))
    if wanted:
        scans = _with_suffix(scans, wanted, folder)
    elif is_bids(folder):
        scans = _with_only_contrast(scans, folder)
    return sorted([*scans, *unreadable], key=lambda scan: scan.name)


def _unnamed(folder: Scan, salt: str) -> Scan:
    """An unreadable folder beside DICOM files, whose name may be a patient's, without it."""
    name = f"unreadable_{salted(salt, folder.name)}/"
    return Scan(Path(folder.input), name, folder.input, subject="", fault=folder.fault)


def _dicom_scans(
    files: list[DicomFile],
    wanted: Sequence[WantedContrast],
    series: str,
    pattern: re.Pattern[str] | None,
    salt: str,
    is_alone: bool,
) -> list[Scan]:
    """The scans that DICOM files make up; `is_alone`: there are no others that can be used."""
    missing = "" if dicom.dcm2niix() else dicom.ADVICE
    subject_by_name = (lambda name: subjects_of([name], pattern)[0]) if pattern else None
    found = find_series(files, salt, wanted, series, subject_by_name, is_alone)
    return [dataclasses.replace(scan, fault=scan.fault or missing) for scan in found]


def _with_suffix(scans: list[Scan], wanted: Sequence[WantedContrast], folder: Path) -> list[Scan]:
    """The scans of the contrasts that are wanted, in their capital letters or, if none is, in any."""
    fitting: dict[Path, list[WantedContrast]] = {}
    in_others: dict[WantedContrast, list[Scan]] = {}
    for contrast_ in wanted:
        in_any = [scan for scan in scans if contrast_.matches(scan.name, ignore_case=True)]
        matching = [scan for scan in in_any if contrast_.matches(scan.name)] or in_any
        for scan in matching:
            fitting.setdefault(scan.path, []).append(contrast_)
        in_others[contrast_] = [scan for scan in in_any if scan not in matching]
    if scans and not fitting:
        asked = ",".join(one.text for one in wanted)
        raise UserError(f"{wanted[0].flag}={asked}: no such scan below {folder}; there are {_listed(scans)}")
    only = len(wanted) == 1 and wanted[0].label == wanted[0].suffix
    chosen = [(scan, the_one(fitting[scan.path], scan.name)) for scan in scans if scan.path in fitting]
    left = {
        contrast_: [scan.name for scan in those if scan.path not in fitting]
        for contrast_, those in in_others.items()
    }
    return [
        scan.warned(
            _spelled_otherwise(contrast_, left[contrast_]), suffix=(only and scan.suffix) or contrast_.label
        )
        for scan, contrast_ in chosen
    ]


def _spelled_otherwise(contrast_: WantedContrast, names: Sequence[str]) -> str:
    """A warning if names say a contrast in other capital letters, so that it was not taken from them."""
    if not names:
        return ""
    return (
        f"spelled otherwise: {len(names)} file(s) such as {names[0]} are not taken for {contrast_.text}, as "
        "their capital letters differ"
    )


def _check_every_contrast(scans: Sequence[Scan], wanted: Sequence[WantedContrast]) -> None:
    """Checks that each of several contrasts is there, in whatever input."""
    there = {scan.suffix for scan in scans}
    for contrast_ in wanted[: len(wanted) * (len(wanted) > 1)]:
        if contrast_.label not in there:
            raise UserError(
                f"{contrast_.flag}: there is no scan {contrast_.text}; there are {', '.join(sorted(there))}"
            )


def _listed(scans: Sequence[Scan]) -> str:
    """What contrasts there are, by the names of some files."""
    return ", ".join(sorted({contrast(scan.name) or stem(scan.name) for scan in scans})[:8])


def _with_only_contrast(scans: list[Scan], folder: Path) -> list[Scan]:
    """The scans of a BIDS folder, if they are of one contrast.

    Files that are not named as in BIDS count by what they are called instead, as long as there are no others.
    """
    named = {scan.suffix for scan in scans} - {""}
    counts = Counter(contrast(scan.name) for scan in scans)
    called = {kind for kind, count in counts.items() if kind and (count > 1 or is_contrast(kind))}
    kinds = sorted(named or called)
    if len(kinds) > 1:
        raise UserError(
            f"--suffix: {folder} holds {', '.join(kinds)}; choose one or several, as in --suffix={kinds[0]} "
            f"or --suffix={','.join(kinds)}"
        )
    only = kinds[0] if kinds else ""
    return [_as_contrast(scan, only, is_named=bool(named)) for scan in scans]


def _with_mixed_contrasts(scans: list[Scan]) -> list[Scan]:
    """The scans, with a warning for those whose names say that they are of one contrast of several."""
    kinds = {scan.path: kind for scan in scans if not scan.fault and (kind := _kind(scan))}
    meant = map(_contrasts_meant, kinds.values())
    if not kinds or frozenset.intersection(*meant):
        return scans
    there = sorted(set(kinds.values()))
    shown = ", ".join(there[:8]) + (", ..." if len(there) > 8 else "")
    warning = f"contrasts mixed: there are {shown}; --suffix takes those named"
    return [scan.warned(warning) if scan.path in kinds else scan for scan in scans]


def _kind(scan: Scan) -> str:
    """What says of which contrast a scan is: a series' description, or what a name ends in; else empty."""
    if scan.files:
        return scan.suffix if any(map(is_contrast, _WORD_ENDS.split(scan.suffix))) else ""
    last = _WORD_ENDS.split(stem(scan.name))[-1]
    return scan.suffix or (last if is_contrast(last) else "")


def _contrasts_meant(kind: str) -> frozenset[str]:
    """The contrasts that some words name, alike for T2w and t2; T2FLAIR names FLAIR, too."""
    words = [word.casefold() for word in _WORD_ENDS.split(kind)]
    words = [word for word in words if len(words) == 1 or is_contrast(word)]
    words += ["flair" for word in words if word.endswith("flair")]
    return frozenset(re.sub(r"(\d|pd)w(eighted)?$", r"\1", word) for word in words)


def _with_one_spelling(scans: list[Scan]) -> list[Scan]:
    """The scans, each contrast called as its first scan has it: FLAIR and flair are one label."""
    first: dict[str, str] = {}
    return [
        dataclasses.replace(scan, suffix=first.setdefault(scan.suffix.casefold(), scan.suffix))
        for scan in scans
    ]


def _as_contrast(scan: Scan, kind: str, is_named: bool) -> Scan:
    """A scan of a folder that has one contrast; `is_named`: names there end in BIDS suffixes."""
    if scan.suffix or scan.fault:
        return scan
    if is_named and contrast(scan.name).casefold() != kind.casefold():
        return dataclasses.replace(
            scan, fault=f"its name does not end in a BIDS suffix, as in sub-01_{kind}.nii"
        )
    return dataclasses.replace(scan, suffix=kind)


def _with_subjects(scans: list[Scan], shared: Path, pattern: re.Pattern[str] | None) -> list[Scan]:
    """The scans with their subjects; files that cannot be used have no say in how the others are read."""
    names = {scan.path: printable(_relative(scan.path, shared)) for scan in scans}
    usable = [names[scan.path] for scan in scans if not scan.fault]
    subjects = dict(zip(usable, subjects_of(usable, pattern, printable(shared.name)), strict=True))
    missing = (
        "its folder and its name stand for different subjects"
        if pattern is None
        else "--subject_regex finds no subject in its path"
    )
    described = []
    for scan in scans:
        name = names[scan.path]
        subject = subjects_of([name], pattern)[0] if pattern else subject_of(name)
        subject = subject if scan.fault else subjects[name]
        fault = scan.fault or ("" if subject else missing)
        described.append(dataclasses.replace(scan, subject=subject, fault=fault))
    return _with_names_alike(_with_shared_labels(described), are_one=pattern is None)


def _with_shared_labels(scans: list[Scan]) -> list[Scan]:
    """The scans, with a warning where a BIDS label in several inputs may stand for several persons."""
    inputs: dict[str, set[str]] = {}
    for scan in scans:
        if subject_of(scan.name) == scan.subject and Path(scan.input).is_dir():
            inputs.setdefault(scan.subject, set()).add(scan.input)
    warnings = {
        subject: f"subject in several inputs: {subject} counts as one; --subject_regex can say otherwise"
        for subject, places in inputs.items()
        if len(places) > 1
    }
    return [scan.warned(warnings.get(scan.subject, "")) for scan in scans]


def _with_names_alike(scans: list[Scan], are_one: bool) -> list[Scan]:
    """The scans, with a warning where names of subjects differ in case, separators, zeros or "sub-" alone.

    They count as one person, whose scans must not stand on both sides of the split, if `are_one`; a user's
    own expression may tell them apart. Of a BIDS name and another one, the BIDS name stays.
    """
    subjects = filter(None, dict.fromkeys(scan.subject for scan in scans))
    first_of: dict[str, str] = {}
    for subject in sorted(subjects, key=lambda name: not name.startswith("sub-")):
        first_of.setdefault(_without_prefix(subject), subject)
    described = []
    for scan in scans:
        first = first_of.get(_without_prefix(scan.subject), scan.subject)
        if first != scan.subject:
            how = (
                "are one person; --subject_regex can say otherwise"
                if are_one
                else "count as two; are they one?"
            )
            warning = f"subjects alike: {scan.subject} and {first} {how}"
            scan = scan.warned(warning, subject=first if are_one else scan.subject)
        described.append(scan)
    return described


def _without_prefix(subject: str) -> str:
    """What a name says behind "sub-", which may be written sub01 or Subject_01."""
    return re.sub(r"^sub(j|ject)?(_|(?=\d))", "", same_form(subject))


def _with_participants(scans: list[Scan]) -> list[Scan]:
    """The scans with what participants.tsv in their input folder says of their subjects."""
    by_input: dict[str, list[Scan]] = {}
    for scan in scans:
        by_input.setdefault(scan.input, []).append(scan)
    described = []
    for place, there in by_input.items():
        found = read_participants(Path(place)).of_subjects({scan.subject for scan in there})
        for scan in there:
            columns, warning = found[scan.subject]
            described.append(scan.warned(warning if scan.subject else "", participant=dict(columns)))
    return described


def _with_masks(scans: list[Scan], masks: str) -> list[Scan]:
    """The scans with the masks that belong to them."""
    folders = {
        place: mask_folder(Path(place), masks) for place in dict.fromkeys(scan.input for scan in scans)
    }
    described = {scan.path: scan for scan in scans}
    for folder in dict.fromkeys(folders.values()):
        there = [scan for scan in scans if folders[scan.input] == folder and not scan.fault]
        names = [
            printable(_relative(scan.path, folder.path)) if folder.is_shared else scan.name for scan in there
        ]
        masks_below = _masks_below(folder)
        chosen = masks_of(names, [scan.subject for scan in there], list(masks_below))
        for scan, (mask, warning) in zip(there, chosen, strict=True):
            described[scan.path] = scan.warned(warning, mask=masks_below.get(mask))
    return [described[scan.path] for scan in scans]


def _masks_below(folder: MaskFolder) -> dict[str, Path]:
    """The masks in a folder, by their paths relative to it."""
    paths = (path for path, fault in walk(folder.path, []) if not fault and folder.holds(path))
    return {printable(path.relative_to(folder.path).as_posix()): path for path in paths}
