"""What every format of a release has."""

from __future__ import annotations

import abc
import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.provenance import Provenance


@dataclasses.dataclass
class ReleaseFormat(abc.ABC):
    """Writes the images of a release. Several threads may write images at a time.

    Attributes:
        name: What --format calls it.
        summary: What it writes, for --help.
        option_names: Settings of `ReleaseConfig`, and flags, that only formats which list them have.
        image_fields: What the JSON of an image must hold for this format's sake.
        dataset_fields: What dataset_description.json must hold for this format's sake.
        folder: The folder of the release.
        count: Number of images.
        geometry: What pixels and gray values stand for.
        provenance: Where the images come from; every file that can hold text says it.
        resolution: Pixels along an edge.
        options: Values of the options, None where the user gave none.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    option_names: ClassVar[tuple[str, ...]] = ()
    image_fields: ClassVar[Mapping[str, Any]] = {}
    dataset_fields: ClassVar[Mapping[str, Any]] = {}
    folder: pathlib.Path
    count: int
    geometry: ImageGeometry
    provenance: Provenance
    resolution: int
    options: Mapping[str, Any]

    @property
    @abc.abstractmethod
    def layout(self) -> str:
        """Where the images are, in words, for the README."""

    @property
    @abc.abstractmethod
    def storage(self) -> str:
        """What the stored numbers stand for, in words."""

    @classmethod  # noqa: B027  (not all have options)
    def check(cls, options: Mapping[str, Any]) -> None:
        """Checks the format's own options, before anything is opened.

        Raises:
            UserError: If one has a value that it cannot have.
        """

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
    def write(self, number: int, seed: int, image: NDArray[np.float32], sidecar: str) -> None:
        """Writes one image, unless it is there.

        Args:
            number: Number of the image, from 1.
            seed: The image's seed.
            image: [r, r, 1] in [-1, 1].
            sidecar: What is said of the image, as a JSON text.
        """

    def finish(  # noqa: B027  (not all have anything to write)
        self, seeds: list[int], description: Mapping[str, Any]
    ) -> None:
        """Writes what belongs to the whole of the release, once all images are there.

        Args:
            seeds: The images' seeds, in their order.
            description: What is said of every image.
        """
