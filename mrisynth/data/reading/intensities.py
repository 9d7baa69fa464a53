"""A scan's own intensities, the range that becomes [-1, 1], and the way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UnusableScanError

AIR = -1.0
"""What air becomes, and what stands where nothing was scanned."""

_LEAST_SPREAD = 1e-5
"""A range that is a smaller part of its ends leaves fewer than a hundred gray values in single precision."""

_NARROWEST, _WIDEST = 1e-30, 1e30
"""A narrower or wider range cannot be computed with in single precision."""


def find_range(
    voxels: NDArray[np.float32], missing: NDArray[np.bool_] | None, percentiles: tuple[float, float]
) -> tuple[NDArray[np.float32], tuple[float, float]]:
    """Finds the intensities that become -1 and 1, and makes air of what was not scanned.

    Where all of a scan's air is missing, 0 stands for it, or the darkest tissue if that is negative.

    Args:
        voxels: Float32 [I, J, K] as stored.
        missing: Boolean [I, J, K], voxels that were not scanned; None if all were.
        percentiles: As `intensity_range` takes them.

    Returns:
        The voxels, and the two intensities.

    Raises:
        UnusableScanError: The intensities cannot be scaled.
    """
    if missing is None:
        return voxels, intensity_range(voxels, percentiles)
    values = voxels[~missing]
    if values.size and lacks_air(missing):
        voxels = np.where(missing, min(np.float32(0), values.min()), voxels)
        return voxels, intensity_range(voxels, percentiles)
    intensities = intensity_range(values, percentiles)
    return np.where(missing, np.float32(intensities[0]), voxels), intensities


def lacks_air(missing: NDArray[np.bool_]) -> bool:
    """Whether hardly any voxel at the edges of a scan was scanned, which is where its air should be."""
    edges = box_edges(missing.shape)
    return np.count_nonzero(edges & ~missing) < 0.05 * np.count_nonzero(edges)


def box_edges(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The voxels along the edges of a box, where there is hardly ever anything but air.

    Args:
        shape: Voxels along the three axes. Of a single slice its four sides are taken.

    Returns:
        Boolean array of that shape; the edges are a twentieth of the box thick.
    """
    ends = np.zeros(shape, np.uint8)
    for axis, size in enumerate(shape):
        place = np.arange(size)
        thickness = max(1, size // 20)
        at_end = (place < thickness) | (place >= size - thickness)
        ends += at_end.reshape(np.roll([-1, 1, 1], axis)).astype(np.uint8)
    return ends >= 2


def intensity_range(values: NDArray[np.float32], percentiles: tuple[float, float]) -> tuple[float, float]:
    """The intensities that become -1 and 1.

    Air outnumbers the head by a proportion that depends on how closely the head was framed, so the upper
    percentile is taken over the brighter voxels alone.

    Args:
        values: Finite intensities of the whole scan.
        percentiles: Lower percentile of all voxels, upper percentile of the foreground; 0 to 100.

    Returns:
        Two intensities, the first below the second.

    Raises:
        UnusableScanError: There are no values, or they are all the same or nearly so.
    """
    if values.size == 0:
        raise UnusableScanError("none of its voxels is a number")
    if values.min() == values.max():
        raise UnusableScanError(f"all its voxels are {values.flat[0]:g}")
    if not _tells_apart(float(values.min()), float(values.max())):
        raise UnusableScanError(
            f"its intensities leave no range to scale ({values.min():.9g} to {values.max():.9g})"
        )
    values = values.ravel(order="K")  # In the order of memory nothing is copied.
    low = float(np.percentile(values, percentiles[0]))
    foreground = values[values > foreground_threshold(values)]
    high = float(np.percentile(foreground, percentiles[1]))
    if not _can_be_scaled(low, high):
        raise UnusableScanError(f"its intensities leave no range to scale ({low:g} to {high:g})")
    return low, high


def foreground_threshold(values: NDArray[np.float32]) -> float:
    """Otsu's threshold: splits the values so that the variance between the two classes is largest.

    The brightest half percent is left out of the histogram, lest a few outliers take up all of its bins.

    Args:
        values: Finite numbers, not all the same.

    Returns:
        A threshold below the largest value.
    """
    lowest, top = float(values.min()), float(np.percentile(values, 99.5))
    if not _can_be_scaled(lowest, top):
        return lowest
    counts, edges = np.histogram(values, bins=256, range=(lowest, top))
    centers = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts).astype(np.float64)
    above = below[-1] - below
    sum_below = np.cumsum(counts * centers)
    with np.errstate(divide="ignore", invalid="ignore"):
        difference = sum_below / below - (sum_below[-1] - sum_below) / above
        between = np.nan_to_num(below * above * difference**2)
    return float(edges[1:][np.argmax(between[:-1])])


def to_unit_range(values: NDArray[np.float32], intensities: tuple[float, float]) -> NDArray[np.float32]:
    """Maps the two intensities to -1 and 1, linearly, and clips what lies outside."""
    low, high = intensities
    scaled = values - np.float32(low)
    scaled *= np.float32(2.0 / (high - low))
    scaled -= 1.0
    return np.clip(scaled, -1.0, 1.0, out=scaled)


def from_unit_range(values: NDArray[np.floating], intensities: tuple[float, float]) -> NDArray[np.float64]:
    """Undoes `to_unit_range`, save for the clipping: -1 and 1 become the two intensities."""
    low, high = intensities
    return (np.asarray(values, np.float64) + 1.0) / 2.0 * (high - low) + low


def _can_be_scaled(low: float, high: float) -> bool:
    """Whether single precision tells enough gray values apart between two intensities."""
    return high - low < _WIDEST and _tells_apart(low, high)


def _tells_apart(low: float, high: float) -> bool:
    return high - low > max(_NARROWEST, _LEAST_SPREAD * max(abs(low), abs(high)))
