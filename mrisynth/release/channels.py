"""What the channels of an image show, by the names that the model has for them and the image's labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.finding.channels import IMAGE, mask_of
from mrisynth.data.reading.intensities import from_unit_range
from mrisynth.release.image_geometry import CONTRAST_LABEL, ImageGeometry
from mrisynth.sampling.conditions import Value


@dataclasses.dataclass(frozen=True)
class Channel:
    """What one channel of an image shows.

    Attributes:
        name: What the model calls it.
        contrast: The contrast of an image, as the end of a BIDS name, "ce-GAD_T1w"; empty if it is not known.
        mask: What a mask is of, "lesion"; None of an image.
        intensity_range: What -1 and 1 stand for; 0 and 1 of a mask.
        there: Whether the image has this channel at all, by its label "has/NAME".
    """

    name: str
    contrast: str
    mask: str | None
    intensity_range: tuple[float, float]
    there: bool = True

    def values(self, image: NDArray[np.float32]) -> NDArray[np.floating]:
        """The intensities of an image [r, r] in [-1, 1]; of a mask 1 where it is above 0, else 0."""
        if self.mask is not None:
            return (image > 0).astype(np.float32)
        return from_unit_range(image, self.intensity_range)


def channels_of(
    names: Sequence[str], labels: Mapping[str, Value], geometry: ImageGeometry
) -> tuple[Channel, ...]:
    """Describes the channels of an image by their names, its labels and what is known of all images."""
    own = (labels.get(CONTRAST_LABEL) or "") if geometry.several_contrasts else geometry.suffix
    channels = []
    for name in names:
        mask, contrast = mask_of(name), own if name == IMAGE else name
        intensities = geometry.contrast_ranges.get(contrast, geometry.intensity_range)
        channels.append(
            Channel(
                name,
                contrast if mask is None else "",
                mask,
                intensities if mask is None else (0.0, 1.0),
                there=labels.get(f"has/{name}") != "no",
            )
        )
    return tuple(channels)
