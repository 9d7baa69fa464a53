"""What every format of a release has."""

from __future__ import annotations

import abc
import dataclasses
import importlib.util
import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mrisynth.atomic_io import write_bytes_aside
from mrisynth.data.finding.channels import IMAGE
from mrisynth.release.channels import Channel
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.label_table import SEED, LabelTable
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
        package: A package that this format needs, and the extra of mrisynth that brings it; None if none.
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
    package: ClassVar[tuple[str, str] | None] = None
    labels_place: ClassVar[str] = "labels.tsv"
    folder: pathlib.Path
    count: int
    geometry: ImageGeometry
    provenance: Provenance
    resolution: int
    options: Mapping[str, Any]
    channels: tuple[str, ...] = (IMAGE,)

    @classmethod
    def is_usable(cls) -> bool:
        """Whether the package that the format needs is installed."""
        return cls.package is None or importlib.util.find_spec(cls.package[0]) is not None

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


class ImageFiles(ReleaseFormat):
    """The files images/synNNNNNN.ENDING with JSON beside them; of several channels images/CHANNEL/...

    Attributes:
        ending: What the names of image files end in.
    """

    ending: ClassVar[str]

    @property
    def layout(self) -> str:
        """See `ReleaseFormat`."""
        return ", ".join(f"`{path.relative_to(self.folder).as_posix()}`" for path in self._paths("NNNNNN"))

    def written(self) -> list[int]:
        """See `ReleaseFormat`."""
        seeds: list[int] = []
        while (path := self._paths(f"{len(seeds) + 1:06d}")[0]).is_file():
            text = path.with_suffix(".json").read_text(encoding="utf-8")
            seeds.append(json.loads(text)["Seed"])
        return seeds

    def start(self, kept: int) -> None:
        """See `ReleaseFormat`."""
        for path in self._paths(""):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(
        self,
        number: int,
        seed: int,
        image: NDArray[np.float32],
        channels: Sequence[Channel],
        sidecars: Sequence[str],
    ) -> None:
        """See `ReleaseFormat`."""
        paths = self._paths(f"{number:06d}")
        if paths[0].exists():
            return
        # The first channel last: where it is, the image is there as a whole.
        for index in reversed(range(len(paths))):
            if channels[index].there:
                write_bytes_aside(paths[index].with_suffix(".json"), sidecars[index].encode())
                content = self.encode(seed, image[..., index], channels[index], sidecars)
                write_bytes_aside(paths[index], content)

    @abc.abstractmethod
    def encode(
        self, seed: int, image: NDArray[np.float32], channel: Channel, sidecars: Sequence[str]
    ) -> bytes:
        """The content of one file.

        Args:
            seed: The image's seed.
            image: One channel, [r, r] in [-1, 1].
            channel: What it shows.
            sidecars: What is said of each channel of the image, as JSON texts.
        """

    def finish(self, seeds: list[int], labels: LabelTable, description: Mapping[str, Any]) -> None:
        """Writes labels.tsv and what its columns are, if the model knows labels."""
        if labels.values:
            names = [f"syn{number:06d}" for number in range(1, len(seeds) + 1)]
            columns = {"image": ("Name of the image's files.", names), "seed": (SEED, seeds)}
            labels.write(self.folder, "labels", columns)

    def _paths(self, number: str) -> list[pathlib.Path]:
        """The file of each channel."""
        folder, name = self.folder / "images", f"syn{number}{self.ending}"
        if len(self.channels) == 1:
            return [folder / name]
        return [folder / re.sub(r"[^A-Za-z0-9.-]+", "_", channel) / name for channel in self.channels]
