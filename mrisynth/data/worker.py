"""One scan's way from its file to quantized slices at every resolution: what a worker process does.

Nothing here needs TensorFlow, so that workers start at once and stay small.
"""

from __future__ import annotations

import dataclasses
import hashlib

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.config import PreparationConfig
from mrisynth.data.discovery import Scan
from mrisynth.data.slices import extract_slices, halve
from mrisynth.data.storage import quantize
from mrisynth.data.volumes import UnusableScanError, Volume, load_mask, load_volume

HISTOGRAM_BINS = 256

_WORTH_MENTIONING_MM = 5.0


@dataclasses.dataclass(frozen=True, eq=False)
class ExtractedScan:
    """What a worker makes of one scan.

    Attributes:
        facts: What the manifest says about the file, by the names of `manifest.Source`.
        images: Little-endian uint16 [N, r, r] for every resolution r; empty if the scan is of no use.
        lesion_fractions: Float64 [N]; NaN without a mask.
        histogram: Pixels of the largest images by intensity, in `HISTOGRAM_BINS` equal bins over [-1, 1].
    """

    facts: dict[str, object]
    images: dict[int, NDArray[np.uint16]] = dataclasses.field(default_factory=dict)
    lesion_fractions: NDArray[np.float64] = dataclasses.field(default_factory=lambda: np.zeros(0))
    histogram: NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(HISTOGRAM_BINS, np.int64)
    )


def extract(scan: Scan, config: PreparationConfig) -> ExtractedScan:
    """Reads a scan and cuts it into slices.

    Args:
        scan: The scan.
        config: How.

    Returns:
        Its slices, or, if the scan cannot be used, the reason under "skipped".
    """
    facts: dict[str, object] = {}
    try:
        if scan.fault:
            raise UnusableScanError(scan.fault)
        facts["checksum"] = checksum(scan)
        return _extract(scan, config, facts)
    except UnusableScanError as error:
        return ExtractedScan(facts | {"skipped": str(error)})
    except MemoryError:
        return ExtractedScan(facts | {"skipped": "too large for the memory"})


def checksum(scan: Scan) -> str:
    """SHA-256 of the scan's file, hexadecimal.

    Raises:
        UnusableScanError: The file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with scan.path.open("rb") as file:
            while chunk := file.read(2**20):
                digest.update(chunk)
        return digest.hexdigest()
    except OSError as error:
        raise UnusableScanError(f"cannot be read ({error.strerror})") from error


def pyramid(images: NDArray[np.float32], resolutions: tuple[int, ...]) -> dict[int, NDArray[np.uint16]]:
    """The images at every resolution, each the two by two means of the one above, quantized at the end.

    Args:
        images: Float32 [N, r, r] in [-1, 1], r being the first of the resolutions.
        resolutions: Descending by factors of two.
    """
    levels = {}
    for resolution in resolutions:
        if resolution < images.shape[1]:
            images = halve(images)
        levels[resolution] = quantize(images)
    return levels


def _extract(scan: Scan, config: PreparationConfig, facts: dict[str, object]) -> ExtractedScan:
    volume = load_volume(
        scan.path, config.voxel_size, config.interpolation, config.intensity_percentiles, config.volume_index
    )
    facts |= _volume_facts(volume)
    mask, warnings = _load_mask(scan, volume)
    slices = extract_slices(
        volume, config.plane, config.resolution, config.field_of_view, config.min_head_fraction, mask
    )
    if slices.cropped_mm > _WORTH_MENTIONING_MM:
        warnings.append(f"the head reaches {slices.cropped_mm:.0f} mm beyond --field_of_view")
    images = pyramid(slices.images, config.resolutions)
    shift = 16 - (HISTOGRAM_BINS - 1).bit_length()
    return ExtractedScan(
        facts=facts
        | {
            "center_mm": slices.center_mm,
            "cropped_mm": slices.cropped_mm,
            "slice_indices": tuple(slices.indices.tolist()),
            "positions_mm": tuple(slices.positions_mm.tolist()),
            "dropped": slices.dropped,
            "warnings": tuple(warnings),
        },
        images=images,
        lesion_fractions=slices.lesion_fractions,
        histogram=np.bincount((images[config.resolution] >> shift).ravel(), minlength=HISTOGRAM_BINS),
    )


def _volume_facts(volume: Volume) -> dict[str, object]:
    return {
        "shape": tuple(int(size) for size in volume.source_shape),
        "spacing_mm": volume.source_spacing,
        "orientation": volume.source_orientation,
        "intensity_range": volume.intensity_range,
        "nonfinite_voxels": volume.nonfinite_voxels,
    }


def _load_mask(scan: Scan, volume: Volume) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """The scan's lesion mask; if it cannot be used, none and a warning."""
    if scan.mask is None:
        return None, []
    try:
        return load_mask(scan.mask, volume), []
    except UnusableScanError as error:
        return None, [f"its mask {scan.mask} is left out: {error}"]
