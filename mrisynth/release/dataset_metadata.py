"""What a release says of itself: JSON beside every image, dataset_description.json, README.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mrisynth
from mrisynth.atomic_io import json_text
from mrisynth.data.storing.manifest import lengths_in_words
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.provenance import Provenance

_KNOWN = "from the model card"
_ASSUMED = (
    "assumed, since the model has no card that says what pixels and intensities stand for: a field of view "
    "of 256 mm, slices of 1 mm, intensities from -1 to 1"
)


def sidecars(description: Mapping[str, Any]) -> Callable[[int, Mapping[str, Any]], str]:
    """From an image's seed and labels to the JSON beside it, all else encoded once and for all.

    Args:
        description: What the JSON of all images says.

    Returns:
        A function of the seed and of the values that the image was asked for, by the name of the label, None
        where one was unknown. Without labels nothing is said of them.
    """
    before, _, after = json_text({"Seed": 0, **description}).partition("0")

    def sidecar(seed: int, labels: Mapping[str, Any]) -> str:
        said = json_text({"Labels": dict(labels)})[1:-3] if labels else ""
        return f"{before}{seed}{',' if said else ''}{said}{after}"

    return sidecar


def image_description(
    provenance: Provenance, truncation: float, geometry: ImageGeometry, files: ReleaseFormat
) -> dict[str, Any]:
    """What the JSON of every image says, but for its seed.

    Args:
        provenance: Where the images come from.
        truncation: How they are drawn.
        geometry: What pixels and gray values stand for.
        files: How they are stored.
    """
    return {
        "Description": provenance.statement,
        "Synthetic": True,
        "Truncation": truncation,
        **provenance.to_json(),
        "Plane": geometry.plane,
        "Orientation": geometry.orientation,
        "PixelSpacing": [geometry.pixel_size_mm] * 2,
        "SliceThickness": geometry.slice_thickness_mm,
        "SliceThicknessRange": list(geometry.slice_thickness_range_mm),
        "SpacingBetweenSlices": geometry.slice_spacing_mm,
        "IntensityRange": list(geometry.intensity_range),
        "Units": geometry.unit,
        "SizesAndUnits": _KNOWN if geometry.known else _ASSUMED,
        "Storage": files.storage,
        **files.image_fields,
    }


def dataset_description(
    provenance: Provenance, settings: Mapping[str, Any], files: ReleaseFormat
) -> dict[str, Any]:
    """The content of dataset_description.json.

    Args:
        provenance: Where the images come from.
        settings: What makes the release this release.
        files: How the images are stored.
    """
    return {
        "Name": f"Synthetic MR images of the model {provenance.model}",
        **files.dataset_fields,
        "GeneratedBy": [
            {
                "Name": "mrisynth",
                "Version": mrisynth.__version__,
                "Description": provenance.statement,
            }
        ],
        "Synthetic": True,
        **provenance.to_json(),
        "Settings": settings,
    }


def readme(
    config: ReleaseConfig,
    provenance: Provenance,
    geometry: ImageGeometry,
    files: ReleaseFormat,
    seeds: list[int],
) -> str:
    """The content of README.md.

    Args:
        config: What was asked for.
        provenance: Where the images come from.
        geometry: What pixels and gray values stand for.
        files: How the images are stored.
        seeds: The images' seeds, in their order.
    """
    dropped = seeds[-1] - config.seed + 1 - len(seeds)
    low, high = geometry.intensity_range
    filtered = (
        f"Images too close to the training data were left out, {dropped} of {dropped + len(seeds)}: those "
        "that are nearer to a training slice than half of new patients' slices, and less than "
        f"{config.copy_ratio:.3g} times as far from one training subject as from any other"
        if config.data_dir
        else "Images were not compared with the training data"
    )
    assumed = "" if geometry.known else " (assumed: the model has no card that says so)"
    return "\n".join(
        [
            f"# {len(seeds)} synthetic MR images",
            "",
            provenance.statement,
            "",
            f"- Drawn by mrisynth {mrisynth.__version__}, truncation {config.truncation:g}, seeds from "
            f"{config.seed}. A seed draws its image again.",
            f"- {files.layout}.",
            f"- {files.resolution}x{files.resolution} pixels of {geometry.pixel_size_mm:.4g} mm, slices "
            f"{geometry.slice_thickness_mm:.4g} mm thick{assumed}; the training scans' are "
            f"{lengths_in_words(geometry.slice_thickness_range_mm)}.",
            f"- Plane: {geometry.plane}; {geometry.orientation}.",
            f"- Intensities from {low:g} to {high:g}, unit: {geometry.unit}{assumed}. {files.storage}.",
            f"- {filtered}.",
            "",
            "Before this is published, add a License and Authors to dataset_description.json.",
            "",
        ]
    )
