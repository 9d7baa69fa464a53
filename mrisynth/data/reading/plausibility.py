"""Whether the voxels of a file are an image of a head at all, and which of them were never scanned.

Nothing in a header need say that a file is a map of labels or of phases, that its contrast is inverted or
that its numbers ran over; the numbers themselves do.
"""

from __future__ import annotations

import nibabel
import numpy as np
from numpy.typing import NDArray

from mrisynth.data.reading.intensities import box_edges, lacks_air
from mrisynth.errors import UnusableScanError

_FEW_VALUES = 16
"""Scans have hundreds of gray values; masks and maps of tissues a few."""

_ALIKE_NEIGHBORS = 0.8
"""Where regions are labeled more neighbors are alike than this; noise tells those of scans apart."""

_ALIKE_BETWEEN_LEAPS, _LEAP = 0.5, 3
"""So are maps of small regions: more neighbors are alike than the first, the others mostly this far apart."""

_DARKER_THAN_AIR = 0.05
"""More of a scan's voxels are hardly ever darker than its edges."""

_SIDES = (("left", "right"), ("back", "front"), ("", "top"))
"""The lower and the upper end of each RAS axis; the bottom has no name, as every head is cut off there."""

_TISSUE = 0.25
"""Tissue is brighter than this part of the range that becomes [-1, 1]."""

_HEAD_RADIUS_MM = 90.0

_LENGTHS_MM = (80.0, 600.0)
"""Scans of heads are longer than the first along two axes at least, and nowhere longer than the second."""

_CLIPPED = 0.03
"""More of a scan's voxels have its greatest intensity only if all brighter ones were set to it."""

_TYPICAL = (5.0, 99.5)
"""Percentiles between which the intensities of all but padding lie."""


def find_missing(voxels: NDArray[np.float32]) -> tuple[NDArray[np.bool_] | None, list[str]]:
    """Finds the voxels that were not scanned: NaN, infinity, and one value far below or above all others.

    Of voxels [I, J, K] as stored gives a boolean [I, J, K], or None if every one was scanned; and warnings.
    """
    missing = ~np.isfinite(voxels)
    warnings = []
    for find_padding in (_padding_below, _padding_above):
        values = _scanned(voxels, missing if missing.any() else None)
        padding = find_padding(voxels, values) if values.size else None
        if padding is not None:
            warnings.append(
                f"padding: {padding.mean():.1%} of its voxels are {_most(voxels[padding]):g}, far from "
                "all others; they count as air"
            )
            missing |= padding
    if not missing.any():
        return None, warnings
    if not missing.all() and lacks_air(missing) and voxels[~missing].min() < 0:
        warnings.append("background unknown: its air is missing, so the darkest tissue is as dark as it")
    return missing, warnings


def refuse_what_is_no_image(voxels: NDArray[np.float32], missing: NDArray[np.bool_] | None) -> None:
    """Refuses what no scanner makes an image of: masks, label maps and phases.

    Raises:
        UnusableScanError: It is no image of intensities.
    """
    values = _scanned(voxels, missing)
    if _has_few_values(values[:: 1 + values.size // 200_000]) and _has_few_values(values):
        raise UnusableScanError(
            f"its voxels take only {np.unique(values).size} values: a mask or a map of labels, no image"
        )
    if _is_made_of_regions(voxels):
        raise UnusableScanError("its whole numbers fill whole regions: a map of labels, no image")
    if _is_phase(values):
        raise UnusableScanError(
            f"its voxels run evenly from {values.min():g} to {values.max():g}: a phase; give the magnitude"
        )


def doubts(
    voxels: NDArray[np.float32],
    missing: NDArray[np.bool_] | None,
    intensities: tuple[float, float],
    wraps_at: int,
) -> list[str]:
    """What looks wrong with the intensities of a scan, in sentences.

    Args:
        voxels: Float32 [I, J, K] as stored.
        missing: Voxels that were not scanned, as `find_missing` has them.
        intensities: The intensities that become -1 and 1.
        wraps_at: See `formats.StoredVolume`.

    Returns:
        Warnings.
    """
    warnings = []
    if _has_run_over(voxels, missing, wraps_at):
        warnings.append(
            "intensities run over: its brightest voxels lie beside its most negative; were they stored as "
            "signed numbers that cannot hold them?"
        )
    values = _scanned(voxels, missing)
    lowest, highest = float(values.min()), float(values.max())
    # Probabilities, of 0 to 1 or in bytes, may hardly ever quite reach 1.
    is_share = lowest >= 0 and (highest <= 1 or highest == 255)
    greatest = 0.98 * max(highest, 1.0) if is_share else highest
    if (clipped := np.mean(values >= greatest)) > _CLIPPED:
        warnings.append(f"intensities clipped: {clipped:.0%} of its voxels have the greatest; is it a mask?")
    if _is_made_of_small_regions(voxels):
        warnings.append("regions doubtful: neighbors are alike or far apart; is it a map of labels?")
    if blank := _blank_planes(voxels, missing):
        warnings.append(f"slices missing: {blank} of its planes between others hold nothing")
    edges = box_edges(voxels.shape)
    scanned = edges if missing is None else edges & ~missing
    if np.any(scanned) and not (missing is not None and lacks_air(missing)):
        level = np.median(voxels[scanned]) - 0.1 * (intensities[1] - intensities[0])
        darker = voxels < level if missing is None else (voxels < level) & ~missing
        if darker.mean() > _DARKER_THAN_AIR:
            warnings.append(
                f"background not darkest: {darker.mean():.0%} of its voxels are darker than its edges; is it "
                "inverted, or a phase, real or imaginary image?"
            )
    if not warnings and _wraps_around(voxels, values, missing):
        warnings.append(
            "intensities run over: its brightest voxels are many and lie beside its darkest; is it a phase, "
            "or were they stored as numbers that cannot hold them?"
        )
    return warnings


def cut_sides(
    voxels: NDArray[np.float32],
    affine: NDArray[np.float64],
    intensities: tuple[float, float],
    stack_axis: int,
) -> list[str]:
    """Whether a scan's field of view ends within the head, in a sentence that names the sides.

    The lower side is left out, where every scan ends within the neck, and so are both ends of the stack of
    slices, where a head may be covered in part.

    Args:
        voxels: Float32 [I, J, K], finite.
        affine: From indices of `voxels` to RAS coordinates in mm.
        intensities: The intensities that become -1 and 1.
        stack_axis: The RAS axis from slice to slice, 0 to 2.

    Returns:
        Warnings, at most one; it names any of "left", "right", "back", "front" and "top".
    """
    inside = voxels > intensities[0] + _TISSUE * (intensities[1] - intensities[0])
    spacing = nibabel.affines.voxel_sizes(affine)
    sides = []
    for axis, (ras_axis, direction) in enumerate(nibabel.io_orientation(affine)):
        areas = np.count_nonzero(inside, axis=tuple(other for other in range(3) if other != axis))
        # Within a voxel of a head's end the area grows by twice the voxel's part of the head's radius.
        most = (0.1 + 2 * spacing[axis] / _HEAD_RADIUS_MM) * areas.max()
        for name, ordered in zip(_SIDES[int(ras_axis)], (areas, areas[::-1])[:: int(direction)], strict=True):
            # A few blank rows at the border may hide where the field of view ends.
            shown = [area for area in ordered[: 1 + len(ordered) // 20] if area > 0.01 * areas.max()]
            if name and ras_axis != stack_axis and shown and shown[0] > most:
                sides.append(name)
    if not sides:
        return []
    return [f"head cut: the scan's field of view ends within the head ({', '.join(sorted(sides))})"]


def size_doubts(affine: NDArray[np.float64], shape: tuple[int, ...]) -> list[str]:
    """Whether a scan is as large as scans of heads are, by its affine in mm and its shape, in sentences."""
    lengths = nibabel.affines.voxel_sizes(affine) * np.array(shape)
    smallest, largest = _LENGTHS_MM
    if lengths.max() <= largest and np.sort(lengths)[1] >= smallest:
        return []
    size = " x ".join(f"{length:.4g}" for length in lengths)
    return [f"size doubtful: its header makes it {size} mm large; are its voxel sizes right?"]


def _padding_below(voxels: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Where a scan is padded with a negative number, with what interpolation made of its borders; or None.

    Where that is all the air there is, it stays, unless little would be left of the tissue's contrast.
    """
    lowest = values.min()
    # Some writers have two numbers for it, such as -32768 and -32767.
    others = values[values > 0.99 * lowest] if lowest < 0 else values[:0]
    if others.size == 0:
        return None
    first, last = np.percentile(others, _TYPICAL)
    if first == last:
        return None
    for distance in (0.5, 2.0, 10.0):
        padding = voxels < min(0.0, first - distance * (last - first))
        if not padding.any():
            return None
        # Numbers that ran over are far below the others, too, but all different; and a few voxels may be.
        is_one_value = np.mean(voxels[padding] == _most(voxels[padding])) >= 0.3
        is_area = distance == 10.0 or padding.mean() >= 0.001
        if is_one_value and is_area and (distance > 0.5 or not lacks_air(padding)):
            return padding
    return None


def _padding_above(voxels: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Where a scan is padded with a number far above all others, or None."""
    highest = values.max()
    padding = voxels == highest
    if padding.mean() < 0.001 or padding.all():
        return None
    first, last = np.percentile(values[values < highest], _TYPICAL)
    return padding if highest > last + 10.0 * (last - first) > last else None


def _most(values: NDArray[np.float32]) -> float:
    """The value that most have, if most have the same one."""
    return float(np.sort(values)[values.size // 2])


def _scanned(voxels: NDArray[np.float32], missing: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """The intensities that were scanned, in the order of memory: in that of the axes they would be copied."""
    return voxels.ravel(order="K") if missing is None else voxels[~missing]


def _has_few_values(values: NDArray[np.float32]) -> bool:
    return np.unique(values).size <= _FEW_VALUES


def _is_made_of_regions(voxels: NDArray[np.float32]) -> bool:
    """Whether the voxels are whole numbers, and neighbors nearly always the same, but for the background."""
    steps = _steps_within(voxels)
    return bool(steps.size and np.mean(steps == 0) > _ALIKE_NEIGHBORS)


def _is_made_of_small_regions(voxels: NDArray[np.float32]) -> bool:
    """Whether neighbors often are the same, and else far apart: gray values go step by step."""
    steps = _steps_within(voxels)
    return bool(
        steps.size and np.mean(steps == 0) > _ALIKE_BETWEEN_LEAPS and np.median(steps[steps > 0]) >= _LEAP
    )


def _steps_within(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The `_steps` in the middle of the voxels, if they are whole numbers; else none."""
    middle = voxels[tuple(slice(size // 4, size - size // 4) for size in voxels.shape)]
    return _steps(middle) if np.array_equal(middle, np.rint(middle)) else np.zeros(0, np.float32)


def _steps(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far neighbors lie apart, but for the background of 0."""
    steps = []
    for axis in range(3):
        ahead, behind = (voxels.take(range(k, voxels.shape[axis] - 1 + k), axis) for k in (1, 0))
        with np.errstate(invalid="ignore"):
            steps.append(np.abs(ahead - behind)[(ahead != 0) & (behind != 0)])
    return np.concatenate(steps)


def _wraps_around(
    voxels: NDArray[np.float32], values: NDArray[np.float32], missing: NDArray[np.bool_] | None
) -> bool:
    """Whether intensities without a sign end abruptly at the top, where neighbors lie at the bottom.

    The histogram of a scan thins out to its brightest voxels; that of numbers that ran over, or of a phase,
    is cut off.
    """
    lowest, highest = float(values.min()), float(values.max())
    spread = highest - lowest
    last, before = (
        np.count_nonzero((values > highest - far * spread) & (values <= highest - near * spread))
        for far, near in ((0.05, 0.0), (0.1, 0.05))
    )
    if lowest < 0 or last < 0.005 * values.size or not before / 2 < last < 2 * before:
        return False
    scanned = voxels if missing is None else np.where(missing, np.float32(0), voxels)
    return np.count_nonzero(_steps(scanned) > 0.9 * spread) > 0.0005 * values.size


def _blank_planes(voxels: NDArray[np.float32], missing: NDArray[np.bool_] | None) -> int:
    """Planes of one value, or of none, in the middle of an axis, whose ends may have artifacts."""
    low, high = (
        voxels if missing is None else np.where(missing, np.float32(end), voxels) for end in (np.inf, -np.inf)
    )
    count = 0
    for axis in range(3):
        others = tuple(other for other in range(3) if other != axis)
        filled = high.max(axis=others) > low.min(axis=others)
        (filled,) = np.nonzero(filled[filled.size // 8 : filled.size - filled.size // 8])
        count += int(np.ptp(filled) + 1 - filled.size) if filled.size else 0
    return count


def _is_phase(values: NDArray[np.float32]) -> bool:
    """Whether values run from one number to its negative and are as frequent at both ends as in between."""
    lowest, highest = float(values.min()), float(values.max())
    spread = highest - lowest
    if lowest >= 0 or abs(lowest + highest) > 0.05 * spread:
        return False
    values = values[values != 0]  # Masked phases are 0 outside of the head.
    ends = [np.mean(values < lowest + 0.1 * spread), np.mean(values > highest - 0.1 * spread)]
    return min(ends) > 0.02 and max(ends) < 3 * min(ends)


def _has_run_over(voxels: NDArray[np.float32], missing: NDArray[np.bool_] | None, wraps_at: int) -> bool:
    """Whether neighbors lie further apart than the numbers of the file reach to either side."""
    widest = 0.6 * wraps_at
    values = _scanned(voxels, missing)
    lowest, highest = float(values.min()), float(values.max())
    if highest - lowest <= widest or lowest < -wraps_at / 2 or highest >= wraps_at / 2:
        return False
    if not np.array_equal(values, np.rint(values)):
        return False
    scanned = voxels if missing is None else np.where(missing, np.float32(np.nan), voxels)
    return sum(np.count_nonzero(np.abs(np.diff(scanned, axis=axis)) > widest) for axis in range(3)) >= 3
