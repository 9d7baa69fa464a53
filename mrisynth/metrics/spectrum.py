"""How much of an image is at which spatial frequency: too little of the high ones is blur, too much is noise.

Upsampling layers leave their marks there, too, as peaks that real images lack (Durall et al. 2020).
"""

from __future__ import annotations

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from mrisynth.errors import UserError
from mrisynth.metrics.registry import Comparison, Direction, Group, metric

SMALLEST_RESOLUTION = 16

_CHUNK_PIXELS = 2**21
_THREADS = -1
"""SciPy takes all threads that there are."""


@metric(
    key="spectrum",
    title="Power spectrum",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation="How much generated and real images differ in coarse and fine structure.",
    detail="difference in dB",
)
def _measure(comparison: Comparison) -> dict[str, float]:
    sides = (comparison.images, comparison.reference)
    return {"spectrum": spectrum_difference(*(power_spectrum(each.images[..., 0])[1] for each in sides))}


def power_spectrum(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radially averaged power spectrum, mean over images.

    Each image, less its mean, is weighted with a Hann window. Without one, anatomy that an edge of the image
    cuts off, as the neck, is a step between opposite edges, and its leakage hides what there is at high
    frequencies. The power is divided by the sum of the window's squares, so that white noise of standard
    deviation s has the power s^2 at every frequency (but the lowest, which loses some of it with the mean).

    Args:
        images: [N, H, H], H even and from 16 on.

    Returns:
        frequencies: Cycles per pixel, [H / 2]: 1 / H, 2 / H, ..., 0.5. The average at each is over a ring
            1 / H wide; the corners beyond are left out.
        power: Squared gray values, [H / 2].

    Raises:
        UserError: If the array is no such images or there are none.
    """
    images = np.asarray(images)
    _check(images)
    count, size = images.shape[:2]
    line = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    window = np.outer(line, line).astype(np.float32)
    total = np.zeros((size, size // 2 + 1))
    step = max(1, _CHUNK_PIXELS // size**2)
    for start in range(0, count, step):
        chunk = images[start : start + step].astype(np.float32)
        chunk -= np.mean(chunk, axis=(1, 2), keepdims=True, dtype=np.float64).astype(np.float32)
        waves = scipy.fft.rfft2(chunk * window, workers=_THREADS)
        total += np.sum(waves.real**2 + waves.imag**2, axis=0, dtype=np.float64)
    power = total / (count * np.sum(window**2, dtype=np.float64))
    return np.arange(1, size // 2 + 1) / size, _ring_means(power)


def spectrum_difference(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Root-mean-square difference of two power spectra in decibels; every frequency counts the same.

    Args:
        first: Power, [F], of `power_spectrum`.
        second: [F].

    Returns:
        dB; 3 is about a factor of two in power.

    Raises:
        UserError: If the spectra are of images of different sizes, or a power is not above 0.
    """
    if first.shape != second.shape:
        raise UserError(
            f"spectra have {first.size} and {second.size} frequencies; compare images of one resolution"
        )
    if not (np.all(first > 0) and np.all(second > 0)):
        raise UserError("a spectrum has no power at some frequency; use images that are not constant")
    return float(np.sqrt(np.mean((10 * np.log10(first / second)) ** 2)))


def _check(images: NDArray[np.generic]) -> None:
    if images.dtype != np.uint8:
        raise UserError(f"images are {images.dtype}; power spectra are of gray values as uint8")
    shape = images.shape
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] < SMALLEST_RESOLUTION or shape[1] % 2:
        raise UserError(
            f"images have shape {list(shape)}; power spectra are of [N, H, H] with H even and from "
            f"{SMALLEST_RESOLUTION} on"
        )
    if not len(images):
        raise UserError("power spectra are of at least 1 image, not 0")


def _ring_means(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of what `rfft2` yields over rings, by whole cycles per image: [H, H / 2 + 1] -> [H / 2]."""
    size = len(power)
    rows, columns = scipy.fft.fftfreq(size, 1 / size), np.arange(size // 2 + 1)
    rings = np.rint(np.hypot(rows[:, None], columns)).astype(np.intp)
    # The other half mirrors all columns but the first and the last.
    copies = np.where(columns % (size // 2) == 0, 1.0, 2.0) * np.ones((size, 1))
    sums, counts = (np.bincount(rings.ravel(), (copies * w).ravel()) for w in (power, np.ones_like(power)))
    return (sums / counts)[1 : size // 2 + 1]
