"""Contrasts: the signal of every tissue in a sequence, and how layers of tissue become an image."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from mrisynth.phantoms.structures import Array
    from mrisynth.phantoms.tissues import Layer


@dataclasses.dataclass(frozen=True)
class Contrast:
    """How bright tissues are in one sequence.

    Attributes:
        signals: Signal of every tissue, relative to the brightest.
        halo: By which part white matter is brighter right beside the ventricles.
    """

    signals: Mapping[str, float]
    halo: float


CONTRASTS = {
    "FLAIR": Contrast(
        {
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
        },
        halo=0.15,
    ),
    "T1w": Contrast(
        {
            "skin": 0.45,
            "fat": 0.98,
            "muscle": 0.36,
            "cortical_bone": 0.05,
            "marrow": 0.60,
            "cerebrospinal_fluid": 0.12,
            "gray_matter": 0.42,
            "white_matter": 0.66,
            "deep_gray_matter": 0.51,
            "cerebellar_cortex": 0.42,
            "lesion": 0.39,
            "necrosis": 0.20,
            "vitreous": 0.12,
            "mucosa": 0.38,
            "air": 0.0,
        },
        halo=-0.05,
    ),
    "T2w": Contrast(
        {
            "skin": 0.36,
            "fat": 0.62,
            "muscle": 0.17,
            "cortical_bone": 0.04,
            "marrow": 0.34,
            "cerebrospinal_fluid": 0.96,
            "gray_matter": 0.50,
            "white_matter": 0.31,
            "deep_gray_matter": 0.41,
            "cerebellar_cortex": 0.46,
            "lesion": 0.75,
            "necrosis": 0.88,
            "vitreous": 0.96,
            "mucosa": 0.80,
            "air": 0.0,
        },
        halo=0.15,
    ),
}
"""The contrasts that there are, by their BIDS suffixes; a further one is one table more."""

FLAIR = "FLAIR"
"""The contrast that is drawn by default, and that says where fluid is (see `paint`)."""


def paint(
    layers: Iterable[Layer], contrasts: Mapping[str, Contrast], shape: tuple[int, ...]
) -> dict[str, Array]:
    """Paints tissues over one another, in several contrasts at once.

    Lesions spare fluid. What fluid is, FLAIR tells, whose name says that it attenuates it: whatever has less
    than half the signal of white matter there. So a lesion covers the same voxels in every contrast.

    Args:
        layers: The tissues, the lowest first.
        contrasts: How bright tissues are; FLAIR is among them.
        shape: Shape of the layers, (rows, slices, columns).

    Returns:
        For each contrast the signal of each voxel, float32: the mean over the tissues in it.
    """
    painted = {name: np.zeros(shape, np.float32) for name in contrasts}
    flair = contrasts[FLAIR].signals
    for layer in layers:
        fraction = layer.fraction
        if layer.spares_fluid:
            fraction = fraction * (painted[FLAIR] > 0.5 * flair["white_matter"])
        for name, contrast in contrasts.items():
            signal = contrast.signals[layer.tissue] * (layer.texture + contrast.halo * layer.halo)
            painted[name] += fraction * (signal - painted[name])
    return painted
