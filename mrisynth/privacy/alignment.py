"""Laying one image onto another: mirrored or not, at every small shift, whatever its brightness.

An image's channels are moved together, and each is compared by itself: correlations are means over the
channels that show something in one image or the other. A channel that a session lacks is flat, and says
nothing where both lack it.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import scipy.fft
import scipy.ndimage
from numpy.typing import NDArray

_THUMBNAIL = 64
_SHIFT_PART = 16
_BLOCK_PIXELS = 2**22
_SMALLEST_NORM = 1e-3
_SMOOTHING = (0.25, 0.5, 0.25)
_SMOOTHED_ONCE = 32
_CONTRAST = 40
_FLAT = 8
"""Gray values between the darkest and the brightest pixel of a channel that shows nothing."""


@dataclasses.dataclass(frozen=True)
class Alignment:
    """How an image is laid onto a target.

    Attributes:
        correlation: Pearson's, of the two once aligned; -1 to 1.
        mirrored: Whether the image is mirrored left to right.
        rows: Pixels that it is moved down, after mirroring.
        columns: Pixels that it is moved to the right.
    """

    correlation: float
    mirrored: bool
    rows: int
    columns: int


def largest_shift(size: int) -> int:
    """Pixels that images are shifted by at most: 1/16 of their width."""
    return max(1, size // _SHIFT_PART)


def thumbnails(images: NDArray[np.uint8], smoothed: bool = True) -> NDArray[np.uint8]:
    """Box means of 64x64 at most, smoothed unless told not to be; uint8 [N, ..., H, H] -> [N, ..., T, T].

    A copy with noise, a little blurred or warped is a copy, too. Smoothing (a binomial filter, standard
    deviation 1.4 pixels of 64) makes it more alike to its original, but not to other anatomy.
    """
    factor = max(1, images.shape[-1] // _THUMBNAIL)
    size = images.shape[-1] // factor
    small = np.empty((*images.shape[:-2], size, size), np.uint8)
    passes = (size // _SMOOTHED_ONCE) ** 2 if smoothed else 0
    step = max(1, _BLOCK_PIXELS // images[0].size)
    for start in range(0, len(images), step):
        block = images[start : start + step]
        means = block.reshape(*block.shape[:-2], size, factor, size, factor).mean((-3, -1), np.float32)
        for axis in (-2, -1) * passes:
            means = scipy.ndimage.correlate1d(means, _SMOOTHING, axis, mode="nearest")
        small[start : start + step] = np.rint(means)
    return small


def standardize(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Gives all images the same darkest gray, 0, and the same contrast; uint8 [..., T, T]."""
    lifted = images - images.min(axis=(-2, -1), keepdims=True).astype(np.float32)
    deviations = np.maximum(lifted.std(axis=(-2, -1), keepdims=True), 1)
    return np.clip(np.rint(lifted * (_CONTRAST / deviations)), 0, 255).astype(np.uint8)


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gives every row mean 0 and norm 1; rows that are constant become 0."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    norms = np.sqrt(np.einsum("...d,...d->...", rows, rows))[..., np.newaxis]
    return np.where(norms > _SMALLEST_NORM, rows / np.maximum(norms, _SMALLEST_NORM), 0)


def frames(images: NDArray[np.uint8], margin: int) -> NDArray[np.float32]:
    """Images in a frame of their own darkest gray, [..., T, T] -> [..., T + 2 margin, T + 2 margin]."""
    lifted = images.astype(np.float32)
    lifted -= lifted.min(axis=(-2, -1), keepdims=True)
    return np.pad(lifted, [(0, 0)] * (images.ndim - 2) + [(margin, margin)] * 2)


def correlations(targets: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Correlations of targets with candidate images, mirrored or not, at all small shifts.

    A frame's mean and norm do not change when it is turned round on itself, and the margin keeps the image
    within it, so one Fourier transform gives the correlation at every shift. Only small shifts are
    transformed back. To mirror both images changes nothing, so in the place of the candidates their target is
    mirrored, of which there is only one.

    Args:
        targets: [N, C, T, T].
        images: [N, K, C, T, T].

    Returns:
        [N, K, 2, S, S] with S = 2 `largest_shift` + 1: not mirrored and mirrored; moved down and to the right
        by the index less `largest_shift`.
    """
    margin = largest_shift(targets.shape[-1])
    both = np.stack([targets, targets[..., ::-1]], axis=1)
    size = targets.shape[-1] + 2 * margin
    spectra, norms = _spectra(images, size)
    target_spectra, target_norms = _spectra(both, size)
    rows, columns = _back_to_shifts(size, margin)
    products = np.conj(target_spectra)[:, None] * spectra[:, :, None]
    correlated = (rows @ (products @ columns)).real
    norms = (target_norms[:, None] * norms[:, :, None])[..., None, None]
    correlated = np.divide(correlated, norms, out=np.zeros_like(correlated), where=norms > 0)
    # What a mirrored target's candidate is moved by to the left, it is to the right when both are mirrored.
    correlated[:, :, 1] = correlated[:, :, 1, ..., ::-1].copy()
    return _over_channels(correlated, targets[:, None], images)


@functools.cache
def _back_to_shifts(size: int, margin: int) -> tuple[NDArray[np.complex64], NDArray[np.complex64]]:
    """The inverse of `rfft2` at shifts of up to `margin`, [S, size] and [size / 2 + 1, S].

    At place d of the transform the target is compared with the image moved by -d.
    """
    shifts, waves = -np.arange(-margin, margin + 1), np.arange(size)
    back = np.exp(2j * np.pi * np.outer(shifts, waves) / size) / size
    half = waves[: size // 2 + 1]
    # The other half of the waves mirrors all but the first and, if their number is even, the last of these.
    copies = np.where((half == 0) | (2 * half == size), 1, 2)
    return back.astype(np.complex64), (back[:, half] * copies).T.astype(np.complex64)


def _over_channels(
    correlated: NDArray[np.float32], targets: NDArray[np.number], images: NDArray[np.number]
) -> NDArray[np.float32]:
    """The mean of [N, K, 2, C, S, S] over the channels that show something in either image, [N, K, C, T, T].

    One channel is taken as it is; of several that show nothing in both, the correlation is 1.
    """
    if correlated.shape[3] == 1:
        return correlated[:, :, :, 0]
    shown = np.ptp(targets, axis=(-2, -1)) >= _FLAT
    shown = (shown | (np.ptp(images, axis=(-2, -1)) >= _FLAT))[:, :, None, :, None, None]
    means = np.sum(correlated, axis=3, where=shown) / np.maximum(shown.sum(axis=3, dtype=np.float32), 1)
    return np.where(shown.any(axis=3), means, np.float32(1))


def _spectra(images: NDArray[np.uint8], size: int) -> tuple[NDArray[np.complex64], NDArray[np.float32]]:
    """Transforms of images [..., T, T] in frames of their darkest gray, without means, and their norms [...].

    The mean is the wave of length 0, and all of the frame lies behind the image: turned round on itself, that
    is a frame on all sides.
    """
    lifted = images.astype(np.float32)
    lifted -= lifted.min(axis=(-2, -1), keepdims=True)
    spectra = scipy.fft.rfft2(lifted, s=(size, size), workers=-1)
    squares = np.einsum("...ij,...ij->...", lifted, lifted) - spectra[..., 0, 0].real ** 2 / size**2
    spectra[..., 0, 0] = 0
    norms = np.sqrt(np.maximum(squares, 0))
    return spectra, np.where(norms > _SMALLEST_NORM, norms, 0)


def align(target: NDArray[np.uint8], image: NDArray[np.uint8]) -> Alignment:
    """How an image is best laid onto a target, both [H, H, C]; to the pixel, and correlated as they are."""
    target, image = (np.moveaxis(each, -1, 0) for each in (target, image))
    small = thumbnails(np.stack([target, image]))
    by_shift = correlations(small[:1], small[np.newaxis, 1:])[0, 0]
    mirrored, *place = np.unravel_index(np.argmax(by_shift), by_shift.shape)
    factor = target.shape[-1] // small.shape[-1]
    rows, columns = (factor * (int(index) - largest_shift(small.shape[-1])) for index in place)
    near = range(1 - factor, factor)
    candidates = [(bool(mirrored), rows + row, columns + column) for row in near for column in near]
    scored = ((_correlation(target, _move(image, *candidate)), candidate) for candidate in candidates)
    correlation, best = max(scored)
    return Alignment(correlation, *best)


def lay_onto(target: NDArray[np.uint8], image: NDArray[np.uint8], alignment: Alignment) -> NDArray[np.uint8]:
    """Mirrors and moves an image as `align` says, and fits its brightness and contrast to the target's.

    Args:
        target: [H, H, C].
        image: [H, H, C].
        alignment: How the image is laid onto the target.

    Returns:
        uint8 [H, H, C]; what is moved in is a channel's darkest gray.
    """
    laid = np.empty_like(target)
    for channel in range(target.shape[-1]):
        aim = target[..., channel]
        moved = _move(image[..., channel], alignment.mirrored, alignment.rows, alignment.columns)
        centered = moved - moved.mean()
        contrast = np.sum(centered * aim) / max(np.sum(centered**2), _SMALLEST_NORM)
        laid[..., channel] = np.clip(np.rint(aim.mean() + contrast * centered), 0, 255)
    return laid


def _move(image: NDArray[np.uint8], mirrored: bool, rows: int, columns: int) -> NDArray[np.float32]:
    """Mirrors an image, then moves it down and to the right; its darkest gray becomes 0 and is moved in."""
    margin, size = max(abs(rows), abs(columns)), image.shape[-1]
    framed = frames(image[..., ::-1] if mirrored else image, margin)
    return framed[..., margin - rows : margin - rows + size, margin - columns : margin - columns + size]


def _correlation(first: NDArray[np.number], second: NDArray[np.number]) -> float:
    """Both [C, H, H], as they are."""
    pairs = unit(np.stack([first, second]).reshape(2, len(first), -1).astype(np.float32))
    each = np.array([a @ b for a, b in zip(*pairs, strict=True)])
    pair = (image[np.newaxis, np.newaxis] for image in (first, second))
    return float(_over_channels(each[None, None, None, :, None, None], *pair).item())
