"""What is nearest to what: generated images, training slices and held-out slices, by one measure of distance.

What concerns the real slices alone is looked up once, for any number of generators.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.finding.channels import mask_channels
from mrisynth.privacy.distances import Distance, Neighbors
from mrisynth.privacy.nearest_neighbors import Groups


@dataclasses.dataclass(frozen=True)
class Slices:
    """Slices, whose they are and what is known of them.

    Attributes:
        images: uint8 [N, H, H, C], in the order of the data set: by subject, slice after slice.
        subjects: [N].
        labels: Float32 [N, width], encoded by the generator's schema; None where nobody asked for them.
        lacking: Boolean [N, C], whether a slice lacks a channel, which is then empty; None if none does.
        partners: For every slice the number of another subject's at the same place, [N], -1 where there is
            none; None where nothing is known of places.
    """

    images: NDArray[np.uint8]
    subjects: NDArray[np.str_]
    labels: NDArray[np.float32] | None = None
    lacking: NDArray[np.bool_] | None = None
    partners: NDArray[np.intp] | None = None


@dataclasses.dataclass(frozen=True)
class ReferenceImages:
    """Both sides of a data set.

    Attributes:
        training: What the generator was trained on.
        heldout: Subjects that it never saw.
        channels: Names of the images' channels.
        fingerprint: Identifies the data set; None where it was not prepared.
        other_resolutions: The fingerprints of the same scans, prepared alike at other usual resolutions.
        phantoms: Whether it shows phantoms, and so no patient.
        folder: Where it lies; None where it was not prepared.
    """

    training: Slices
    heldout: Slices
    channels: tuple[str, ...] = ("image",)
    fingerprint: str | None = None
    other_resolutions: frozenset[str] = frozenset()
    phantoms: bool = False
    folder: pathlib.Path | None = None


def without_masks(images: NDArray[np.uint8], channels: Sequence[str]) -> NDArray[np.uint8]:
    """The channels of images [..., C] in which copies are looked for: all but masks, or masks alone.

    Most masks are empty or nearly so, and then say nothing of whose they are.
    """
    masks = mask_channels(channels)
    return np.delete(images, masks, axis=-1) if 0 < len(masks) < len(channels) else images


@dataclasses.dataclass(frozen=True)
class Side:
    """One set of images as a measure of distance describes it.

    Attributes:
        described: [N, ...].
        subjects: Groups of the images; every image its own where they are generated.
    """

    described: NDArray
    subjects: Groups


@dataclasses.dataclass(frozen=True)
class RealNeighbors:
    """Nearest training slices of the data set itself: how close new subjects come.

    Attributes:
        training: Nearest training slices of each training slice, without those of its own subject.
        heldout: Nearest training slices of each held-out slice.
    """

    training: Neighbors
    heldout: Neighbors


@dataclasses.dataclass(frozen=True)
class RealSides:
    """Both sides of a data set by one measure of distance.

    Attributes:
        distance: The measure of distance.
        channels: Names of the images' channels; masks are not compared.
        training: Training slices.
        heldout: Held-out slices.
        neighbors: What is looked up of them.
    """

    distance: Distance
    channels: tuple[str, ...]
    training: Side
    heldout: Side
    neighbors: RealNeighbors

    @classmethod
    def of(cls, distance: Distance, real: ReferenceImages) -> RealSides:
        """Describes both sides and looks up how close they are."""
        training, heldout = (
            Side(distance.describe(without_masks(side.images, real.channels)), Groups.of(side.subjects))
            for side in (real.training, real.heldout)
        )
        neighbors = RealNeighbors(
            training=_find(distance, training, training, training.subjects.numbers),
            heldout=_find(distance, heldout, training),
        )
        return cls(distance, real.channels, training, heldout, neighbors)

    def describe(self, images: NDArray[np.uint8]) -> Side:
        """Describes generated images, uint8 [N, H, H, C]."""
        described = self.distance.describe(without_masks(images, self.channels))
        return Side(described, Groups.of(np.arange(len(images))))

    def nearest_training(self, generated: Side) -> Neighbors:
        """Looks up the nearest training slices of generated images."""
        return _find(self.distance, generated, self.training)

    def search(self, generated: Side) -> Search:
        """Looks up what copies among generated images are counted by."""
        return Search(self.neighbors, self.nearest_training(generated))

    def to_generated(self, generated: Side) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Distances of every training slice, and of every held-out one, to its nearest generated image."""
        training, heldout = (
            _find(self.distance, side, generated).nearest for side in (self.training, self.heldout)
        )
        return training, heldout


@dataclasses.dataclass(frozen=True)
class Search:
    """What is looked up of generated images.

    Attributes:
        real: What is looked up of the data set.
        generated: Nearest training slices of the generated images.
    """

    real: RealNeighbors
    generated: Neighbors


def _find(
    distance: Distance, queries: Side, references: Side, left_out: NDArray[np.intp] | None = None
) -> Neighbors:
    return distance.neighbors(queries.described, references.described, references.subjects, left_out=left_out)
