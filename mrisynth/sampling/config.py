"""What images are drawn by, and what an interpolation and a sweep are told."""

from __future__ import annotations

import dataclasses
import pathlib

from mrisynth.errors import UserError
from mrisynth.sampling.conditions import Condition

_SEEDS = 2**53
"""Below it, every reader of JSON keeps whole numbers exact."""


def check_seed(seed: int) -> None:
    """Checks that a seed can be written down and read again by any program.

    Raises:
        UserError: If it can not.
    """
    if not 0 <= seed < _SEEDS:
        raise UserError(f"--seed={seed} must be at least 0 and less than 2^53")


def _check_picture(path: pathlib.Path, flag: str) -> None:
    if path.suffix.lower() not in (".gif", ".png"):
        raise UserError(f"{flag}={path} must end in .gif, which moves, or .png, which shows all at once")


@dataclasses.dataclass(frozen=True)
class InterpolationConfig:
    """Which way through the generator's latents is shown, and where.

    Attributes:
        saved_model: An export, NAME or NAME/VERSION.
        picture: A .gif or .png file.
        seed: Seed of the first image on the way.
        count: Number of seeds that the way passes through.
        steps: Images from one seed to the next, both included, for --interpolate.
        release_despite_copies: Whether to show images of a model whose evaluation found copies.
        conditions: What is asked of labels of every image.
        force: Whether what the training side has not may be asked for.
    """

    saved_model: pathlib.Path
    picture: pathlib.Path
    seed: int = 0
    count: int = 5
    steps: int = 9
    release_despite_copies: bool = False
    conditions: tuple[Condition, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        _check_picture(self.picture, "--interpolate")
        if self.count < 2:
            raise UserError(f"--count={self.count} is no way; --interpolate takes at least 2 seeds")
        if self.steps < 2:
            raise UserError(f"--steps={self.steps} must be at least 2: both ends")
        check_seed(self.seed)


@dataclasses.dataclass(frozen=True)
class SweepConfig:
    """Which label is moved, and for which images.

    Attributes:
        saved_model: An export, NAME or NAME/VERSION.
        output: A .gif or .png file.
        sweep: The label and its values, FIRST:LAST:STEP, or categories with commas between them.
        seed: Seed of the first image.
        count: Number of images, whose seeds follow one another.
        release_despite_copies: Whether to show images of a model whose evaluation found copies.
        conditions: What is asked of other labels of every image.
        force: Whether what the training side has not may be asked for.
    """

    saved_model: pathlib.Path
    output: pathlib.Path
    sweep: Condition
    seed: int = 0
    count: int = 5
    release_despite_copies: bool = False
    conditions: tuple[Condition, ...] = ()
    force: bool = False

    def __post_init__(self) -> None:
        _check_picture(self.output, "--output")
        if self.count < 1:
            raise UserError(f"--count={self.count} must be at least 1")
        check_seed(self.seed)
