"""What a release and an interpolation are told, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import pathlib

from mrisynth.errors import UserError
from mrisynth.privacy.verdict import Thresholds

NIFTI, PNG, NPY = FORMATS = ("nifti", "png", "npy")
BITS = (8, 16)
SUFFIXES = ("T1w", "T2w", "PDw", "T2starw", "FLAIR", "inplaneT1", "inplaneT2", "PDT2", "angio")
"""What BIDS calls the contrasts of anatomical images."""
_SEEDS = 2**53
"""Below it, every reader of JSON keeps whole numbers exact."""


def check_drawing(seed: int, truncation: float) -> None:
    """Checks what images are drawn by.

    Raises:
        UserError: If it is out of range.
    """
    if not 0 <= seed < _SEEDS:
        raise UserError(f"--seed={seed} must be at least 0 and less than 2^53")
    if not 0 < truncation <= 1:
        raise UserError(f"--truncation={truncation} must be more than 0 and at most 1, which changes nothing")


@dataclasses.dataclass(frozen=True)
class ReleaseConfig:
    """What is released, and where to.

    Attributes:
        saved_model: An export, NAME or NAME/VERSION.
        output: Folder of the release.
        count: Images.
        format: One of `FORMATS`.
        seed: Of the first image; each next one has the next seed.
        truncation: 1 leaves the images as they are, less makes them more alike.
        bits: Of PNG files; 8 if None.
        suffix: BIDS suffix of NIfTI files; the model card's, else FLAIR, if None.
        data_dir: The training data that images are compared with; None to keep all.
        copy_ratio: A copy's distance to its nearest training subject is less than this part of that to any
            other, as in the evaluation.
    """

    saved_model: pathlib.Path
    output: pathlib.Path
    count: int
    format: str = NIFTI
    seed: int = 0
    truncation: float = 1.0
    bits: int | None = None
    suffix: str | None = None
    data_dir: pathlib.Path | None = None
    copy_ratio: float = Thresholds.copy_ratio

    def __post_init__(self) -> None:
        if self.count < 1:
            raise UserError(f"--count={self.count} must be at least 1")
        check_drawing(self.seed, self.truncation)
        Thresholds(copy_ratio=self.copy_ratio)  # Checks it.
        if self.bits is not None and self.format != PNG:
            raise UserError(f"--bits is for --format=png; --format={self.format} has none to choose")
        if self.suffix is not None and self.format != NIFTI:
            raise UserError(f"--suffix is for --format=nifti; --format={self.format} has no BIDS names")
        if self.suffix is not None and self.suffix not in SUFFIXES:
            raise UserError(
                f"--suffix={self.suffix} is not what BIDS calls an anatomical contrast; use one of "
                f"{', '.join(SUFFIXES)}"
            )


@dataclasses.dataclass(frozen=True)
class InterpolationConfig:
    """Which way through the generator's latents is shown, and where.

    Attributes:
        saved_model: An export, NAME or NAME/VERSION.
        picture: A .gif or .png file.
        seed: Of the first image on the way.
        count: Seeds that the way passes through.
        steps: Images from one of them to the next, both included.
    """

    saved_model: pathlib.Path
    picture: pathlib.Path
    seed: int = 0
    count: int = 5
    steps: int = 9

    def __post_init__(self) -> None:
        if self.picture.suffix.lower() not in (".gif", ".png"):
            raise UserError(f"--interpolate={self.picture} must end in .gif, which moves, or .png, a strip")
        if self.count < 2:
            raise UserError(f"--count={self.count} is no way; --interpolate takes at least 2 seeds")
        if self.steps < 2:
            raise UserError(f"--steps={self.steps} must be at least 2: both ends")
        check_drawing(self.seed, 1.0)
