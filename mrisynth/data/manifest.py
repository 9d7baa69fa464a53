"""manifest.json: what a prepared data set holds, where every slice came from and how to take it back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.data.slices import slice_to_nifti
from mrisynth.errors import UserError

FILE_NAME = "manifest.json"
FORMAT = "mrisynth data set"
FORMAT_VERSION = 1
TRAIN = "train"
HELDOUT = "heldout"


@dataclasses.dataclass(frozen=True)
class Source:
    """One source file and what became of it.

    Attributes:
        name: Path relative to its input folder.
        input: The input folder, or the file itself where files were given.
        subject: Whose scan it is.
        session: BIDS session; empty if none.
        suffix: BIDS suffix; empty if none.
        checksum: SHA-256 of the file, hexadecimal; empty if it could not be read.
        skipped: Why the file was not used; empty if it was.
        split: "train" or "heldout"; empty if it was not used.
        shape: Voxels along the file's axes.
        spacing_mm: Voxel size along the file's axes.
        orientation: Where the file's axes point, for instance "LPS".
        intensity_range: The scan's intensities that became -1 and 1.
        nonfinite_voxels: Voxels that were NaN or infinite.
        center_mm: RAS coordinates of the field of view's center; along the slicing axis, of the head's.
        cropped_mm: How far the head reaches beyond the field of view.
        slice_indices: Indices of the kept slices in the resampled volume, in the order of the records.
        positions_mm: Place of each kept slice along the slicing axis, from the head's center.
        dropped: Number of slices left out, by reason.
        participant: The subject's columns of participants.tsv.
        mask: The lesion mask's path; empty if none.
        warnings: What a user should know about the file, in sentences.
    """

    name: str
    input: str
    subject: str
    session: str = ""
    suffix: str = ""
    checksum: str = ""
    skipped: str = ""
    split: str = ""
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    orientation: str = ""
    intensity_range: tuple[float, ...] = ()
    nonfinite_voxels: int = 0
    center_mm: tuple[float, ...] = ()
    cropped_mm: float = 0.0
    slice_indices: tuple[int, ...] = ()
    positions_mm: tuple[float, ...] = ()
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    participant: dict[str, str] = dataclasses.field(default_factory=dict)
    mask: str = ""
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name, the number of its records, its size in bytes."""

    file: str
    records: int
    bytes: int


@dataclasses.dataclass(frozen=True)
class Split:
    """One side of the split: its subjects and its shards by resolution."""

    subjects: tuple[str, ...]
    slices: int
    shards: dict[int, tuple[Shard, ...]]


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that is known about a prepared data set.

    Attributes:
        version: Version of mrisynth that wrote it.
        settings: The preparation's settings, by flag.
        plane: "axial", "coronal" or "sagittal".
        orientation: How the images are turned, in words.
        resolutions: Every stored resolution, the largest first.
        field_of_view_mm: Edge of an image in mm.
        slice_spacing_mm: Distance from slice to slice.
        splits: "train" and "heldout".
        labels: What the labels can be: for each its kind and its values or its range.
        sources: Every file that was looked at; `source` in a record is the index into it.
    """

    version: str
    settings: dict[str, Any]
    plane: str
    orientation: str
    resolutions: tuple[int, ...]
    field_of_view_mm: float
    slice_spacing_mm: float
    splits: dict[str, Split]
    labels: dict[str, dict[str, Any]]
    sources: tuple[Source, ...]

    @property
    def resolution(self) -> int:
        """The largest stored resolution."""
        return self.resolutions[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides the images: the files' contents and the settings but where they lie."""
        settings = {key: value for key, value in self.settings.items() if key not in ("input", "masks")}
        contents = [(source.subject, source.checksum) for source in self.used]
        return hashlib.sha256(json.dumps([settings, contents], sort_keys=True).encode()).hexdigest()

    @property
    def used(self) -> tuple[Source, ...]:
        """The files that gave slices."""
        return tuple(source for source in self.sources if not source.skipped)

    @property
    def skipped(self) -> tuple[Source, ...]:
        """The files that gave none."""
        return tuple(source for source in self.sources if source.skipped)

    @property
    def has_heldout(self) -> bool:
        """Whether any slice was held out from training, without which memorization cannot be measured."""
        return self.splits[HELDOUT].slices > 0

    @property
    def dropped(self) -> dict[str, int]:
        """Number of slices of used files that were left out, by reason."""
        totals: dict[str, int] = {}
        for source in self.used:
            for reason, count in source.dropped.items():
                totals[reason] = totals.get(reason, 0) + count
        return dict(sorted(totals.items()))

    def pixel_size_mm(self, resolution: int) -> float:
        """Edge of a pixel in mm at a resolution."""
        return self.field_of_view_mm / resolution

    def slice_to_nifti(
        self, image: NDArray[np.floating], source: int, slice_index: int
    ) -> nibabel.Nifti1Image:
        """Takes a stored slice back: NIfTI in the units, the place and the orientation of its scan.

        Args:
            image: [r, r] in [-1, 1], at any resolution.
            source: Index of the source file, as in the record.
            slice_index: Index of the slice, as in the record.

        Returns:
            One slice on the scanner's RAS axes, intensities in the scan's own units.
        """
        entry = self.sources[source]
        center = np.array(entry.center_mm)
        axis = {"sagittal": 0, "coronal": 1, "axial": 2}[self.plane]
        center[axis] += entry.positions_mm[entry.slice_indices.index(slice_index)]
        return slice_to_nifti(
            image,
            self.plane,
            self.pixel_size_mm(image.shape[0]),
            self.slice_spacing_mm,
            (entry.intensity_range[0], entry.intensity_range[1]),
            (float(center[0]), float(center[1]), float(center[2])),
        )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes manifest.json into a folder."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(manifest)}
    text = json.dumps(document, indent=1, sort_keys=False, allow_nan=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(data_dir: str | Path) -> Manifest:
    """Reads and checks the manifest of a prepared data set.

    Args:
        data_dir: A folder that `prepare_dataset` wrote.

    Returns:
        The manifest.

    Raises:
        UserError: The folder is no prepared data set, or not a complete one.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise UserError(f"--data_dir: there is no folder {folder}; make one with tools/prepare_data.py")
    path = folder / FILE_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"--data_dir: {folder} is not a prepared data set (it has no {FILE_NAME}); "
            f"make one with tools/prepare_data.py --input={folder} --output=..."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"--data_dir: {path} cannot be read ({error}); prepare the data set again") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise UserError(f"--data_dir: {path} is not the manifest of a data set prepared by mrisynth")
    if document.pop("format_version", None) != FORMAT_VERSION:
        raise UserError(f"--data_dir: {folder} was prepared by another version of mrisynth; prepare it again")
    try:
        return _from_document(document)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"--data_dir: {path} is damaged ({error}); prepare the data set again") from error


def _from_document(document: dict[str, Any]) -> Manifest:
    """The manifest that a JSON document spells out."""
    splits = {
        name: Split(
            subjects=tuple(split["subjects"]),
            slices=split["slices"],
            shards={
                int(resolution): tuple(Shard(**shard) for shard in shards)
                for resolution, shards in split["shards"].items()
            },
        )
        for name, split in document["splits"].items()
    }
    if set(splits) != {TRAIN, HELDOUT}:
        raise ValueError("its splits are not train and heldout")
    document = {
        **document,
        "splits": splits,
        "resolutions": tuple(document["resolutions"]),
        "sources": tuple(_source_from(entry) for entry in document["sources"]),
    }
    return Manifest(**document)


def _source_from(entry: dict[str, Any]) -> Source:
    """A source entry, its lists made tuples."""
    return Source(**{key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()})
