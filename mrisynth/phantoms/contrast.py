"""Contrasts: the signal of every tissue in a sequence, and how layers of tissue become an image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from mrisynth.phantoms.structures import Array
from mrisynth.phantoms.tissues import Layer

# FLAIR signal relative to the brightest tissue.
FLAIR = {
    "skin": 0.50,
    "fat": 0.92,
    "muscle": 0.36,
    "cortical_bone": 0.05,
    "marrow": 0.38,
    "cerebrospinal_fluid": 0.07,
    "gray_matter": 0.59,
    "white_matter": 0.42,
    "deep_gray_matter": 0.50,
    "cerebellar_cortex": 0.52,
    "lesion": 0.86,
    "necrosis": 0.22,
    "vitreous": 0.07,
    "mucosa": 0.62,
    "air": 0.0,
}


def paint(layers: Iterable[Layer], signals: Mapping[str, float], shape: tuple[int, ...]) -> Array:
    """Paints tissues over one another.

    Args:
        layers: The tissues, the lowest first.
        signals: Signal of every tissue, relative to the brightest.
        shape: Shape of the layers, (rows, slices, columns).

    Returns:
        The signal of each voxel, float32: the mean over the tissues in it.
    """
    signal = np.zeros(shape, np.float32)
    for layer in layers:
        fraction = layer.fraction
        if layer.spares_fluid:
            # In FLAIR fluid is dark: whatever has less than half the signal of white matter.
            fraction = fraction * (signal > 0.5 * signals["white_matter"])
        signal += fraction * (signals[layer.tissue] * layer.texture - signal)
    return signal
