"""Numbers that say how good generated images are."""

from mrisynth.metrics.ms_ssim import ms_ssim
from mrisynth.metrics.swd import (
    SlicedWassersteinDistances,
    sliced_wasserstein_distance,
    sliced_wasserstein_distances,
)

__all__ = [
    "SlicedWassersteinDistances",
    "ms_ssim",
    "sliced_wasserstein_distance",
    "sliced_wasserstein_distances",
]
