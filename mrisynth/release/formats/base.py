"""What every format of a release has."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.finding.channels import IMAGE
from mrisynth.release.channels import Channel
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.label_table import LabelTable
from mrisynth.sampling.provenance import Provenance


@dataclasses.dataclass
class ReleaseFormat(abc.ABC):
    """Writes the images of a release. Several threads may write images at a time.

    Attributes:
        name: What --format calls it.
        summary: What it writes, for --help.
        option_names: Settings of `ReleaseConfig`, and flags, that only formats which list them have.
        labels_place: Where the images' labels are, in words.
        dataset_fields: What dataset_description.json must hold for this format's sake.
        folder: The folder of the release.
        count: Number of images.
        geometry: What pixels and gray values stand for.
        provenance: Where the images come from; every file that can hold text says it.
        resolution: Pixels along an edge.
        options: Values of the options, None where the user gave none.
        channels: What the model calls the channels of its images.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    option_names: ClassVar[tuple[str, ...]] = ()
    dataset_fields: ClassVar[Mapping[str, Any]] = {}
    labels_place: ClassVar[str] = "labels.tsv"
    folder: pathlib.Path
    count: int
    geometry: ImageGeometry
    provenance: Provenance
    resolution: int
    options: Mapping[str, Any]
    channels: tuple[str, ...] = (IMAGE,)

    @property
    @abc.abstractmethod
    def layout(self) -> str:
        """Where the images are, in words, for the README."""

    @property
    @abc.abstractmethod
    def storage(self) -> str:
        """What the stored numbers stand for, in words."""

    @property
    def mask_storage(self) -> str:
        """The same of a mask."""
        return "1 inside, 0 outside"

    @classmethod  # noqa: B027  (not all have options)
    def check(cls, options: Mapping[str, Any]) -> None:
        """Checks the format's own options, before anything is opened.

        Raises:
            UserError: If one has a value that it cannot have.
        """

    def fields_of(self, channel: Channel) -> Mapping[str, Any]:
        """What the JSON of a channel must hold for this format's sake."""
        return {}

    @property
    def settings(self) -> dict[str, Any]:
        """The format's own options as they came out, without which it would be another release."""
        return {}

    @abc.abstractmethod
    def written(self) -> list[int]:
        """Reads the seeds of images 1, 2, ..., up to the first that is not there as a whole."""

    def start(self, kept: int) -> None:  # noqa: B027  (not all must prepare)
        """Prepares for more images after so many that are kept."""

    @abc.abstractmethod
    def write(
        self,
        number: int,
        seed: int,
        image: NDArray[np.float32],
        channels: Sequence[Channel],
        sidecars: Sequence[str],
    ) -> None:
        """Writes one image, unless it is there.

        Args:
            number: Number of the image, from 1.
            seed: The image's seed.
            image: [r, r, C] in [-1, 1].
            channels: What each channel shows.
            sidecars: What is said of each channel, as JSON texts.
        """

    def finish(  # noqa: B027  (not all have anything to write)
        self, seeds: list[int], labels: LabelTable, description: Mapping[str, Any]
    ) -> None:
        """Writes what belongs to the whole of the release, once all images are there.

        Args:
            seeds: The images' seeds, in their order.
            labels: The images' labels.
            description: What is said of every image.
        """
