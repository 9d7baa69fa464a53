"""What a release says of itself: JSON beside every image, dataset_description.json, README.md."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import mrisynth
from mrisynth.release.config import NIFTI, PNG, ReleaseConfig
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.exports import ServedGenerator

_BIDS_VERSION = "1.10.0"
_STATEMENT = (
    "Synthetic: every image was computed by a neural network from random numbers. None was measured of a "
    "person, and none belongs to a patient. Not for diagnosis."
)
_KNOWN = "from the model card"
_ASSUMED = (
    "assumed, since the model has no card that says what pixels and intensities stand for: a field of view "
    "of 256 mm, slices of 1 mm, intensities from -1 to 1"
)
_STORAGE = {
    "nifti": "NIfTI: 16-bit integers; the header's slope and intercept make them intensities",
    "png": "PNG: gray values of {bits} bits; 0 and {largest} stand for the ends of IntensityRange",
    "npy": "NumPy: float32 intensities, one array [image, row, column]",
}


def to_json(document: dict[str, Any]) -> bytes:
    """A JSON file's content."""
    return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def sidecars(shared: dict[str, Any]) -> Callable[[int], bytes]:
    """From an image's seed to the JSON beside it, all but the seed encoded once and for all.

    Args:
        shared: What the JSON of all images says.
    """
    before, _, after = to_json({"Seed": 0, **shared}).partition(b"0")
    return lambda seed: before + str(seed).encode() + after


def image_description(
    config: ReleaseConfig, generator: ServedGenerator, conventions: ImageGeometry
) -> dict[str, Any]:
    """What the JSON of every image says, but for its seed."""
    description = {
        "Description": _STATEMENT,
        "Synthetic": True,
        "Truncation": config.truncation,
        "Model": generator.name,
        "ModelVersion": generator.version,
        "Plane": conventions.plane,
        "Orientation": conventions.orientation,
        "PixelSpacing": [conventions.pixel_size_mm] * 2,
        "SliceThickness": conventions.slice_spacing_mm,
        "IntensityRange": list(conventions.intensity_range),
        "Units": conventions.unit,
        "SizesAndUnits": _KNOWN if conventions.known else _ASSUMED,
        "Storage": _storage(config),
    }
    if config.format == NIFTI:
        # BIDS asks it of all images of derivatives.
        description |= {"SkullStripped": False, "SpatialReference": "orig"}
    return description


def dataset_description(
    generator: ServedGenerator, settings: dict[str, Any], config: ReleaseConfig
) -> dict[str, Any]:
    """The content of dataset_description.json; BIDS' own fields where the layout is that of BIDS."""
    bids = {"BIDSVersion": _BIDS_VERSION, "DatasetType": "derivative"} if config.format == NIFTI else {}
    return {
        "Name": f"Synthetic MR images of the model {generator.name}",
        **bids,
        "GeneratedBy": [
            {
                "Name": "mrisynth",
                "Version": mrisynth.__version__,
                "Description": f"Images drawn from the model {_model(generator)} by mrisynth-generate. "
                f"{_STATEMENT}",
            }
        ],
        "Synthetic": True,
        "Settings": settings,
    }


def readme(
    config: ReleaseConfig,
    generator: ServedGenerator,
    conventions: ImageGeometry,
    seeds: list[int],
    suffix: str,
) -> str:
    """The content of README.md."""
    size = f"{generator.resolution}x{generator.resolution}"
    dropped = seeds[-1] - config.seed + 1 - len(seeds)
    low, high = conventions.intensity_range
    files = {
        "nifti": f"`sub-synNNNNNN/anat/sub-synNNNNNN_{suffix}.nii.gz`, one slice each (BIDS derivatives)",
        "png": "`images/synNNNNNN.png`",
        "npy": '`images.npy`, for `numpy.load("images.npy", mmap_mode="r")`; `seeds.npy` in the same order',
    }
    filtered = (
        f"Images too close to the training data were left out, {dropped} of {dropped + len(seeds)}: those "
        "that are nearer to a training slice than half of new patients' slices, and less than "
        f"{config.copy_ratio:.3g} times as far from one training subject as from any other"
        if config.data_dir
        else "Images were not compared with the training data"
    )
    assumed = "" if conventions.known else " (assumed: the model has no card that says so)"
    return "\n".join(
        [
            f"# {len(seeds)} synthetic MR images",
            "",
            _STATEMENT,
            "",
            f"- Drawn by mrisynth {mrisynth.__version__} from the model {_model(generator)}, truncation "
            f"{config.truncation:g}, seeds from {config.seed}. A seed draws its image again.",
            f"- {files[config.format]}.",
            f"- {size} pixels of {conventions.pixel_size_mm:.4g} mm, slices of "
            f"{conventions.slice_spacing_mm:.4g} mm{assumed}.",
            f"- Plane: {conventions.plane}; {conventions.orientation}.",
            f"- Intensities from {low:g} to {high:g}, unit: {conventions.unit}{assumed}. {_storage(config)}.",
            f"- {filtered}.",
            "",
            "Before this is published, add a License and Authors to dataset_description.json.",
            "",
        ]
    )


def _model(generator: ServedGenerator) -> str:
    return f"{generator.name}, version {generator.version}" if generator.version else generator.name


def _storage(config: ReleaseConfig) -> str:
    bits = (config.bits or 8) if config.format == PNG else 0
    return _STORAGE[config.format].format(bits=bits, largest=2**bits - 1)
