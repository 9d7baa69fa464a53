"""What a release is told, as a frozen dataclass."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from mrisynth.errors import UserError
from mrisynth.privacy.verdict import Thresholds
from mrisynth.release.formats import FORMATS
from mrisynth.release.image_geometry import CONTRAST_LABEL
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.config import check_seed


@dataclasses.dataclass(frozen=True)
class ReleaseConfig:
    """What is released, and where to.

    Attributes:
        saved_model: An exported generator, NAME or NAME/VERSION.
        output: Folder of the release; giving it again goes on or extends it.
        count: Number of images.
        format: A name in `FORMATS`.
        seed: Of the first image; each next one has the next seed, which draws it again.
        truncation: Less than 1 makes images more alike, and fewer of them odd.
        bits: Bits of a gray value in PNG files; 8 if None.
        rescale: Whether DICOM files hold what makes intensities of their values; not if None.
        suffix: BIDS suffix of NIfTI files where no label says the contrast, one for each channel of images,
            as in FLAIR,T1w; the model card's, else FLAIR, if not given.
        data_dir: The prepared data set that the generator was trained on, for --filter_copies.
        copy_ratio: A copy's distance to its nearest training subject is less than this part of that to any
            other.
        release_despite_copies: Draw images although the model's evaluation found copies; every file says so.
        conditions: What is asked of labels of every image; the others are as on the training side.
        force: Ask for numbers and combinations that hardly any training subject has, or none.
    """

    saved_model: pathlib.Path
    output: pathlib.Path
    count: int
    format: str = "nifti"
    seed: int = 0
    truncation: float = 1.0
    bits: int | None = None
    rescale: bool | None = None
    suffix: str | None = None
    data_dir: pathlib.Path | None = None
    copy_ratio: float = Thresholds.copy_ratio
    release_despite_copies: bool = False
    conditions: tuple[Condition, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"--count={self.count} must be at least 1")
        check_seed(self.seed)
        if not 0 < self.truncation <= 1:
            raise UserError(
                f"--truncation={self.truncation} must be more than 0 and at most 1, which changes nothing"
            )
        Thresholds(copy_ratio=self.copy_ratio)  # Checks it.
        if self.format not in FORMATS:
            raise UserError(f"--format={self.format} is not one of {', '.join(FORMATS)}")
        for condition in self.conditions:
            if condition.name == CONTRAST_LABEL and self.suffix and condition.text not in ("", self.suffix):
                raise UserError(
                    f"--suffix={self.suffix} would name images otherwise than --condition={condition} asks; "
                    "leave --suffix out, and every image is named by its contrast"
                )
        for other in FORMATS.values():
            for option in set(other.option_names) - set(FORMATS[self.format].option_names):
                if getattr(self, option) is not None:
                    raise UserError(
                        f"--{option} is for --format={other.name}, not for --format={self.format}"
                    )
        kind = FORMATS[self.format]
        kind.check(self.format_options)
        if not kind.is_usable():
            package, extra = kind.package
            raise UserError(f"--format={self.format} needs {package}: pip install 'mrisynth[{extra}]'")

    @property
    def format_options(self) -> dict[str, Any]:
        """The values of the format's own options."""
        return {name: getattr(self, name) for name in FORMATS[self.format].option_names}
