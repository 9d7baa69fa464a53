"""One scan's way from its file to quantized slices at every resolution: what a worker process does.

Nothing here needs TensorFlow, so that workers start at once and stay small.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.config import PreparationConfig
from mrisynth.data.finding.scan_files import checksum, files_of, is_phantom
from mrisynth.data.finding.scans import Scan
from mrisynth.data.reading.intensities import AIR
from mrisynth.data.reading.resampling import thick_plane
from mrisynth.data.reading.slices import SliceStack, extract_slices, halve
from mrisynth.data.reading.volumes import Beside, Volume, load_beside, load_mask, load_volume
from mrisynth.data.storing.storage import quantize
from mrisynth.errors import UnusableScanError

HISTOGRAM_BINS = 256

_WORTH_MENTIONING_MM = 5.0
_LEAST_OVERLAP = 0.9


@dataclasses.dataclass(frozen=True, eq=False)
class ExtractedScan:
    """What a worker makes of one scan.

    Attributes:
        facts: What the manifest says about the file, by the names of `manifest.Source`.
        images: Little-endian uint16 [N, r, r, channels] for every resolution r; empty if the scan is
            of no use.
        labels: What the label table says about each of the N slices.
        histogram: Pixels of the largest images' first channel by intensity, in `HISTOGRAM_BINS` equal bins
            over [-1, 1].
        phantom: Whether the scan was drawn by `mrisynth.phantoms`.
        block_means: Of each of its images (see `image_copies.block_means`); empty if it is of no use.
    """

    facts: dict[str, object]
    images: dict[int, NDArray[np.uint16]] = dataclasses.field(default_factory=dict)
    labels: list[dict[str, float]] = dataclasses.field(default_factory=list)
    histogram: NDArray[np.int64] = dataclasses.field(
        default_factory=lambda: np.zeros(HISTOGRAM_BINS, np.int64)
    )
    phantom: bool = False
    block_means: tuple[NDArray[np.float32], ...] = ()


def extract(scan: Scan, config: PreparationConfig) -> ExtractedScan:
    """Reads a scan and cuts it into slices; if it cannot be used, the reason is under "skipped"."""
    facts: dict[str, object] = {"warnings": scan.warnings}
    try:
        facts |= checksums(scan)
        if scan.fault:
            raise UnusableScanError(scan.fault)
        return _extract(scan, config, facts)
    except UnusableScanError as error:
        return ExtractedScan(facts | {"skipped": str(error)})
    except MemoryError:
        return ExtractedScan(facts | {"skipped": "too large for the memory"})
    except Exception as error:  # One odd file must not end the preparation of all others.
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        return ExtractedScan(facts | {"skipped": f"cannot be used ({reason[:160]})"})


def checksums(scan: Scan) -> dict[str, Any]:
    """Checksums of a scan, its further channels, and its mask if that can be read, by the names of `Source`.

    Returns:
        All; none for a file that is known not to be usable, unless it is DICOM.

    Raises:
        UnusableScanError: The scan cannot be read.
    """
    if scan.fault and not scan.files:
        return {}
    digests = {"checksum": checksum(scan.read_from)}
    if scan.mask is not None:
        with contextlib.suppress(UnusableScanError):
            digests["mask_checksum"] = checksum(files_of(scan.mask))
    if scan.others:
        digests["others"] = {
            other.suffix: {"name": other.name, "checksum": checksum(other.read_from)}
            for other in scan.others
            if other
        }
    return digests


def pyramid(images: NDArray[np.float32], resolutions: tuple[int, ...]) -> dict[int, NDArray[np.uint16]]:
    """The images [N, r, r, channels] at every resolution, each the 2x2 means of the one above, quantized."""
    levels = {}
    for resolution in resolutions:
        if resolution < images.shape[1]:
            images = halve(images)
        levels[resolution] = quantize(images)
    return levels


def _extract(scan: Scan, config: PreparationConfig, facts: dict[str, object]) -> ExtractedScan:
    volume = load_volume(
        scan.path,
        config.voxel_size,
        config.interpolation,
        config.intensity_percentiles,
        config.volume_index,
        config.slices,
        config.plane,
    )
    facts |= _volume_facts(volume)
    mask, warnings = _load_mask(scan, volume)
    warnings = [*scan.warnings, *volume.warnings, *warnings]
    facts["warnings"] = tuple(warnings)
    beside = [_load_beside(other, volume, config) for other in scan.others]
    slices = extract_slices(
        volume,
        config.plane,
        config.resolution,
        config.field_of_view,
        config.min_head_fraction,
        mask,
        [each.data for each in beside if each] + _mask_channel(mask, config),
        [each.covered for each in beside if each],
    )
    if scan.others:
        facts["others"] = _others(scan, beside, slices, facts["others"])
        warnings += [
            _of_file(other.name, warning)
            for other, each in zip(scan.others, beside, strict=True)
            if each
            for warning in (*other.warnings, *each.warnings)
        ]
    if slices.cropped_mm > _WORTH_MENTIONING_MM:
        warnings.append(f"head cropped: it reaches {slices.cropped_mm:.0f} mm beyond --field_of_view")
    thick = thick_plane(volume.source_affine)
    if thick not in (None, config.plane):
        warnings.append(
            f"thick slices: the scan was acquired in {thick} ones {max(volume.source_spacing):.3g} mm apart, "
            f"between which --plane={config.plane} interpolates"
        )
    channels, has = _in_order(slices, beside, mask is not None, config)
    images = pyramid(channels, config.resolutions)
    shift = 16 - (HISTOGRAM_BINS - 1).bit_length()
    shown = images[config.resolution][..., :1] if config.channels else images[config.resolution]
    return ExtractedScan(
        facts=facts
        | {
            "center_mm": slices.center_mm,
            "cropped_mm": slices.cropped_mm,
            "slices": len(slices.indices),
            "dropped": slices.dropped,
            "warnings": tuple(warnings),
        },
        images=images,
        labels=[{**labels, **has} for labels in _slice_labels(slices)],
        # Image by image, as it is counted in 64-bit numbers.
        histogram=sum(np.bincount(each.ravel() >> shift, minlength=HISTOGRAM_BINS) for each in shown),
        phantom=is_phantom(scan.path),
        block_means=(volume.block_means, *(each.block_means for each in beside if each)),
    )


def _load_beside(other: Scan | None, volume: Volume, config: PreparationConfig) -> Beside | None:
    """A further channel on the grid of the first; None if the session lacks it."""
    if other is None:
        return None
    percentiles = config.intensity_percentiles
    try:
        return load_beside(other.path, volume, config.interpolation, percentiles, config.volume_index)
    except UnusableScanError as error:
        raise UnusableScanError(f"{other.name} cannot be used: {error}") from error


def _of_file(name: str, warning: str) -> str:
    """A warning that names a file behind its kind, by which warnings are counted."""
    kind, _, text = warning.partition(": ")
    return f"{kind}: {name}: {text}"


def _mask_channel(mask: NDArray[np.bool_] | None, config: PreparationConfig) -> list[NDArray[np.float32]]:
    """The lesion mask as -1 and 1, if it is a channel and there is one."""
    if not config.channels or config.wanted_channels().mask is None:
        return []
    if mask is None and not config.allow_missing:
        raise UnusableScanError("it has no lesion mask that can be used")
    return [] if mask is None else [np.where(mask, np.float32(1), np.float32(-1))]


def _others(
    scan: Scan, beside: Sequence[Beside | None], slices: SliceStack, checksums: dict[str, dict[str, object]]
) -> dict[str, dict[str, object]]:
    """What the manifest says of the further scans of a session, by their contrasts."""
    there = [(other, each) for other, each in zip(scan.others, beside, strict=True) if each]
    for (other, _), covered in zip(there, slices.covered, strict=True):
        if covered < _LEAST_OVERLAP:
            least = f"{_LEAST_OVERLAP:.0%}"
            raise UnusableScanError(f"{other.name} covers {covered:.0%} of its head; it takes {least}")
    return {
        other.suffix: {
            **checksums[other.suffix],
            "voxels_checksum": each.voxels_checksum,
            "intensity_range": each.intensity_range,
        }
        for other, each in there
    }


def _in_order(
    slices: SliceStack, beside: Sequence[Beside | None], has_mask: bool, config: PreparationConfig
) -> tuple[NDArray[np.float32], dict[str, str]]:
    """The images of all channels in their order, -1 where one is missing, and the labels that say so."""
    if not config.channels:
        return slices.images[..., None], {}
    channels, found = config.wanted_channels(), iter(slices.others)
    nothing = np.full_like(slices.images, AIR)
    ordered = [slices.images, *(nothing if each is None else next(found) for each in beside)]
    there = [True, *(each is not None for each in beside)]
    if channels.mask is not None:
        ordered.insert(channels.mask, next(found) if has_mask else nothing)
        there.insert(channels.mask, has_mask)
    has = {
        f"has/{name}": "yes" if is_there else "no"
        for name, is_there in zip(channels.names[1:], there[1:], strict=True)
    }
    return np.stack(ordered, axis=-1), has if config.allow_missing else {}


def _slice_labels(slices: SliceStack) -> list[dict[str, float]]:
    """What the label table says about each slice; without a mask, nothing about lesions."""
    columns = {"slice_index": slices.indices, "position_mm": slices.positions_mm}
    if not np.isnan(slices.lesion_fractions).any():
        columns["lesion_fraction"] = slices.lesion_fractions
    rows = zip(*(values.tolist() for values in columns.values()), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _volume_facts(volume: Volume) -> dict[str, object]:
    return {
        "voxels_checksum": volume.voxels_checksum,
        "shape": tuple(int(size) for size in volume.source_shape),
        "spacing_mm": volume.source_spacing,
        "orientation": volume.source_orientation,
        "intensity_range": volume.intensity_range,
        "nonfinite_voxels": volume.nonfinite_voxels,
        "acquired": volume.acquired,
        "slice_spacing_mm": volume.grid.slice_spacing,
        "slice_thickness_mm": volume.slice_thickness,
        "directions": volume.grid.directions,
    }


def _load_mask(scan: Scan, volume: Volume) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """The scan's lesion mask; if it cannot be used, none and a warning."""
    if scan.mask is None:
        return None, []
    try:
        return load_mask(scan.mask, volume)
    except UnusableScanError as error:
        return None, [f"mask left out: {scan.mask.name} ({error})"]
