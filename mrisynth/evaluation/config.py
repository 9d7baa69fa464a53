"""What an evaluation is told, as frozen dataclasses."""

from __future__ import annotations

import dataclasses
import pathlib

from mrisynth.choices import Choice
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
        images: Images that are generated.
        pairs: Pairs of images whose MS-SSIM is taken; rounded up to as many for every repeat.
        repeats: How often every measure is taken, each time of other images or directions.
        draws: How often subjects are drawn for a confidence interval.
        fidelity: Whether it is measured if images show the labels that they were asked for.
        fidelity_steps: For how many batches each of the two networks is trained that read labels.
        seed: Seed of the first image, which each next one adds 1 to; it decides choices and draws, too.
        thresholds: What the verdict on copying is decided by.
        changed_copies: Whether to look for copies that were changed a good deal, too (see
            `mrisynth.privacy.copying.describe_real`).
        utility: What networks are trained on generated images for.
        utility_steps: Training steps of each of these networks.
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
        object.__setattr__(self, "utility", UtilityTask(self.utility))
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
        run_dir: A run's folder; or
        saved_model: An exported generator.
        data_dir: A prepared data set; that of the run if None.
        output: Folder for results.json and report.html.
        features: A SavedModel or Keras file that features are taken from; ours if None.
        show_real: Whether real slices may be shown in the report.
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
