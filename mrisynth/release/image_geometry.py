"""What pixels and gray values stand for, from the model card."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from mrisynth.data.reading.planes import PLANES
from mrisynth.errors import UserError

CONTRAST_LABEL = "suffix"
"""The label that says an image's contrast, where a model has several."""

_FIELD_OF_VIEW_MM = 256.0
_SUFFIX = "FLAIR"
_ANY_SUFFIX = "MRI"
"""Where every image has a contrast of its own; BIDS has no word for all of them."""


@dataclasses.dataclass(frozen=True)
class ImageGeometry:
    """What pixels and gray values stand for.

    Attributes:
        plane: A key of `PLANES`.
        orientation: How the images are turned, in words.
        pixel_size_mm: Edge of a pixel in mm.
        slice_spacing_mm: Distance from slice to slice in mm, in the median training scan.
        slice_thickness_mm: Thickness of a slice in mm, in the median training scan.
        slice_thickness_range_mm: Least and largest thickness among the training scans.
        intensity_range: The intensities that -1 and 1 stand for, in the median training scan.
        contrast_ranges: The same of scans of one contrast, by its name, where there are several.
        unit: Unit of the intensities.
        suffix: BIDS suffix of the contrast.
        known: Whether a model card says all this; otherwise it is assumed.
        several_contrasts: Whether the contrast is a label of every image, "suffix"; then `suffix` is for
            those of which it is not known.
    """

    plane: str
    orientation: str
    pixel_size_mm: float
    slice_spacing_mm: float
    slice_thickness_mm: float
    slice_thickness_range_mm: tuple[float, float]
    intensity_range: tuple[float, float]
    unit: str
    suffix: str
    known: bool
    several_contrasts: bool = False
    contrast_ranges: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, card: Mapping[str, Any] | None, resolution: int) -> ImageGeometry:
        """Reads the geometry of a model's images.

        Args:
            card: The model card. Without one, or one that says nothing of geometry and intensities, axial
                slices of 1 mm with a field of view of 256 mm, and intensities from -1 to 1, are assumed.
            resolution: Pixels along an edge of an image.

        Returns:
            The geometry.

        Raises:
            UserError: If the card says something impossible.
        """
        card = card or {}
        if "geometry" not in card or "intensity" not in card:
            pixel_size = _FIELD_OF_VIEW_MM / resolution
            words = PLANES["axial"].description
            return cls(
                "axial",
                words,
                pixel_size,
                1.0,
                1.0,
                (1.0, 1.0),
                (-1.0, 1.0),
                "arbitrary",
                _SUFFIX,
                known=False,
            )
        try:
            geometry, intensity = card["geometry"], card["intensity"]
            ranges = {"": intensity["range"], **intensity.get("ranges", {})}
            ranges = {name: tuple(map(float, ends)) for name, ends in ranges.items()}
            # Cards of before native slices speak of one size of slices.
            geometry = {"slice_thickness_mm": geometry["slice_spacing_mm"], **geometry}
            names = ("pixel_size_mm", "slice_spacing_mm", "slice_thickness_mm")
            sizes = [float(geometry[name]) for name in names]
            thicknesses = tuple(map(float, geometry.get("slice_thickness_range_mm", sizes[-1:] * 2)))
            possible = (
                geometry["plane"] in PLANES
                and all(math.isfinite(size) and size > 0 for size in (*sizes, *thicknesses))
                and len(thicknesses) == 2
                and all(math.isfinite(high - low) and low < high for low, high in ranges.values())
            )
            if not possible:
                raise ValueError(f"{geometry}, {intensity}")
            labels = (card.get("labels") or {}).get("labels", ())
            several = any(label["name"] == CONTRAST_LABEL for label in labels)
            suffix = _ANY_SUFFIX if several else card.get("preparation", {}).get("suffix") or _SUFFIX
            return cls(
                geometry["plane"],
                str(geometry["orientation"]),
                *sizes,
                thicknesses,
                ranges.pop(""),
                str(intensity["unit"]),
                suffix,
                known=True,
                several_contrasts=several,
                contrast_ranges=ranges,
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UserError(
                f"--saved_model: its model card has no usable geometry and intensity ({error}); export the "
                "model again"
            ) from error
