"""What a release says of itself: JSON beside every image, dataset_description.json, README.md."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import mrisynth
from mrisynth.atomic_io import json_text
from mrisynth.data.labels import UNKNOWN
from mrisynth.data.storing.manifest import lengths_in_words
from mrisynth.release.channels import Channel
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats.base import ReleaseFormat
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.conditions import SeededLabels
from mrisynth.sampling.provenance import Provenance

_KNOWN = "from the model card"
_ASSUMED = (
    "assumed, since the model has no card that says what pixels and intensities stand for: a field of view "
    "of 256 mm, slices of 1 mm, intensities from -1 to 1"
)


def sidecars(
    description: Mapping[str, Any], channel_description: Callable[[Channel], Mapping[str, Any]]
) -> Callable[[int, Mapping[str, Any], Channel], str]:
    """From an image's seed, labels and channel to the JSON beside it, all else encoded once and for all.

    Args:
        description: What the JSON of all images says.
        channel_description: What that of all images of a channel says.

    Returns:
        A function of the seed, the values that the image was asked for, by the name of the label, None where
        one was unknown, and the channel. Without labels nothing is said of them.
    """

    @functools.cache
    def without_labels(channel: Channel) -> tuple[str, str]:
        before, _, after = json_text({"Seed": 0, **description, **channel_description(channel)}).partition(
            "0"
        )
        return before, after

    def sidecar(seed: int, labels: Mapping[str, Any], channel: Channel) -> str:
        before, after = without_labels(channel)
        said = json_text({"Labels": dict(labels)})[1:-3] if labels else ""
        return f"{before}{seed}{',' if said else ''}{said}{after}"

    return sidecar


def image_description(provenance: Provenance, truncation: float, geometry: ImageGeometry) -> dict[str, Any]:
    """What the JSON of every image says, but for its seed, its labels and what its channels differ in."""
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
        "SizesAndUnits": _KNOWN if geometry.known else _ASSUMED,
    }


def channel_description(channel: Channel, geometry: ImageGeometry, files: ReleaseFormat) -> dict[str, Any]:
    """What the JSON of every image of a channel says beside what that of every image says."""
    image = channel.mask is None
    return {
        "Channel": channel.name,
        "IntensityRange": list(channel.intensity_range),
        "Units": geometry.unit if image else "1 inside, 0 outside",
        "Storage": files.storage if image else files.mask_storage,
        **files.fields_of(channel),
    }


def array_description(
    description: Mapping[str, Any],
    channels: Sequence[Channel],
    geometry: ImageGeometry,
    files: ReleaseFormat,
) -> dict[str, Any]:
    """What one JSON says of all images at once, and of their channels as far as all show the same."""
    described = [channel_description(channel, geometry, files) for channel in channels]
    by_contrast = {name: list(ends) for name, ends in geometry.contrast_ranges.items()}
    return {
        **description,
        **(described[0] if len(described) == 1 else {"Channels": described}),
        **({"IntensityRangeByContrast": by_contrast} if geometry.several_contrasts else {}),
    }


def dataset_description(
    provenance: Provenance, settings: Mapping[str, Any], files: ReleaseFormat
) -> dict[str, Any]:
    """The content of dataset_description.json; settings are what makes the release this release."""
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
    channels: Sequence[Channel],
    labels: SeededLabels | None,
    seeds: list[int],
    looked_for: str = "",
) -> str:
    """The content of README.md.

    Args:
        config: What was asked for.
        provenance: Where the images come from.
        geometry: What pixels and gray values stand for.
        files: How the images are stored.
        channels: What they show, as far as all show the same.
        labels: The labels of seeds; None of a model that knows none.
        seeds: The images' seeds, in their order.
        looked_for: What copies were looked for by, in words; empty if they were not.
    """
    dropped = seeds[-1] - config.seed + 1 - len(seeds)
    filtered = (
        f"Images too close to the training data were left out, {dropped} of {dropped + len(seeds)}: those "
        "that are nearer to a training slice than half of new patients' slices, and less than "
        f"{config.copy_ratio:.3g} times as far from one training subject as from any other, {looked_for}"
        if looked_for
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
            f"- Intensities {_ranges(channels, geometry)}, unit: {geometry.unit}{assumed}. {files.storage}.",
            *(
                f"- The {channel.mask} mask is where the model's own is above 0. {files.mask_storage}."
                for channel in channels
                if channel.mask is not None
            ),
            *_labels(config, files, labels),
            f"- {filtered}.",
            "",
            "Before this is published, add a License and Authors to dataset_description.json.",
            "",
        ]
    )


def _ranges(channels: Sequence[Channel], geometry: ImageGeometry) -> str:
    """From where to where intensities go, of every contrast if they differ."""
    images = [channel for channel in channels if channel.mask is None]
    ranges = {channel.name: channel.intensity_range for channel in images}
    if geometry.several_contrasts:
        ranges = geometry.contrast_ranges or ranges
    words = [f"from {low:g} to {high:g}" for low, high in ranges.values()]
    if len(words) > 1:
        words = [f"{text} ({name})" for name, text in zip(ranges, words, strict=True)]
    return ", ".join(words)


def _labels(config: ReleaseConfig, files: ReleaseFormat, labels: SeededLabels | None) -> Iterator[str]:
    """How the images came by their labels."""
    if labels is None:
        return
    asked = ", ".join(f"{condition.name}={condition.text or UNKNOWN}" for condition in config.conditions)
    others = ", ".join(label.name for label in labels.schema.labels if label.name not in labels.asked)
    words = [
        f"asked of every image: {asked} (of a range, a number drawn evenly)" if asked else "",
        f"drawn as they come together in the training data: {others}" if others else "",
    ]
    yield (
        "- Labels are what the model was asked for, not what was measured in the images; "
        f"{'; '.join(filter(None, words))}. {UNKNOWN} is unknown. They are in {files.labels_place}."
    )
