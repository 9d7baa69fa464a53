"""Gives a layer more channels without changing what its network computes.

What makes a new channel is zero, so that the channel gives zeros at first; what takes it stays as it was
drawn, so that it learns from the first step on. ([N2N] doubles channels instead and halves what takes them;
zeros leave no two channels alike.)

Only the scale has to be kept. An equalized layer divides by the root of its fan-in, which has grown; pixel
norm divides by the root mean square over all channels, which zeros have made smaller by as much. So what
takes channels after a pixel norm, in the generator, stays as it is; elsewhere it is multiplied by the root of
the growth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.networks.base import ProgressiveNetwork
from mrisynth.networks.config import SMALLEST_RESOLUTION
from mrisynth.networks.generator import Generator

Array = NDArray[np.float32]

Axis = tuple[int, int]
"""How often the channels of a feature map lie along an axis of a kernel, and how many entries follow them."""

_FIXED: Axis = (0, 0)
"""An axis that does not depend on the width of the network: latents, labels, images, scores."""
_CHANNELS: Axis = (1, 0)


def widen(
    network: ProgressiveNetwork, place: str, narrow: Sequence[Array], drawn: Sequence[Array]
) -> list[Array] | None:
    """Puts the weights of a layer into those of the same layer of a wider network.

    Args:
        network: The wider network.
        place: The layer in it, as in "block_32/0", its first with a kernel, "block_32/attention" or
            "block_32/noise_input".
        narrow: Weights of the narrower layer: kernel and bias, or those of an attention or of noise.
        drawn: Weights that the wider layer was drawn with, in the same order.

    Returns:
        Weights of the wider layer; None if more than its channels differs, or it is narrower somewhere.
    """
    if [value.ndim for value in narrow] != [value.ndim for value in drawn]:
        return None
    in_generator = isinstance(network, Generator)
    if place.endswith("/attention"):
        return _widen_attention(narrow, drawn, in_generator)
    if place.endswith("/noise_input"):
        return _widen_noise(*narrow, *drawn)
    (old, *old_bias), (new, *new_bias) = narrow, drawn
    axes = _axes(place, in_generator, SMALLEST_RESOLUTION**network.rank)
    places = [
        _positions(axis, before, after)
        for axis, before, after in zip(axes, old.shape[-2:], new.shape[-2:], strict=True)
    ]
    if old.shape[:-2] != new.shape[:-2] or any(positions is None for positions in places):
        return None
    kernel = _put(old * _scale(place, in_generator, old, new), new, *places)
    return [kernel, *(_put_bias(*biases) for biases in zip(old_bias, new_bias, strict=True))]


def _axes(place: str, in_generator: bool, pixels: int) -> tuple[Axis, Axis]:
    """What lies along the last two axes of a kernel: what it takes, and what it makes."""
    layer, _, index = place.partition("/")
    kind = layer.rstrip("0123456789").rstrip("_")
    if in_generator and (place == "block_4/0" or kind == "label_input"):
        return _FIXED, (pixels, 0)
    if kind == "label_modulation":
        return _FIXED, (4, 0)
    if kind in ("from_image", "label_projection"):
        return _FIXED, _CHANNELS
    if kind == "to_image":
        return _CHANNELS, _FIXED
    if layer == "block_4" and not in_generator:
        # After the channels comes their standard deviation over the minibatch.
        return {"0": ((1, 1), _CHANNELS), "1": ((pixels, 0), _CHANNELS), "2": (_CHANNELS, _FIXED)}[index]
    return (_CHANNELS, _CHANNELS) if kind == "block" else (_FIXED, _FIXED)


def _positions(axis: Axis, before: int, after: int) -> NDArray[np.int64] | None:
    """Where in a wider axis the entries of a narrower one lie; None if it cannot be wider."""
    times, more = axis
    if before == after:
        return np.arange(before)
    if before > after or not times:
        return None
    old, new = (before - more) // times, (after - more) // times
    channels = (np.arange(times)[:, None] * new + np.arange(old)).ravel()
    return np.concatenate([channels, np.arange(more) + after - more])


def _scale(place: str, in_generator: bool, old: Array, new: Array) -> Array | float:
    """What a kernel is multiplied by, so that the function stays; see the top of this file."""
    growth = math.sqrt(new.shape[-1] / old.shape[-1])
    if place.startswith("label_modulation"):
        # Gains stay; biases are added to maps that pixel norm has made larger.
        return np.repeat([1, growth, 1, growth], old.shape[-1] // 4).astype(np.float32)
    if place.startswith("label_projection"):
        return growth
    if in_generator:
        return 1.0
    scale = np.full([old.shape[-2], 1], math.sqrt(new.shape[-2] / old.shape[-2]), np.float32)
    if place == "block_4/0":
        # The standard deviation is a mean over channels, too.
        scale[-1] *= (new.shape[-2] - 1) / (old.shape[-2] - 1)
    return scale


def _widen_attention(
    narrow: Sequence[Array], drawn: Sequence[Array], in_generator: bool
) -> list[Array] | None:
    (gamma, *old), (_, *new) = narrow, drawn
    if any(np.any(np.greater(*pair)) for pair in zip(map(np.shape, old), map(np.shape, new), strict=True)):
        return None
    growth = math.sqrt(new[0].shape[-2] / old[0].shape[-2])
    of_values = math.sqrt(new[-1].shape[-2] / old[-1].shape[-2])
    # In the generator, queries, keys and values come after a pixel norm; the output is added to what it made.
    scales = (1.0, 1.0, 1.0, growth * of_values) if in_generator else (growth, growth, growth, of_values)
    widened = []
    for index, (before, after, scale) in enumerate(zip(old, new, scales, strict=True)):
        rows, columns = (np.arange(size) for size in before.shape[-2:])
        # New keys stay as drawn: of a product of zeros with zeros neither would ever learn.
        widened.append(_put(before * scale, after, rows, columns, zeros=index != 1))
    return [gamma, *widened]


def _widen_noise(old: Array, drawn: Array) -> list[Array] | None:
    # It is added to maps that pixel norm has made larger.
    return [_put_bias(old * math.sqrt(drawn.size / old.size), drawn)] if old.size <= drawn.size else None


def _put(
    old: Array, drawn: Array, rows: NDArray[np.int64], columns: NDArray[np.int64], zeros: bool = True
) -> Array:
    """A kernel with an old one at the given rows and columns, and zeros in all other columns."""
    kernel = drawn.copy()
    if zeros:
        kernel[..., np.setdiff1d(np.arange(drawn.shape[-1]), columns)] = 0
    kernel[..., rows[:, None], columns] = old
    return kernel


def _put_bias(old: Array, drawn: Array) -> Array:
    return np.concatenate([old, np.zeros(drawn.size - old.size, np.float32)])
