"""Evaluates generators against one data set at one resolution."""

from __future__ import annotations

import dataclasses
import datetime
import functools
import math
import platform

import keras
import numpy as np
import scipy
import tensorflow as tf
from numpy.typing import NDArray

import mrisynth
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.fidelity import Asked, Fidelity, measure_fidelity
from mrisynth.evaluation.joined_halves import join_halves
from mrisynth.evaluation.reference import check_images, whole_masks
from mrisynth.evaluation.results import Evaluation, PowerSpectrum
from mrisynth.evaluation.usefulness import find_target, measure_usefulness
from mrisynth.image_io import to_gray
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Measure, Spread
from mrisynth.metrics.features import FeatureExtractor, ScatteringFeatures, channel_features
from mrisynth.metrics.registry import ImageSet
from mrisynth.metrics.spectrum import power_spectrum
from mrisynth.privacy import copying
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.copying import NotExamined, Privacy
from mrisynth.privacy.searches import RealSides, ReferenceImages, without_masks
from mrisynth.privacy.verdict import beside_other_scans
from mrisynth.sampling.generators import Sampler
from mrisynth.sampling.interpolation import legs_between_seeds
from mrisynth.training.origin import PHANTOMS, SCANS

FAULTS = (UserError, MemoryError, OSError, tf.errors.ResourceExhaustedError)
"""What may go wrong while a generator is evaluated without taking its run with it."""

_NOT_MEASURED = Spread(math.nan, math.nan)
_SHOWN = 64
_INTERPOLATED_SEEDS = 5
_STEPS = 9
_CONTROLLED = ("global_consistency", "swd")
"""Measures of the controls: the one that must see them, and one of patches, which hardly does."""
_CONTROL_REPEATS = 2


class Evaluator:
    """Everything that is measured of a generator. What concerns real images alone is done once.

    Args:
        real: The data set, at the generators' resolution.
        settings: How thoroughly.
        extractor: What makes features of images; wavelet scattering if None.
    """

    def __init__(
        self, real: ReferenceImages, settings: EvaluationSettings, extractor: FeatureExtractor | None = None
    ) -> None:
        self._real = real
        self._settings = settings
        self._extractor = extractor or ScatteringFeatures()

    def evaluate(self, sampler: Sampler) -> Evaluation:
        """Measures everything.

        Raises:
            UserError: If the images are not finite or constant, or have other channels than the data set's,
                or what networks are to see in them is not there.
        """
        settings = self._settings
        target = find_target(settings.utility, sampler, self._real)
        images = self._draw(sampler)
        training, heldout = self._real.training, self._real.heldout
        only_phantoms_before = all(data.phantoms for data in sampler.earlier_data)
        return Evaluation(
            short=settings.short,
            date=datetime.date.today().isoformat(),
            environment=_environment(),
            generator=dict(sampler.facts),
            data={
                **({"fingerprint": self._real.fingerprint} if self._real.fingerprint else {}),
                "kind": PHANTOMS if self._real.phantoms and only_phantoms_before else SCANS,
                "training_subjects": len(np.unique(training.subjects)),
                "training_slices": len(training.images),
                "heldout_subjects": len(np.unique(heldout.subjects)),
                "heldout_slices": len(heldout.images),
                "generated_images": len(images),
                "images_compared": self._count,
                "pairs": settings.pairs,
                "repeats": settings.repeats,
            },
            features=self._extractor.name,
            measures=self._measures(images),
            joined_halves=self._joined_halves,
            spectra=self._spectra(images),
            fidelity=self._fidelity(sampler, images) if settings.fidelity else None,
            privacy=self._privacy(sampler, images) if self._is_trained_on(sampler) else NotExamined(),
            utility=target and measure_usefulness(target, sampler, images, self._real, settings),
            samples=images[:_SHOWN],
            real=_spread_out(training.images, _SHOWN),
            interpolation=self._interpolate(sampler),
        )

    def watch(self, sampler: Sampler) -> tuple[dict[str, Measure], Privacy]:
        """What is watched during a run: measures by key, and copies."""
        images = self._draw(sampler)
        return self._measures(images), self._privacy(sampler, images)

    def _is_trained_on(self, sampler: Sampler) -> bool:
        """Whether the data set is known to be the generator's own, without which copies mean nothing."""
        return sampler.trained_on is not None and sampler.trained_on == self._real.fingerprint

    def _other_scans(self, sampler: Sampler) -> bool:
        """Whether the generator's first weights were trained on patients whom the data set does not show."""
        shown = {self._real.fingerprint, *self._real.other_resolutions}
        return any(not data.phantoms and data.fingerprint not in shown for data in sampler.earlier_data)

    def _draw(self, sampler: Sampler) -> NDArray[np.uint8]:
        """The images of the seeds from the settings' seed on."""
        if len(sampler.channels) != len(self._real.channels):
            raise UserError(
                f"the generator draws {len(sampler.channels)} channels, the data set has "
                f"{len(self._real.channels)} ({', '.join(self._real.channels)}); --data_dir must be the one "
                "that the generator was trained on"
            )
        images = sampler.draw_gray(self._settings.seed, self._settings.images)
        check_images("generated images", images)
        return images

    def _measures(self, images: NDArray[np.uint8]) -> dict[str, Measure]:
        generated, real = self._measure(self._image_set(images)), self._measured_real
        return {
            key: Measure(generated.get(key, _NOT_MEASURED), real.get(key, _NOT_MEASURED))
            for key in {**generated, **real}
        }

    def _spectra(self, images: NDArray[np.uint8]) -> dict[str, PowerSpectrum]:
        spectra = {}
        for index, channel in enumerate(self._real.channels):
            sides = (images, self._real.training.images, self._real.heldout.images)
            parts = (whole_masks(side[..., index : index + 1], (channel,)) for side in sides)
            computed = [power_spectrum(part[..., 0]) for part in parts]
            spectra[channel] = PowerSpectrum(computed[0][0], *(power for _, power in computed))
        return spectra

    def _interpolate(self, sampler: Sampler) -> NDArray[np.uint8]:
        """The images from each of the first seeds to the next, a row each."""
        legs = legs_between_seeds(sampler, self._settings.seed, _INTERPOLATED_SEEDS, _STEPS)
        return to_gray(legs)

    def _labels(self, sampler: Sampler) -> NDArray[np.float32] | None:
        """What the images were asked for, [N, width]; None of a generator or a data set without labels."""
        if sampler.labels is None or self._real.training.labels is None:
            return None
        return sampler.labels.encode(self._settings.seed, self._settings.images)

    def _fidelity(self, sampler: Sampler, images: NDArray[np.uint8]) -> Fidelity | None:
        settings, labels = self._settings, self._labels(sampler)
        if labels is None:
            return None

        def draw_again(others: NDArray[np.float32]) -> NDArray[np.uint8]:
            return sampler.draw_gray(settings.seed, len(others), labels=others)

        asked = Asked(images, labels, draw_again)
        return measure_fidelity(
            sampler.label_schema, self._real, asked, settings.fidelity_steps, self._bootstrap
        )

    @property
    def _bootstrap(self) -> Bootstrap:
        return Bootstrap(self._settings.draws, self._settings.seed)

    def _privacy(self, sampler: Sampler, images: NDArray[np.uint8]) -> Privacy:
        # Described here, when what the other measures needed is gone: together they would not fit in 8 GiB.
        described = [(sides, sides.describe(images)) for sides in self._sides]
        found = copying.examine(
            images,
            self._real,
            described,
            self._settings.thresholds,
            self._bootstrap,
            sampler.label_schema,
            self._labels(sampler),
        )
        if self._other_scans(sampler):
            return dataclasses.replace(found, verdict=beside_other_scans(found.verdict))
        return found

    @functools.cached_property
    def _sides(self) -> tuple[RealSides, ...]:
        return copying.describe_real(self._real, self._extractor, self._settings.changed_copies)

    @functools.cached_property
    def _heldout(self) -> ImageSet:
        return self._image_set(self._real.heldout.images, self._real.heldout.subjects)

    @functools.cached_property
    def _measured_real(self) -> dict[str, Spread]:
        return self._measure(self._image_set(self._real.training.images, self._real.training.subjects))

    @functools.cached_property
    def _joined_halves(self) -> dict[str, dict[str, Spread]]:
        """Measures of training slices whose halves are of two subjects; none without partners."""
        training = self._real.training
        if training.partners is None:
            return {}
        return {
            name: registry.measure(
                ImageSet(
                    whole_masks(joined, self._real.channels),
                    np.empty((len(joined), 0), np.float32),
                    self._real.channels,
                ),
                self._heldout,
                min(self._count, len(joined)),
                repeats=_CONTROL_REPEATS,
                pairs=self._settings.pairs,
                seed=self._settings.seed,
                only=_CONTROLLED,
            )
            for name, joined in join_halves(training.images, training.partners).items()
        }

    def _image_set(self, images: NDArray[np.uint8], subjects: NDArray | None = None) -> ImageSet:
        channels = self._real.channels
        features = channel_features(self._extractor, without_masks(images, channels))
        return ImageSet(whole_masks(images, channels), features, channels, subjects)

    @property
    def _count(self) -> int:
        """How many images of each set are compared: as many as there are of the smallest."""
        sides = (self._real.training.images, self._real.heldout.images)
        return min(registry.MOST_IMAGES, self._settings.images, *map(len, sides))

    def _measure(self, images: ImageSet) -> dict[str, Spread]:
        settings = self._settings
        return registry.measure(
            images,
            self._heldout,
            self._count,
            repeats=settings.repeats,
            pairs=settings.pairs,
            seed=settings.seed,
        )


def reason(fault: BaseException) -> str:
    """One of `FAULTS` as part of a sentence, on one line."""
    if isinstance(fault, MemoryError):
        return "it does not fit the memory"
    if isinstance(fault, tf.errors.ResourceExhaustedError):
        return "it does not fit the device's memory"
    return " ".join(str(fault).split())


def _spread_out(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """Takes so many images from all over a set."""
    return images[np.linspace(0, len(images) - 1, min(count, len(images))).astype(int)]


def _environment() -> dict[str, str]:
    packages = {package.__name__: package.__version__ for package in (mrisynth, tf, keras, np, scipy)}
    return {"python": platform.python_version(), **packages}
