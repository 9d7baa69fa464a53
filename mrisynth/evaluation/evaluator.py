"""Evaluates generators against one data set at one resolution."""

from __future__ import annotations

import datetime
import functools
import platform

import keras
import numpy as np
import scipy
import tensorflow as tf
from numpy.typing import NDArray

import mrisynth
from mrisynth.evaluation import copying, measures
from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.copying import RealSides
from mrisynth.evaluation.measures import ImageSet
from mrisynth.evaluation.reference import ReferenceImages, check_images
from mrisynth.evaluation.results import Evaluation, Measure, PowerSpectrum, Privacy
from mrisynth.metrics.estimates import Spread
from mrisynth.metrics.features import FeatureExtractor, ScatteringFeatures
from mrisynth.metrics.spectrum import power_spectrum
from mrisynth.sampling.generators import Sampler

_SHOWN = 64
_INTERPOLATIONS = 4
_STEPS = 9


class Evaluator:
    """Everything that is measured of a generator. What concerns real images alone is done once.

    Args:
        real: The data set, at the generators' resolution.
        settings: How thoroughly.
        extractor: Of the features; ours if None.
        progress: Whether to show progress bars.
    """

    def __init__(
        self,
        real: ReferenceImages,
        settings: EvaluationSettings,
        extractor: FeatureExtractor | None = None,
        progress: bool = False,
    ) -> None:
        self._real = real
        self._settings = settings
        self._extractor = extractor or ScatteringFeatures()
        self._progress = progress

    def evaluate(self, sampler: Sampler) -> Evaluation:
        """Measures everything.

        Raises:
            UserError: If the images are not finite, constant, or of another size.
        """
        settings = self._settings
        images = self._draw(sampler)
        training, heldout = self._real.training, self._real.heldout
        frequencies, power = power_spectrum(images)
        return Evaluation(
            short=settings.short,
            date=datetime.date.today().isoformat(),
            environment=_environment(),
            generator=dict(sampler.facts),
            data={
                "training subjects": len(np.unique(training.subjects)),
                "training slices": len(training.images),
                "held-out subjects": len(np.unique(heldout.subjects)),
                "held-out slices": len(heldout.images),
                "generated images": len(images),
                "images of each set compared": self._count,
                "pairs for MS-SSIM": settings.pairs,
                "repeats": settings.repeats,
            },
            features=self._extractor.name,
            measures=self._measures(images),
            spectrum=PowerSpectrum(
                frequencies, power, power_spectrum(training.images)[1], power_spectrum(heldout.images)[1]
            ),
            privacy=self._privacy(images),
            samples=images[:_SHOWN],
            real=_spread_out(training.images, _SHOWN),
            interpolation=sampler.interpolations(_INTERPOLATIONS, _STEPS, settings.seed),
        )

    def scalars(self, sampler: Sampler) -> dict[str, float]:
        """The numbers that are watched during a run, by name; real images' own beside them."""
        images = self._draw(sampler)
        values = {}
        for measure in self._measures(images):
            values[measure.key] = measure.generated.mean
            values[f"{measure.key}_real"] = measure.real.mean
        privacy = self._privacy(images)
        values["privacy/copies"] = privacy.copies / len(images)
        for figures in privacy.closeness:
            values[f"privacy/closer_share_{figures.measure}"] = figures.closer_share.value
            values[f"privacy/membership_auc_{figures.measure}"] = figures.membership_auc.value
        return values

    def _draw(self, sampler: Sampler) -> NDArray[np.uint8]:
        images = sampler.draw(self._settings.images, self._settings.seed, self._progress)
        check_images("generated images", images)
        return images

    def _measures(self, images: NDArray[np.uint8]) -> tuple[Measure, ...]:
        generated = ImageSet(images, self._extractor(images, self._progress))
        return measures.describe(self._measure(generated), self._measured_real, images.shape[1])

    def _privacy(self, images: NDArray[np.uint8]) -> Privacy:
        # Described here, when what the other measures needed is gone: together they would not fit in 8 GiB.
        pairs = [(sides, copying.generated_side(sides, images, self._progress)) for sides in self._sides]
        return copying.examine(images, self._real, pairs, self._settings, self._progress)

    @functools.cached_property
    def _sides(self) -> tuple[RealSides, RealSides]:
        return copying.describe_real(self._real, self._extractor, self._progress)

    @functools.cached_property
    def _image_sets(self) -> tuple[ImageSet, ImageSet]:
        """Training and held-out images with their features."""
        sides = (self._real.training.images, self._real.heldout.images)
        return tuple(ImageSet(images, self._extractor(images, self._progress)) for images in sides)

    @property
    def _count(self) -> int:
        """How many images of each set are compared."""
        sides = (self._real.training.images, self._real.heldout.images)
        return measures.compared_images(self._settings.images, *map(len, sides))

    @functools.cached_property
    def _measured_real(self) -> dict[str, Spread]:
        return self._measure(self._image_sets[0])

    def _measure(self, images: ImageSet) -> dict[str, Spread]:
        heldout = self._image_sets[1]
        return measures.measure_set(images, heldout, self._count, self._settings, self._progress)


def _spread_out(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """So many of the images, from all over the set."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def _environment() -> dict[str, str]:
    packages = {package.__name__: package.__version__ for package in (mrisynth, tf, keras, np, scipy)}
    return {"python": platform.python_version(), **packages}
