"""How long an evaluation of many images takes, and how much memory."""

from __future__ import annotations

import dataclasses
import time
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from mrisynth.dry_run.measure import process_peak_memory
from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.privacy.searches import ReferenceImages, Slices
from mrisynth.sampling.generators import Sampler

_LAYOUT = 16
_SLICES = 150
_TEXTURES = 61


@dataclasses.dataclass(frozen=True)
class EvaluationCost:
    """What an evaluation of made-up images cost.

    Attributes:
        resolution: Pixels along an edge.
        generated: Number of generated images.
        training: Number of training slices.
        heldout: Number of held-out slices.
        seconds: Time from the images to everything that is reported.
        peak_bytes: Most memory that this process has held so far; None where the system does not tell.
    """

    resolution: int
    generated: int
    training: int
    heldout: int
    seconds: float
    peak_bytes: int | None

    def __str__(self) -> str:
        memory = f", at most {self.peak_bytes / 2**30:.1f} GiB of memory" if self.peak_bytes else ""
        return (
            f"evaluating {self.generated:,} images of {self.resolution}x{self.resolution} against "
            f"{self.training:,} training and {self.heldout:,} held-out slices: {self.seconds:.0f} s{memory}"
        )


def measure(resolution: int, generated: int, training: int, heldout: int) -> EvaluationCost:
    """Evaluates made-up images, 150 slices a subject; drawing costs nothing, changed copies do not count."""
    real = ReferenceImages(_made_up_slices(resolution, training, 1), _made_up_slices(resolution, heldout, 2))
    sampler = _MadeUp(_no_network, _no_network, resolution, latent_size=1)
    start = time.perf_counter()
    Evaluator(real, EvaluationSettings(images=generated, changed_copies=False)).evaluate(sampler)
    seconds = time.perf_counter() - start
    return EvaluationCost(resolution, generated, training, heldout, seconds, process_peak_memory())


class _MadeUp(Sampler):
    """Draws made-up images, whatever the seeds and latents."""

    def draw_gray(self, first_seed: int, count: int) -> NDArray[np.uint8]:
        return _made_up(self.resolution, count, first_seed)[..., np.newaxis]

    def images(
        self, latents: NDArray[np.float32], labels: NDArray[np.float32] | None = None
    ) -> NDArray[np.float32]:
        return (self.draw_gray(0, len(latents)) / 127.5 - 1).astype(np.float32)


def _no_network(*inputs: object) -> NoReturn:
    raise NotImplementedError("made-up images come from no network")


def _made_up(resolution: int, count: int, seed: int) -> NDArray[np.uint8]:
    """A random coarse layout each, one of some textures over it, uint8 [count, resolution, resolution]."""
    random = np.random.RandomState(seed)
    textures = random.randint(0, 40, (_TEXTURES, resolution, resolution), np.uint8)
    images = textures[np.arange(count) % _TEXTURES]
    factor = resolution // _LAYOUT
    for image in images:
        image += random.randint(0, 200, (_LAYOUT, _LAYOUT), np.uint8).repeat(factor, 0).repeat(factor, 1)
    return images


def _made_up_slices(resolution: int, count: int, seed: int) -> Slices:
    return Slices(
        _made_up(resolution, count, seed)[..., np.newaxis], (np.arange(count) // _SLICES).astype(str)
    )
