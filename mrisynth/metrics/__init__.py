"""Numbers that say how good, how diverse and how private generated images are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrisynth.metrics.structural_similarity import ms_ssim
    from mrisynth.metrics.swd import (
        SlicedWassersteinDistances,
        sliced_wasserstein_distance,
        sliced_wasserstein_distances,
    )

_MODULES = {
    "SlicedWassersteinDistances": "swd",
    "ms_ssim": "structural_similarity",
    "sliced_wasserstein_distance": "swd",
    "sliced_wasserstein_distances": "swd",
}

__all__ = [
    "SlicedWassersteinDistances",
    "ms_ssim",
    "sliced_wasserstein_distance",
    "sliced_wasserstein_distances",
]


def __getattr__(name: str) -> object:
    """Imports what is asked for when it is asked for: flags are read without TensorFlow."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
