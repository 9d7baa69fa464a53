"""What an evaluation is told, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import pathlib

from mrisynth.choices import Choice, set_choice
from mrisynth.errors import UserError
from mrisynth.privacy.verdict import Thresholds

FEWEST_EVALUATED = 20
"""Images of each set: neighbors and covariances of fewer say nothing."""

SMALLEST_RESOLUTION = 16
"""Pixels along an edge of an image."""

_FEWEST_PAIRS = 10
"""Pairs of images in a repeat."""

_LEAST = {"images": FEWEST_EVALUATED, "repeats": 2, "draws": 20, "fidelity_steps": 1, "utility_steps": 1}


class UtilityTask(Choice):
    """What it is tried out on whether generated images are of use.

    AUTO is segmentation where a mask is among the channels, else classification where the generator knows a
    label of several categories, else none.
    """

    AUTO = "auto"
    SEGMENTATION = "segmentation"
    CLASSIFICATION = "classification"
    NONE = "none"


@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How thoroughly a generator is evaluated.

    Attributes:
        images: Images to generate.
        pairs: Random pairs for MS-SSIM; rounded up to as many for every repeat.
        repeats: How often every measure is taken, each time of other images or directions, for its spread.
        draws: How often subjects are drawn for confidence intervals.
        fidelity: Of a generator that knows labels: measure whether images show what they were asked for.
        fidelity_steps: Batches that each of the two networks is trained on that read labels.
        seed: Of the first image, which each next one adds 1 to, and of random choices.
        changed_copies: Look for copies that were turned, enlarged, warped or blurred, and for patches of
            scans, too. Takes minutes the first time, to learn from the data set.
        utility: What networks are trained on generated and on real images for, to see of what use the images
            are: auto is segmentation where a mask is among the channels, else classification where the
            generator knows a label of several categories, else none.
        utility_steps: Training steps of each of these 18 networks.
        thresholds: What the verdict on copying is decided by.
        short: Whether this is the short form.
    """

    images: int = 20_000
    pairs: int = 20_000
    repeats: int = 4
    draws: int = 1000
    fidelity: bool = True
    fidelity_steps: int = 600
    seed: int = 0
    thresholds: Thresholds = dataclasses.field(default_factory=Thresholds)
    changed_copies: bool = True
    utility: UtilityTask = UtilityTask.AUTO
    utility_steps: int = 2000
    short: bool = False

    def __post_init__(self) -> None:
        set_choice(self, "utility", UtilityTask)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UserError(f"--{name}={getattr(self, name)} is too few; use at least {least}")
        if self.pairs < _FEWEST_PAIRS * self.repeats:
            raise UserError(
                f"--pairs={self.pairs} are too few for --repeats={self.repeats}; use at least "
                f"{_FEWEST_PAIRS * self.repeats} pairs, {_FEWEST_PAIRS} a repeat"
            )
        object.__setattr__(self, "pairs", -(-self.pairs // self.repeats) * self.repeats)
        if not 0 <= self.seed < 2**32:
            raise UserError(f"--seed={self.seed} must be at least 0 and less than 2^32")


_SHORT = {"fidelity": False, "changed_copies": False, "utility": UtilityTask.NONE, "short": True}
"""What trains networks is left out."""

AT_END = EvaluationSettings(images=2000, pairs=2100, repeats=3, draws=200, **_SHORT)
"""The short form at the end of a run."""

DURING = EvaluationSettings(images=1000, pairs=1000, repeats=2, draws=20, **_SHORT)
"""What --eval_interval measures during a run."""


@dataclasses.dataclass(frozen=True)
class EvaluationConfig:
    """What is evaluated, against what, and where the result goes.

    Attributes:
        run_dir: Folder of a run, finished or not.
        saved_model: In place of it an exported generator, NAME or NAME/VERSION.
        data_dir: Prepared data set to compare with; that of the run if not given.
        output: Folder for results.json and report.html; RUN/evaluation if not given, needed with
            --saved_model.
        features: SavedModel or Keras file, such as RadImageNet or Inception, whose outputs are the features
            that images are compared by; takes images in [-1, 1]. Ours, which need no download, if not given.
        show_real: Show real slices in the report, which makes it as confidential as they are.
        settings: How thoroughly.
    """

    run_dir: pathlib.Path | None
    saved_model: pathlib.Path | None
    data_dir: pathlib.Path | None
    output: pathlib.Path
    features: pathlib.Path | None = None
    show_real: bool = True
    settings: EvaluationSettings = dataclasses.field(default_factory=EvaluationSettings)

    def __post_init__(self) -> None:
        if (self.run_dir is None) == (self.saved_model is None):
            raise UserError("give --run_dir, or --saved_model with --data_dir and --output")
        if self.saved_model is not None and self.data_dir is None:
            raise UserError("--saved_model needs --data_dir, the data set to compare with")
