"""What an evaluation finds: what results.json and the report are made from."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.estimates import Spread
from mrisynth.privacy.statistics import Closeness
from mrisynth.privacy.verdict import Verdict


@dataclasses.dataclass(frozen=True)
class Measure:
    """One measure of generated images, and the same of real ones.

    Attributes:
        key: Name in results.json and TensorBoard, as "swd/64".
        group: What it belongs to in the table, as "Sliced Wasserstein distance".
        title: Its name within the group, as "64x64".
        better: "lower", "higher" or "like real".
        generated: Generated images, against held-out ones if it compares two sets.
        real: Training images in the place of the generated ones.
        note: What a reader must know beside the number; empty if nothing.
    """

    key: str
    group: str
    title: str
    better: str
    generated: Spread
    real: Spread
    note: str = ""


@dataclasses.dataclass(frozen=True)
class PowerSpectrum:
    """Radially averaged power spectra, means over the images of a set.

    Attributes:
        frequencies: Cycles per pixel, [F], from 0 (without it) to 0.5.
        generated: [F].
        training: [F].
        heldout: [F].
    """

    frequencies: NDArray[np.float64]
    generated: NDArray[np.float64]
    training: NDArray[np.float64]
    heldout: NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ClosePair:
    """A generated image and its nearest training slice.

    Attributes:
        generated: uint8 [H, H].
        training: uint8 [H, H], mirrored and shifted onto the generated one, its brightness fitted.
        correlation: Of the two, as they are shown.
        mirrored: Whether the training slice had to be mirrored.
        shift: By how many pixels it had to be moved down and to the right.
        feature_distance: Of the two, squared.
        copy: Whether it counts as a copy.
    """

    generated: NDArray[np.uint8]
    training: NDArray[np.uint8]
    correlation: float
    mirrored: bool
    shift: tuple[int, int]
    feature_distance: float
    copy: bool


@dataclasses.dataclass(frozen=True)
class Privacy:
    """The whole answer to whether the images are non-confidential.

    Attributes:
        verdict: The answer.
        closeness: By each measure of distance.
        copies: How many generated images count as copies.
        controls: How many slices of new patients do.
        control_count: How many slices of new patients were looked at for that.
        pairs: The closest pairs of all, the closest first.
        thresholds: What the verdict was decided by, name and value.
    """

    verdict: Verdict
    closeness: tuple[Closeness, ...]
    copies: int
    controls: int
    control_count: int
    pairs: tuple[ClosePair, ...]
    thresholds: dict[str, float]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """Everything that was found out about a generator.

    Attributes:
        short: Whether it is the short form, with fewer images.
        date: Of the evaluation, YYYY-MM-DD.
        environment: Versions by package.
        generator: What was evaluated, by name: model, resolution, settings. No paths.
        data: Counts of the data set by name: subjects and slices of each side, images compared.
        features: Which feature extractor, in words.
        measures: Every measure, in the order of the table.
        spectrum: Power spectra.
        privacy: The answer to the question of copies.
        samples: Generated images, uint8 [N, H, H], none picked.
        real: Training images, uint8 [N, H, H], for comparison.
        interpolation: Rows of images from latent to latent, uint8 [rows, steps, H, H].
    """

    short: bool
    date: str
    environment: dict[str, str]
    generator: dict[str, str | int | float]
    data: dict[str, int]
    features: str
    measures: tuple[Measure, ...]
    spectrum: PowerSpectrum
    privacy: Privacy
    samples: NDArray[np.uint8]
    real: NDArray[np.uint8]
    interpolation: NDArray[np.uint8]
