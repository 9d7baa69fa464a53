"""The growth schedule: what is due at every image of a run. Pure arithmetic, no TensorFlow."""

from __future__ import annotations

import bisect
import dataclasses
import functools
import math
from collections.abc import Mapping

from mrisynth.choices import Choice
from mrisynth.errors import UserError
from mrisynth.networks.config import SMALLEST_RESOLUTION, level_of, resolution_of

DEFAULT_BATCH_SIZES: Mapping[int, int] = {4: 128, 8: 128, 16: 128, 32: 64, 64: 32, 128: 16, 256: 8}


_LABEL_RESOLUTIONS = (16, 64)


class PhaseKind(Choice):
    """What a phase is for: fading a resolution in, stabilizing it, or fine-tuning (model (c) of [ABS])."""

    FADE = "fade"
    STABLE = "stable"
    FINETUNE = "finetune"


@dataclasses.dataclass(frozen=True)
class Phase:
    """A stretch of training with the same networks, batch and learning rate.

    Attributes:
        kind: What the phase is for.
        level: Level of the networks; 0 is 4x4.
        batch_size: Number of images in a batch, over all replicas.
        learning_rate: Learning rate of both optimizers.
        first_iteration: Number of iterations of the run before the phase.
        iterations: Number of iterations of the phase.
        first_image: Number of images of the run before the phase.
        fade_images: Number of images over which alpha rises from 0 to 1; 0 unless the phase is a fade.
    """

    kind: PhaseKind
    level: int
    batch_size: int
    learning_rate: float
    first_iteration: int
    iterations: int
    first_image: int
    fade_images: int = 0

    @property
    def resolution(self) -> int:
        """Pixels along an axis."""
        return resolution_of(self.level)

    @property
    def fading(self) -> bool:
        """Whether the resolution is being faded in."""
        return self.kind is PhaseKind.FADE

    @property
    def resets_optimizers(self) -> bool:
        """Whether the optimizers start afresh: at every fade and stable period, not when fine-tuning."""
        return self.kind is not PhaseKind.FINETUNE

    @property
    def images(self) -> int:
        """Number of images of the phase."""
        return self.iterations * self.batch_size

    @property
    def last_iteration(self) -> int:
        """Number of iterations of the run after the phase."""
        return self.first_iteration + self.iterations

    def position(self, iterations_done: int) -> Position:
        """Where the run stands after some iterations of the phase, 0 to all of them."""
        images = iterations_done * self.batch_size
        alpha = min(images / self.fade_images, 1.0) if self.fading else 1.0
        return Position(self, self.first_iteration + iterations_done, self.first_image + images, alpha)

    @property
    def name(self) -> str:
        """What a person calls the phase, such as "32x32 fade"."""
        return f"{self.resolution}x{self.resolution} {self.kind}"


@dataclasses.dataclass(frozen=True)
class Position:
    """Where a run stands after some iterations.

    Attributes:
        phase: The phase that the next iteration belongs to.
        iteration: Number of iterations of the run so far.
        image: Number of images seen so far.
        alpha: Weight of the phase's resolution in the next iteration, 0 to 1.
    """

    phase: Phase
    iteration: int
    image: int
    alpha: float


@dataclasses.dataclass(frozen=True)
class GrowthSchedule:
    """Which resolution, alpha, batch and learning rate are due at every iteration ([PG] section 2, [ABS]).

    Attributes:
        resolution: The last resolution, in pixels.
        fade_images: Images over which a resolution fades in.
        stable_images: Images to stabilize a resolution.
        total_iterations: Iterations of the run before fine-tuning; 0 stabilizes the last resolution like the
            others.
        finetune_iterations: Number of iterations added at the end at the reduced rate (model (c)).
        learning_rate: Of both optimizers.
        finetune_learning_rate: While fine-tuning.
        batch_sizes: Global batch by resolution; while a resolution fades in, its own batch is used.
        start_resolution: Resolution that the run starts at; those below are left out.

    Raises:
        UserError: If the numbers make no schedule, naming the flag.
    """

    resolution: int = 256
    fade_images: int = 600_000
    stable_images: int = 600_000
    total_iterations: int = 867_000
    finetune_iterations: int = 0
    learning_rate: float = 1e-3
    finetune_learning_rate: float = 1e-4
    batch_sizes: Mapping[int, int] = dataclasses.field(default_factory=lambda: dict(DEFAULT_BATCH_SIZES))
    start_resolution: int = SMALLEST_RESOLUTION

    def __post_init__(self) -> None:
        for name in ("fade_images", "stable_images", "total_iterations", "finetune_iterations"):
            if getattr(self, name) < 0:
                raise UserError(f"--{name}={getattr(self, name)} must not be negative")
        for name in ("fade_images", "stable_images"):
            if getattr(self, name) == 0:
                raise UserError(f"--{name}=0 leaves phases without an image; use at least 1")
        for name in ("learning_rate", "finetune_learning_rate"):
            if not 0 < getattr(self, name) < math.inf:
                raise UserError(f"--{name}={getattr(self, name)} must be a number greater than 0")
        available = [resolution_of(level) for level in range(level_of(self.resolution) + 1)]
        if self.start_resolution not in available:
            raise UserError(
                f"--start_resolution={self.start_resolution} is no size of a network with "
                f"--resolution={self.resolution}; use {', '.join(map(str, available))}"
            )
        for level in self._levels:
            if self.batch_sizes.get(resolution_of(level), 0) < 1:
                raise UserError(
                    f"--batch_sizes has no batch for {resolution_of(level)}x{resolution_of(level)}; "
                    f"add {resolution_of(level)}:N"
                )
        phases = self.phases
        if any(phase.iterations < 1 for phase in phases):
            last = next(phase for phase in phases if phase.iterations < 1)
            raise UserError(
                f"--total_iterations={self.total_iterations} ends before {self.resolution}x{self.resolution} "
                f"has faded in; use 0 (as long as it takes) or more than {last.first_iteration}"
            )

    @property
    def _levels(self) -> range:
        return range(level_of(self.start_resolution), level_of(self.resolution) + 1)

    @functools.cached_property
    def phases(self) -> tuple[Phase, ...]:
        """Every phase of the run in order."""
        planned = []
        for level in self._levels:
            if level > self._levels.start:
                planned.append((PhaseKind.FADE, level, self.fade_images))
            planned.append((PhaseKind.STABLE, level, self.stable_images))
        phases: list[Phase] = []
        iteration = image = 0
        for index, (kind, level, images) in enumerate(planned):
            batch_size = self.batch_sizes[resolution_of(level)]
            iterations = -(-images // batch_size)  # The fewest that show so many images.
            if index == len(planned) - 1 and self.total_iterations:
                iterations = self.total_iterations - iteration
            fade_images = self.fade_images if kind is PhaseKind.FADE else 0
            phase = Phase(
                kind, level, batch_size, self.learning_rate, iteration, iterations, image, fade_images
            )
            phases.append(phase)
            iteration, image = phase.last_iteration, image + phase.images
        if self.finetune_iterations:
            rate = self.finetune_learning_rate
            count = self.finetune_iterations
            phases.append(Phase(PhaseKind.FINETUNE, level, batch_size, rate, iteration, count, image))
        return tuple(phases)

    @property
    def used_batch_sizes(self) -> dict[int, int]:
        """The batch of every resolution that the run trains."""
        return {phase.resolution: phase.batch_size for phase in self.phases}

    @property
    def iterations(self) -> int:
        """Number of iterations of the whole run, fine-tuning included."""
        return self.phases[-1].last_iteration

    @property
    def images(self) -> int:
        """Number of images that the whole run shows the discriminator."""
        return self.phases[-1].first_image + self.phases[-1].images

    @functools.cached_property
    def _label_ramp(self) -> tuple[int, int]:
        """The images between which the labels' weight rises; fine-tuning, which may grow, does not count."""
        first, last = _LABEL_RESOLUTIONS
        if self.resolution <= last or self.start_resolution > last:
            images = sum(phase.images for phase in self.phases if phase.kind is not PhaseKind.FINETUNE)
            return images // 3, 2 * images // 3
        inside = [phase for phase in self.phases if first <= phase.resolution <= last]
        return inside[0].first_image, inside[-1].first_image + inside[-1].images

    def label_weight(self, image: int) -> float:
        """The weight of the labels in both networks as image number `image` is shown, 0 to 1.

        It rises over the images of 16x16 to 64x64, or over the middle third of a run that ends there or
        before, or that starts above, fine-tuning not counted: labels that count from the start collapse
        small data sets (Shahbazi et al. 2022, arXiv 2201.06578).
        """
        first, last = self._label_ramp
        return min(max((image - first) / (last - first), 0.0), 1.0)

    def lengthens(self, other: GrowthSchedule, iteration: int) -> bool:
        """Whether a run that has come to an iteration of another schedule can go on with this one.

        The phases that have begun are the same, but that the last of them may be longer, and the whole is not
        shorter. What the phases have in batches and rates is not looked at.
        """
        begun = [phase for phase in other.phases if phase.first_iteration < iteration]
        same = len(begun) <= len(self.phases) and all(
            (ours.kind, ours.level, ours.first_iteration)
            == (theirs.kind, theirs.level, theirs.first_iteration)
            for ours, theirs in zip(self.phases, begun, strict=False)
        )
        long_enough = not begun or (same and self.phases[len(begun) - 1].last_iteration >= iteration)
        return same and long_enough and self.iterations >= other.iterations

    def same_label_weight(self, other: GrowthSchedule, iteration: int) -> bool:
        """Whether labels weigh after an iteration, at the same image, what they weigh in another schedule."""
        image = other.at_iteration(iteration).image
        return self.label_weight(image) == other.label_weight(image)

    def at_iteration(self, iteration: int) -> Position:
        """Where the run stands after a number of iterations.

        Args:
            iteration: 0 to `iterations`; at the very end the last phase is given.

        Raises:
            ValueError: If the iteration is outside the run.
        """
        if not 0 <= iteration <= self.iterations:
            raise ValueError(f"iteration {iteration} is outside the run of {self.iterations}")
        starts = [phase.first_iteration for phase in self.phases]
        phase = self.phases[bisect.bisect_right(starts, iteration) - 1]
        return phase.position(iteration - phase.first_iteration)

    def at_image(self, image: int) -> Position:
        """Where the run stands as image number `image` (from 0) is shown; for people and their scripts.

        Raises:
            ValueError: If the image is outside the run.
        """
        if not 0 <= image < self.images:
            raise ValueError(f"image {image} is outside the run of {self.images}")
        starts = [phase.first_image for phase in self.phases]
        phase = self.phases[bisect.bisect_right(starts, image) - 1]
        return phase.position((image - phase.first_image) // phase.batch_size)
