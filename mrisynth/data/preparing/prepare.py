"""From a folder of scans to a prepared data set: walks all of it.

The files are written into a folder inside the output, which may be a mounted volume or all that one may
write to, and moved up when they are complete, the manifest last. What a killed run leaves behind has no
manifest and so is never mistaken for a data set; the next run clears it away.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth import __version__, screen
from mrisynth.atomic_io import move_files
from mrisynth.data.config import PreparationConfig
from mrisynth.data.finding import dicom, dicom_series
from mrisynth.data.finding.channels import IMAGE, one_scan_a_session
from mrisynth.data.finding.discovery import find_scans
from mrisynth.data.finding.scans import Scan
from mrisynth.data.labels import UNKNOWN, describe_values
from mrisynth.data.preparing.contact_sheet import (
    CONTACT_SHEET,
    HISTOGRAM,
    write_contact_sheet,
    write_histogram,
)
from mrisynth.data.preparing.duplicates import RepeatedScans, same_voxels, warned
from mrisynth.data.preparing.split import check_together, held_out, named_subjects
from mrisynth.data.preparing.worker import HISTOGRAM_BINS, ExtractedScan, checksums, extract
from mrisynth.data.preparing.worker_pool import in_workers
from mrisynth.data.reading.image_copies import same_images
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.resampling import SliceMode
from mrisynth.data.reading.slices import field_of_view_pixels
from mrisynth.data.storing.manifest import (
    FILE_NAME,
    Manifest,
    Source,
    Split,
    SplitInfo,
    read_manifest,
    write_manifest,
)
from mrisynth.data.storing.storage import LABELS_FILE, SampleWriter
from mrisynth.errors import UserError, naming_disk_errors
from mrisynth.locking import only_writer

_UNFINISHED = ".unfinished"
_SALT = "salt.txt"
_ARRAYS = [f"{split}-r*.npy" for split in Split]


def prepare_dataset(config: PreparationConfig | None = None, **settings) -> Manifest:
    """Turns scans into a data set to train on: arrays, label table, manifest, contact sheet, histogram.

    Two runs with the same scans and settings give the same bytes, whatever the number of workers, save for
    the names of DICOM's subjects. An output that is complete and was made from the same scans with the same
    settings is left as it is.

    Args:
        config: What to do; or give its fields as keyword arguments.
        **settings: Fields of `PreparationConfig`, if `config` is not given.

    Returns:
        The manifest of the data set.

    Raises:
        UserError: No usable scan, an output that holds something else, a full disk; with `strict`, a scan
            that cannot be used.

    Example:
        prepare_dataset(input="scans", output="data", resolution=64)
    """
    config = dataclasses.replace(config, **settings) if config else PreparationConfig(**settings)
    output = Path(config.output).resolve()
    salt = _salt(output)
    channels = config.wanted_channels() if config.channels and not config.suffix else None
    wanted = channels.contrasts if channels else config.suffix
    scans = find_scans(config.input, wanted, config.subject_regex, config.masks, config.series, salt)
    scans = one_scan_a_session(scans, channels, config.allow_missing) if channels else scans
    shown = map(dicom_series.without_file_name, config.input)
    config = dataclasses.replace(config, input=tuple(dict.fromkeys(shown)))
    config = _checked_split(config, scans, salt)
    existing = _existing(output, scans, config)
    if existing is not None:
        return existing
    with naming_disk_errors(output, "--output"), only_writer(output, "--output"):
        # Another process may have ended in between.
        return _existing(output, scans, config) or _prepare(scans, config, output, salt)


def _salt(output: Path) -> str:
    """What patients' IDs are hashed with: at random, but once for a data set."""
    try:
        return (output / _SALT).read_text(encoding="ascii")
    except OSError:
        return secrets.token_hex(16)


def _checked_split(config: PreparationConfig, scans: Sequence[Scan], salt: str) -> PreparationConfig:
    """The configuration with held-out subjects by their full names."""
    columns = sorted({column for scan in scans for column in scan.participant})
    missing = [column for column in config.stratify if column not in columns]
    if missing:
        there = f"its columns are {', '.join(columns)}" if columns else "there is none"
        raise UserError(f"--stratify={missing[0]} is no column of participants.tsv; {there}")
    subjects = {scan.subject for scan in scans if not scan.fault}
    # Patients of DICOM are named by their IDs.
    hashed = {name: dicom_series.subject_name(salt, name) for name in config.holdout_subjects}
    names = [hashed[name] if hashed[name] in subjects else name for name in config.holdout_subjects]
    named = named_subjects(names, subjects) if names else ()
    return dataclasses.replace(config, holdout_subjects=tuple(sorted(named)))


def _existing(output: Path, scans: list[Scan], config: PreparationConfig) -> Manifest | None:
    """The data set that is there already, if it is the one that would be made; None if nothing is there."""
    if not (output / FILE_NAME).is_file():
        if (output / _UNFINISHED).exists() or not output.exists():
            return None
        # A volume may hold files of its own: .snapshot, lost+found.
        if output.is_dir() and all(path.name.startswith((".", "lost+found")) for path in output.iterdir()):
            return None
        raise UserError(f"--output: {output} exists and is no prepared data set; name a new folder")
    manifest = read_manifest(output)
    differences = _differences(manifest, config)
    if differences:
        raise UserError(
            f"--output: {output} was prepared with other settings ({differences}); "
            "remove it or name a new folder"
        )
    was = [_identity(source) for source in manifest.sources]
    found = [_identity(_found(scan)) for scan in scans]
    if was != found:
        names = {entry[0] for entry in [*was, *found] if entry not in was or entry not in found}
        changed = f" ({min(names)} is new, gone or changed, or its mask or labels are)" if names else ""
        raise UserError(
            f"--output: {output} was prepared from other scans{changed}; remove it or name a new folder"
        )
    return manifest


def _identity(source: Source) -> tuple[str, str, str, str, dict[str, str], dict[str, str]]:
    """What identifies a scan that a data set was made from, wherever it lies."""
    known = {column: value for column, value in source.participant.items() if value != UNKNOWN}
    others = {contrast: other["checksum"] for contrast, other in source.others.items()}
    return source.name, source.subject, source.checksum, source.mask_checksum, known, others


def _found(scan: Scan) -> Source:
    """The entry of a scan that was found just now, as far as it identifies the scan."""
    digests: dict[str, Any] = {}
    with contextlib.suppress(UserError):
        digests = checksums(scan)
    return Source(scan.name, scan.input, scan.subject, participant=scan.participant, **digests)


def _differences(manifest: Manifest, config: PreparationConfig) -> str:
    """Names the settings that differ, save for those that only say where the scans are."""
    there = {"slices": SliceMode.ISOTROPIC, **manifest.settings}  # Until there was a choice, all were.
    asked = config.settings()
    keys = sorted((asked.keys() | there.keys() & {"channels"}) - {"input", "masks"})
    return ", ".join(f"--{key}={there.get(key)}" for key in keys if asked.get(key) != there.get(key))


def _prepare(scans: list[Scan], config: PreparationConfig, output: Path, salt: str) -> Manifest:
    """Writes the data set aside, inside the output, and moves it up; nothing stays if the work fails."""
    aside = output / _UNFINISHED
    try:
        _clear(output)
        aside.mkdir()
        if any(scan.files for scan in scans):
            (aside / _SALT).write_text(salt, encoding="ascii")
        manifest = _write(scans, config, aside)
        move_files(aside, output, last=FILE_NAME)
        aside.rmdir()
    except BaseException:
        _clear(output)
        raise
    return manifest


def _clear(output: Path) -> None:
    """Removes what a run that did not end has written: its manifest first, its own folder last."""
    if not (output / _UNFINISHED).exists():
        return
    for pattern in (FILE_NAME, LABELS_FILE, CONTACT_SHEET, HISTOGRAM, _SALT, *_ARRAYS):
        for path in output.glob(pattern):
            path.unlink()
    shutil.rmtree(output / _UNFINISHED, ignore_errors=True)


def _write(scans: list[Scan], config: PreparationConfig, folder: Path) -> Manifest:
    """Writes the whole data set into a folder, the manifest last."""
    columns = sorted({column for scan in scans for column in scan.participant})
    histograms: dict[int, NDArray[np.int64]] = {}
    means_of_blocks: dict[int, tuple[NDArray[np.float32], ...]] = {}
    sources: list[Source] = []
    phantoms: list[bool] = []
    repeated = RepeatedScans()
    with (
        SampleWriter(folder, config.resolutions) as writer,
        contextlib.closing(_extract_all(scans, config, folder)) as results,
    ):
        for number, (scan, extracted) in enumerate(results):
            source = repeated.left_out(_source(scan, extracted, columns))
            _report(source, config.strict)
            if not source.skipped:
                histograms[number] = extracted.histogram
                means_of_blocks[number] = extracted.block_means
                phantoms.append(extracted.phantom)
                writer.append(number, extracted.images, _labels(source, extracted))
            sources.append(source)
        if not histograms:
            raise UserError(f"--input: none of the {len(scans)} files can be used; the reasons are above")
        alike = same_images(means_of_blocks)
        manifest = _manifest(config, _divided(warned(sources, alike), config, alike), all(phantoms), alike)
        writer.finish(manifest)
    write_contact_sheet(folder, manifest)
    sides = {split: np.zeros(HISTOGRAM_BINS, np.int64) for split in Split}
    for number, histogram in histograms.items():
        sides[manifest.sources[number].split] += histogram
    write_histogram(folder, sides)
    write_manifest(manifest, folder)
    return manifest


def _divided(
    sources: Sequence[Source], config: PreparationConfig, alike: Sequence[tuple[int, int]]
) -> list[Source]:
    """The sources, each that gave slices on its side of the split; `alike` are of the same image."""
    used = [source for source in sources if not source.skipped]
    subjects = {source.subject for source in used}
    together = same_voxels(sources, alike)
    if config.holdout_subjects:
        chosen = frozenset(config.holdout_subjects) & subjects
        if chosen in (frozenset(), subjects):
            which = "none of the subjects" if not chosen else "every subject"
            raise UserError(
                f"--holdout_subjects names {which} whose scans can be used; the others' scans are above, "
                "with the reasons"
            )
        check_together(chosen, together)
    else:
        chosen = held_out(subjects, config.holdout, _strata(used, config.stratify), together)
    return [
        source
        if source.skipped
        else dataclasses.replace(source, split=Split.HELDOUT if source.subject in chosen else Split.TRAIN)
        for source in sources
    ]


def _strata(used: Sequence[Source], columns: Sequence[str]) -> dict[str, tuple[str, ...]] | None:
    """The stratum of every subject, by its columns of participants.tsv; None where none is asked for."""
    if not columns:
        return None
    return {
        source.subject: tuple(source.participant.get(column, UNKNOWN) for column in columns)
        for source in used
    }


def _extract_all(
    scans: list[Scan], config: PreparationConfig, folder: Path
) -> Iterator[tuple[Scan, ExtractedScan]]:
    """Every scan with what was extracted from it, in order; never more than a few at a time in memory.

    What is converted for it lies in a folder inside the given one, for as long as it is needed.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        places = [Path(name, str(number)) for number in range(len(scans))]
        readable = map(_converted, scans, places)
        results = in_workers(functools.partial(extract, config=config), readable, config.workers)
        with screen.Bar("preparing", len(scans), unit="scans") as bar, contextlib.closing(results):
            for scan, extracted, place in zip(scans, results, places, strict=True):
                yield scan, extracted
                shutil.rmtree(place, ignore_errors=True)
                bar.update()


def _converted(scan: Scan, place: Path) -> Scan:
    """The scan itself, or what dcm2niix makes of its DICOM files in a new folder."""
    others = tuple(
        other and _converted(other, place / str(number)) for number, other in enumerate(scan.others)
    )
    faults = [f"{other.name} cannot be used: {other.fault}" for other in others if other and other.fault]
    if scan.fault or faults or not scan.files:
        return dataclasses.replace(scan, others=others, fault=scan.fault or "; ".join(faults))
    place.mkdir(parents=True, exist_ok=True)
    path, fault, warnings = dicom.convert(scan.files, place)
    return scan.warned(*warnings, path=path or scan.path, fault=fault, others=others)


def _source(scan: Scan, extracted: ExtractedScan, columns: list[str]) -> Source:
    """The manifest's entry for a scan; every scan of a data set has the same columns of participants.tsv."""
    return Source(
        name=scan.name,
        input=scan.input,
        subject=scan.subject,
        session=scan.session,
        suffix=scan.suffix,
        participant={column: scan.participant.get(column, UNKNOWN) for column in columns},
        mask=str(scan.mask or ""),
        **extracted.facts,
    )


def _report(source: Source, strict: bool) -> None:
    """Says on the screen what is wrong with a scan."""
    if source.skipped and strict:
        raise UserError(f"--strict: {source.name} cannot be used: {source.skipped}")
    if source.skipped:
        screen.say(f"skipped {source.name}: {source.skipped}")


def _labels(source: Source, extracted: ExtractedScan) -> list[dict[str, object]]:
    """What the label table says about the slices of a scan."""
    names = {"subject": source.subject, "session": source.session, "suffix": source.suffix}
    known = {name: value for name, value in names.items() if value}
    participant = {f"participant/{column}": value for column, value in source.participant.items()}
    return [{**known, **labels, **participant} for labels in extracted.labels]


def _manifest(
    config: PreparationConfig, sources: list[Source], phantoms: bool, alike: Sequence[tuple[int, int]]
) -> Manifest:
    """Describes the data set."""
    splits = {}
    for split in Split:
        members = [source for source in sources if source.split == split]
        splits[split] = SplitInfo(
            subjects=tuple(sorted({source.subject for source in members})),
            slices=sum(source.slices for source in members),
        )
    used = [source for source in sources if not source.skipped]
    suffixes = {source.suffix for source in used}
    only = suffixes.pop() or IMAGE if len(suffixes) == 1 else IMAGE
    return Manifest(
        version=__version__,
        settings=config.settings(),
        channels=config.wanted_channels().names if config.channels else (only,),
        plane=config.plane,
        orientation=PLANES[config.plane].description,
        resolutions=config.resolutions,
        field_of_view_mm=field_of_view_pixels(config.field_of_view, config.voxel_size) * config.voxel_size,
        splits=splits,
        labels=_describe_labels(used),
        sources=tuple(sources),
        phantoms=phantoms,
        same_images=tuple(alike),
    )


def _describe_labels(used: Sequence[Source]) -> dict[str, dict[str, object]]:
    """What the labels of a data set can be, by column of its table."""
    columns = {"suffix": [source.suffix for source in used]}
    for source in used:
        for column, value in source.participant.items():
            columns.setdefault(f"participant/{column}", []).append(value)
    return {name: describe_values(values) for name, values in columns.items()}
