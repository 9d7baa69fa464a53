"""A scan's own intensities, the range that becomes [-1, 1], and the way back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UnusableScanError

AIR = -1.0
"""What air becomes, and what stands where nothing was scanned."""


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
        UnusableScanError: There are no values, or they are all the same.
    """
    if values.size == 0:
        raise UnusableScanError("none of its voxels is a number")
    if values.min() == values.max():
        raise UnusableScanError(f"all its voxels are {values.flat[0]:g}")
    values = values.ravel()
    low = float(np.percentile(values, percentiles[0]))
    foreground = values[values > foreground_threshold(values)]
    high = float(np.percentile(foreground, percentiles[1]))
    if not low < high:
        raise UnusableScanError(f"its intensities leave no range to scale ({low:g} to {high:g})")
    return low, high


def foreground_threshold(values: NDArray[np.float32], bins: int = 256) -> float:
    """Otsu's threshold: splits the values so that the variance between the two classes is largest.

    The brightest half percent is left out of the histogram, lest a few outliers take up all of its bins.

    Args:
        values: Finite numbers, not all the same.
        bins: Bins of the histogram.

    Returns:
        A threshold below the largest value.
    """
    lowest, top = float(values.min()), float(np.percentile(values, 99.5))
    if top <= lowest:
        return lowest
    counts, edges = np.histogram(values, bins=bins, range=(lowest, top))
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
    scaled = (values - np.float32(low)) * np.float32(2.0 / (high - low))
    scaled -= 1.0
    return np.clip(scaled, -1.0, 1.0, out=scaled)


def from_unit_range(values: NDArray[np.floating], intensities: tuple[float, float]) -> NDArray[np.float64]:
    """Undoes `to_unit_range`, save for the clipping: -1 and 1 become the two intensities."""
    low, high = intensities
    return (np.asarray(values, np.float64) + 1.0) / 2.0 * (high - low) + low
