"""What `prepare_dataset` is told to do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from mrisynth.choices import set_choice
from mrisynth.cores import available_cores
from mrisynth.data.finding.channels import Channels, wanted_channels
from mrisynth.data.finding.wanted_contrasts import wanted_contrasts
from mrisynth.data.reading.planes import Plane
from mrisynth.data.reading.resampling import Interpolation, SliceMode
from mrisynth.errors import UserError


@dataclasses.dataclass(frozen=True)
class PreparationConfig:
    """Settings of one preparation; each is a flag of the same name of mrisynth-prepare.

    Attributes:
        input: Folders and files to take scans from.
        output: Folder for the prepared data set; made by this program.
        suffix: Contrast to take, for instance FLAIR, or several, of which each scan is a sample with its
            contrast as a label: FLAIR,T1w[ce-GAD],T1w[!ce] (where one suffix has several, by BIDS entities);
            empty takes the only one there is.
        channels: Contrasts of a session that are the channels of its samples, on the grid of the first, and
            mask:NAME for its mask of --masks: FLAIR,T1w[!ce],mask:lesion; or with --suffix the scan and its
            mask, image,mask:lesion; empty for samples of one channel.
        allow_missing: Use sessions that lack another channel than the first, which is -1 then; labels has/...
            say which have it.
        series: Regular expression that chooses DICOM series by their descriptions; empty goes by --suffix.
        subject_regex: Regular expression whose first group, or whole match, in a file's path is its subject;
            empty goes by BIDS names, else by what tells the paths apart.
        plane: How the scans are sliced.
        slices: native keeps the slices that were acquired, isotropic cuts slices as thin as --voxel_size from
            an interpolated volume; auto takes native where slices are more than twice as far apart as their
            pixels are wide.
        voxel_size: Edge of the resampled voxels in mm; of native slices, of their pixels.
        interpolation: How the scans are resampled.
        resolution: Pixels along an edge of the largest images, a power of two, at least 4; every smaller one
            is stored, too.
        field_of_view: Edge of an image in mm, centered on the head.
        intensity_percentiles: Intensities that become -1 and 1: percentile of all voxels, percentile of the
            foreground.
        min_head_fraction: Least head area of a slice, as a part of the area in the scan's largest slice.
        holdout: Part of the subjects to hold out from training, at least 0 and less than 1.
        stratify: Columns of participants.tsv, for instance site,sex: the part is held out of every
            combination of their values.
        holdout_subjects: Names of the subjects to hold out, in the place of a part of them.
        masks: Folder of lesion masks, within each input folder or absolute, for instance derivatives/lesion.
        volume_index: Which volume of scans that have a time axis.
        num_workers: Processes; 0 for one per available core.
        strict: End at the first scan that cannot be used.
    """

    input: tuple[str, ...]
    output: str
    suffix: str = ""
    channels: str = ""
    allow_missing: bool = False
    series: str = ""
    subject_regex: str = ""
    plane: Plane = Plane.AXIAL
    slices: SliceMode = SliceMode.AUTO
    voxel_size: float = 1.0
    interpolation: Interpolation = Interpolation.LINEAR
    resolution: int = 256
    field_of_view: float = 256.0
    intensity_percentiles: tuple[float, float] = (1.0, 99.5)
    min_head_fraction: float = 0.25
    holdout: float = 0.2
    stratify: tuple[str, ...] = ()
    holdout_subjects: tuple[str, ...] = ()
    masks: str = ""
    volume_index: int = 0
    num_workers: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        """Takes a single path as a tuple of one and the texts of choices as choices; checks every value.

        Raises:
            UserError: A value is out of its range.
        """
        paths = (self.input,) if isinstance(self.input, str | Path) else self.input
        object.__setattr__(self, "input", tuple(str(path) for path in paths))
        object.__setattr__(self, "output", str(self.output))
        for name in ("stratify", "holdout_subjects"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in (("plane", Plane), ("slices", SliceMode), ("interpolation", Interpolation)):
            set_choice(self, name, choices)
        object.__setattr__(self, "intensity_percentiles", tuple(float(p) for p in self.intensity_percentiles))
        self._check()

    def _check(self) -> None:
        percentiles = self.intensity_percentiles
        is_power_of_two = self.resolution >= 4 and self.resolution & (self.resolution - 1) == 0
        requirements = {
            "--input needs at least one folder or file of scans": bool(self.input),
            "--output needs a folder to write to": bool(self.output),
            "--resolution is a power of two, at least 4": is_power_of_two,
            "--voxel_size is a length in mm above 0": self.voxel_size > 0,
            "--field_of_view is at least 4 voxels long": self.field_of_view >= 4 * self.voxel_size > 0,
            "--intensity_percentiles are two numbers from 0 to 100, the lower first": len(percentiles) == 2
            and 0 <= percentiles[0] <= 100
            and 0 <= percentiles[1] <= 100
            and percentiles[0] < percentiles[1],
            "--min_head_fraction lies between 0 and 1": 0 <= self.min_head_fraction <= 1,
            "--holdout is at least 0 and below 1": 0 <= self.holdout < 1,
            "--allow_missing is about --channels": bool(self.channels) or not self.allow_missing,
            "--volume_index is 0 or more": self.volume_index >= 0,
            "--num_workers is 0 (one per core) or more": self.num_workers >= 0,
        }
        wanted_contrasts(self.suffix)
        if self.channels and self.wanted_channels().mask is not None and not self.masks:
            raise UserError(f"--channels={self.channels} needs --masks, the folder of the lesion masks")
        for requirement, is_met in requirements.items():
            if not is_met:
                raise UserError(requirement)

    def wanted_channels(self) -> Channels:
        """The channels of every sample, where they are named."""
        return wanted_channels(self.channels, self.suffix)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every resolution that is stored, the largest first."""
        return tuple(2**power for power in range(self.resolution.bit_length() - 1, 1, -1))

    @property
    def workers(self) -> int:
        """How many processes prepare scans."""
        return self.num_workers or available_cores()

    def settings(self) -> dict[str, object]:
        """What decides the contents of the data set: everything but the output and how the work is done."""
        without = {"output", "num_workers", "strict"}
        without |= set() if self.channels else {"channels", "allow_missing"}
        return {key: value for key, value in dataclasses.asdict(self).items() if key not in without}
