"""Numbers that say how good, how diverse and how private generated images are."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mrisynth.metrics.structural_similarity import ms_ssim
    from mrisynth.metrics.swd import sliced_wasserstein_distance

_MODULES = {
    "ms_ssim": "structural_similarity",
    "sliced_wasserstein_distance": "swd",
}

__all__ = ["ms_ssim", "sliced_wasserstein_distance"]


def __getattr__(name: str) -> object:
    """Imports what is asked for when it is asked for: flags are read without TensorFlow."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
