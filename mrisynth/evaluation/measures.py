"""How good and how diverse a set of images is: every measure of it against held-out images.

The same is measured of generated images and of training images in their place, with the same number of
images, so that a reader sees what is possible.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.results import Measure
from mrisynth.metrics import distributions, spectrum, structural_similarity, swd
from mrisynth.metrics.estimates import Spread

_KERNEL_SUBSETS = 25
_PAIRS_AT_A_TIME = 500
_LOWER, _HIGHER, _LIKE_REAL = "lower", "higher", "like real"


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images and their features.

    Attributes:
        images: uint8 [N, H, H].
        features: [N, D].
    """

    images: NDArray[np.uint8]
    features: NDArray[np.float32]

    def choose(self, count: int, random: np.random.RandomState) -> ImageSet:
        """A random choice of them, in their order; themselves if it is all of them."""
        if count == len(self.images):
            return self
        chosen = np.sort(random.permutation(len(self.images))[:count])
        return ImageSet(self.images[chosen], self.features[chosen])


def compared_images(*counts: int) -> int:
    """How many images of each set are compared: as many as there are of the smallest."""
    return min(swd.MOST_IMAGES, *counts)


def measure_set(
    images: ImageSet, heldout: ImageSet, count: int, settings: EvaluationSettings, progress: bool = False
) -> dict[str, Spread]:
    """Measures one set of images against held-out ones.

    Args:
        images: Generated images, or training images in their place.
        heldout: Real images of subjects that are not in the other set.
        count: How many of each are compared; every repeat chooses anew.
        settings: How thoroughly.
        progress: Whether to show progress bars.

    Returns:
        Every measure by its key, with its spread over the repeats.
    """
    repeats: dict[str, list[float]] = {}
    for repeat in range(settings.repeats):
        random = np.random.RandomState([settings.seed, repeat])
        seed = random.randint(2**31)
        chosen, reference = images.choose(count, random), heldout.choose(count, random)
        values = {
            **_sliced_wasserstein(chosen, reference, seed, progress),
            **_in_features(chosen, reference, seed),
            "spectrum": _spectrum_difference(chosen, reference),
            "ms_ssim": _ms_ssim(images, settings.pairs // settings.repeats, seed, progress),
        }
        for key, value in values.items():
            repeats.setdefault(key, []).append(value)
    return {key: Spread.of(values) for key, values in repeats.items()}


def _sliced_wasserstein(images: ImageSet, reference: ImageSet, seed: int, progress: bool) -> dict[str, float]:
    distances = swd.sliced_wasserstein_distance(reference.images, images.images, seed, progress=progress)
    return {f"swd/{resolution}": value for resolution, value in distances.items()}


def _in_features(images: ImageSet, reference: ImageSet, seed: int) -> dict[str, float]:
    first, second = reference.features, images.features
    manifold = distributions.manifold_measures(first, second)
    # Smaller sets are each their only subset.
    subsets = _KERNEL_SUBSETS if len(first) > distributions.SUBSET_SIZE else 1
    kernel = distributions.kernel_distance(first, second, seed, subsets=subsets)
    return {
        "frechet": distributions.frechet_distance(first, second),
        "kernel": float(np.mean(kernel)),
        **dataclasses.asdict(manifold),
    }


def _spectrum_difference(images: ImageSet, reference: ImageSet) -> float:
    return spectrum.spectrum_difference(
        *(spectrum.power_spectrum(each.images)[1] for each in (images, reference))
    )


def _ms_ssim(images: ImageSet, pairs: int, seed: int, progress: bool) -> float:
    first, second = structural_similarity.random_pairs(len(images.images), pairs, seed)
    values = []
    # Some at a time: pairs are copies of images.
    for start in range(0, pairs, _PAIRS_AT_A_TIME):
        some = slice(start, start + _PAIRS_AT_A_TIME)
        sides = (images.images[chosen[some]] for chosen in (first, second))
        values.append(structural_similarity.ms_ssim_values(*sides, progress=progress))
    return float(np.mean(np.concatenate(values)))


def describe(
    generated: Mapping[str, Spread], real: Mapping[str, Spread], resolution: int
) -> tuple[Measure, ...]:
    """The measures of generated and of real images side by side, as rows of a table.

    Args:
        generated: As from `measure_set`.
        real: The same of training images.
        resolution: Pixels along an edge.
    """
    scales = structural_similarity.scales_at(resolution)
    note = f"{scales} of 5 scales: images of {resolution}x{resolution} have no more" if scales < 5 else ""
    neighbors = f"{distributions.NEIGHBORS} neighbors, features"
    rows = [
        *(
            (key, "Sliced Wasserstein distance", _swd_title(key), _LOWER, "")
            for key in generated
            if key.startswith("swd/")
        ),
        ("ms_ssim", "Multiscale structural similarity (MS-SSIM)", "random pairs", _LIKE_REAL, note),
        ("precision", "Precision", neighbors, _HIGHER, ""),
        ("recall", "Recall", neighbors, _HIGHER, ""),
        ("density", "Density", neighbors, _LIKE_REAL, ""),
        ("coverage", "Coverage", neighbors, _HIGHER, ""),
        ("frechet", "Fréchet distance", "of features", _LOWER, ""),
        ("kernel", "Kernel distance", "of features", _LOWER, ""),
        ("spectrum", "Power spectrum", "difference in dB", _LOWER, ""),
    ]
    return tuple(
        Measure(key, group, title, better, generated[key], real[key], note)
        for key, group, title, better, note in rows
    )


def _swd_title(key: str) -> str:
    level = key.removeprefix("swd/")
    return "mean of the levels" if level == "mean" else f"{level}x{level}"
