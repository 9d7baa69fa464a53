"""manifest.json: what a prepared data set holds, where every slice came from and how to take it back."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.choices import Choice
from mrisynth.data.config import PreparationConfig
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.slices import STRAIGHT, slice_to_nifti
from mrisynth.errors import UserError

FILE_NAME = "manifest.json"
FORMAT = "mrisynth data set"
FORMAT_VERSION = 3


class Split(Choice):
    """The two sides of a data set; no subject is on both."""

    TRAIN = "train"
    HELDOUT = "heldout"


@dataclasses.dataclass(frozen=True)
class Source:
    """One source file and what became of it.

    Attributes:
        name: Path relative to its input folder.
        input: The input folder, or the file itself where files were given; of a DICOM file its folder.
        subject: Whose scan it is.
        session: BIDS session; empty if none.
        suffix: BIDS suffix; empty if none.
        checksum: SHA-256 of all files that the scan was read from (see `scan_files.checksum`), hexadecimal;
            empty if it could not be read, or was not, for its name or kind.
        voxels_checksum: SHA-256 of its voxels, whatever its format, order of axes and place; empty if it
            could not be read as an image.
        skipped: Why the file was not used; empty if it was.
        split: A `Split`; empty if it was not used.
        shape: Voxels along the file's axes.
        spacing_mm: Voxel size along the file's axes.
        orientation: Where the file's axes point, for instance "LPS".
        intensity_range: The scan's intensities that became -1 and 1.
        nonfinite_voxels: Voxels that were NaN or infinite.
        acquired: Whether its slices are those that were acquired; if not, they are interpolated from them.
        slice_spacing_mm: Distance from slice to slice.
        slice_thickness_mm: Thickness of a slice.
        directions: RAS directions of the slices' axes, in columns (see `slices.slice_to_nifti`).
        center_mm: RAS coordinates of the field of view's center; along the slicing axis, of the head's.
        cropped_mm: How far the head reaches beyond the field of view.
        slices: Number of slices that were kept.
        dropped: Number of slices left out, by reason.
        participant: The subject's columns of participants.tsv.
        mask: The lesion mask's path; empty if none.
        mask_checksum: Like `checksum`, of the lesion mask.
        others: The scans of its session that are further channels, by contrast: `name`, `checksum`,
            `voxels_checksum` and `intensity_range` of each.
        warnings: What a user should know about the file, in sentences.
    """

    name: str
    input: str
    subject: str
    session: str = ""
    suffix: str = ""
    checksum: str = ""
    voxels_checksum: str = ""
    skipped: str = ""
    split: str = ""
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    orientation: str = ""
    intensity_range: tuple[float, ...] = ()
    nonfinite_voxels: int = 0
    acquired: bool = False
    slice_spacing_mm: float = 0.0
    slice_thickness_mm: float = 0.0
    directions: tuple[tuple[float, ...], ...] = STRAIGHT
    center_mm: tuple[float, ...] = ()
    cropped_mm: float = 0.0
    slices: int = 0
    dropped: dict[str, int] = dataclasses.field(default_factory=dict)
    participant: dict[str, str] = dataclasses.field(default_factory=dict)
    mask: str = ""
    mask_checksum: str = ""
    others: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class SplitInfo:
    """What one side of the split holds: subjects, in order, and the number of their slices."""

    subjects: tuple[str, ...]
    slices: int


@dataclasses.dataclass(frozen=True)
class Manifest:
    """Everything that is known about a prepared data set.

    Attributes:
        version: Version of mrisynth that wrote it.
        settings: The preparation's settings, by flag.
        channels: Names of the images' channels, for instance "FLAIR"; "image" where the contrast is unknown.
        plane: "axial", "coronal" or "sagittal".
        orientation: How the images are turned, in words.
        resolutions: Every stored resolution, the largest first.
        field_of_view_mm: Edge of an image in mm.
        splits: Both sides.
        labels: What the labels can be, by column of the label table (see `labels.describe_values`).
        sources: Every file that was looked at; `source` in the label table is the index into it.
        phantoms: Whether every scan was drawn by `mrisynth.phantoms`.
        same_images: Pairs of sources, by index, that show the same image, rescaled or mirrored.
    """

    version: str
    settings: dict[str, Any]
    channels: tuple[str, ...]
    plane: str
    orientation: str
    resolutions: tuple[int, ...]
    field_of_view_mm: float
    splits: dict[Split, SplitInfo]
    labels: dict[str, dict[str, Any]]
    sources: tuple[Source, ...]
    phantoms: bool = False
    same_images: tuple[tuple[int, int], ...] = ()

    @property
    def resolution(self) -> int:
        """The largest stored resolution."""
        return self.resolutions[0]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what decides images, labels and split: settings and files, but not where these lie."""
        return self.fingerprint_at(self.resolution)

    def fingerprint_at(self, resolution: int) -> str:
        """The fingerprint that the same scans would have, prepared in the same way at a resolution."""
        elsewhere = ("input", "masks", "holdout", "stratify", "holdout_subjects")
        settings = {key: value for key, value in self.settings.items() if key not in elsewhere}
        settings["resolution"] = resolution
        contents = [
            (
                *(source.subject, source.session, source.suffix, source.split),
                *(source.checksum, source.mask_checksum, source.participant),
                *(other["checksum"] for other in source.others.values()),
            )
            for source in self.used
        ]
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
        return self.splits[Split.HELDOUT].slices > 0

    @property
    def dropped(self) -> dict[str, int]:
        """Number of slices of used files that were left out, by reason."""
        return dict(sorted(sum((Counter(source.dropped) for source in self.used), Counter()).items()))

    def array_shape(self, split: Split, resolution: int) -> tuple[int, ...]:
        """Shape of the stored images of a split at a resolution, [N, resolution, resolution, channels]."""
        return self.splits[split].slices, resolution, resolution, len(self.channels)

    def pixel_size_mm(self, resolution: int) -> float:
        """Edge of a pixel in mm at a resolution."""
        return self.field_of_view_mm / resolution

    def slice_to_nifti(
        self, image: NDArray[np.floating], source: int, position_mm: float
    ) -> nibabel.Nifti1Image:
        """Takes a stored slice back: NIfTI in the units, the place and the orientation of its scan.

        Args:
            image: [r, r] in [-1, 1], at any resolution.
            source: Index of the source file, as in the label table.
            position_mm: Place of the slice along the slicing axis, as in the label table.

        Returns:
            One slice, intensities in the scan's own units.
        """
        entry = self.sources[source]
        step = np.array(entry.directions)[:, PLANES[self.plane].stack_axis]
        return slice_to_nifti(
            image,
            self.plane,
            self.pixel_size_mm(image.shape[0]),
            entry.slice_spacing_mm,
            entry.intensity_range,
            tuple((entry.center_mm + position_mm * step).tolist()),
            entry.directions,
        )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes manifest.json into a folder."""
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, **dataclasses.asdict(manifest)}
    text = json.dumps(document, indent=1, sort_keys=False, allow_nan=False)
    (folder / FILE_NAME).write_text(text + "\n", encoding="utf-8")


def read_manifest(data_dir: str | Path) -> Manifest:
    """Reads and checks the manifest of a prepared data set.

    Raises:
        UserError: The folder is no prepared data set, or not a complete one.
    """
    folder = Path(data_dir)
    if not folder.is_dir():
        raise UserError(f"--data_dir: there is no folder {folder}; make one with mrisynth-prepare")
    path = folder / FILE_NAME
    try:
        document = _tuples(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise UserError(
            f"--data_dir: {folder} is not a prepared data set (it has no {FILE_NAME}); "
            f"make one with mrisynth-prepare --input={folder} --output=..."
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"--data_dir: {path} cannot be read ({error}); prepare the data set again") from error
    if not isinstance(document, dict) or document.pop("format", None) != FORMAT:
        raise UserError(f"--data_dir: {path} is not the manifest of a data set prepared by mrisynth")
    if document.pop("format_version", None) != FORMAT_VERSION:
        raise UserError(
            f"--data_dir: {folder} was prepared by another version of mrisynth, in a form that this one "
            f"does not read; remove it and prepare it again: {_command(document.get('settings'), folder)}"
        )
    try:
        document["splits"] = {split: SplitInfo(**document["splits"][split]) for split in Split}
        # Until scans could differ in this, it stood here once for all.
        spacing = document.pop("slice_spacing_mm", 0.0)
        before = {"slice_spacing_mm": spacing, "slice_thickness_mm": spacing}
        document["sources"] = tuple(Source(**{**before, **source}) for source in document["sources"])
        return Manifest(**document)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"--data_dir: {path} is damaged ({error}); prepare the data set again") from error


def lengths_in_words(lengths: Sequence[float]) -> str:
    """Between which mm some lengths lie: "3 to 4 mm", or "3 mm" where they are all the same."""
    ends = dict.fromkeys(f"{length:.3g}" for length in (min(lengths), max(lengths)))
    return f"{' to '.join(ends)} mm"


def _tuples(value: Any) -> Any:
    """What JSON holds, its lists made tuples."""
    if isinstance(value, dict):
        return {key: _tuples(part) for key, part in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _command(settings: Any, folder: Path) -> str:
    """The command that prepares a data set with the settings of its manifest, whatever version wrote it."""
    settings = settings if isinstance(settings, dict) else {"input": "SCANS"}
    defaults = {field.name: field.default for field in dataclasses.fields(PreparationConfig)}
    flags = [
        f"--{name}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for name, value in settings.items()
        if value != defaults.get(name)
    ]
    return shlex.join(["mrisynth-prepare", *flags, f"--output={folder}"])
