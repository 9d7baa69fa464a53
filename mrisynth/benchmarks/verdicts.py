"""How often each verdict comes for generators of which it is known whether they copy.

What is generated and what it is compared with are tiny made-up images, so that hundreds of evaluations take
minutes; figures, limits and rule are those of every evaluation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.privacy import copying
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.distances import SUBJECTS, Neighbors
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.privacy.searches import RealSides, ReferenceImages, Slices
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, Thresholds

FEW = (14, 6)
"""Training and held-out subjects that are too few."""
ENOUGH = (129, 56)
"""As many as the verdict asks for where there are so few."""

_SLICES = 5
_IMAGES = 2000
_DRAWS = 100
_EDGE = 6
_PATTERNS = 20

Images = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Population:
    """Made-up subjects, whose slices change with their place in the head.

    Attributes:
        along: How a slice changes from one end of the head to the other, [4, 36].
        subject: How subjects differ, [patterns, 36].
    """

    along: NDArray[np.float64]
    subject: NDArray[np.float64]

    @classmethod
    def of(cls, random: np.random.RandomState) -> Population:
        """Draws the patterns that a population consists of."""
        return cls(random.normal(0, 12, (4, _EDGE**2)), random.normal(0, 4, (_PATTERNS, _EDGE**2)))

    def draw(self, random: np.random.RandomState, subjects: int, slices: int) -> Images:
        """Slices of new subjects, those of one subject next to each other, [subjects * slices, 6, 6, 1]."""
        places = 2 * np.pi * random.uniform(size=subjects * slices)
        waves = np.stack([np.sin(places), np.cos(places), np.sin(2 * places), np.cos(2 * places)], 1)
        persons = np.repeat(random.normal(size=(subjects, _PATTERNS)), slices, 0)
        return _noisy(128 + waves @ self.along + persons @ self.subject, random, 4)


def _noisy(images: NDArray[np.floating], random: np.random.RandomState, deviation: float) -> Images:
    noisy = images + random.normal(0, deviation, images.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8).reshape(-1, _EDGE, _EDGE, 1)


Sampler = Callable[[Population, Images, np.random.RandomState], Images]


def _fresh(population: Population, training: Images, random: np.random.RandomState) -> Images:
    """Images of new subjects, as a perfect generator would draw."""
    return population.draw(random, _IMAGES, 1)


def _with_copies(noise: float) -> Sampler:
    """Fresh images, of which 1 % are training slices with so much noise, in gray values."""

    def draw(population: Population, training: Images, random: np.random.RandomState) -> Images:
        images = _fresh(population, training, random)
        count = _IMAGES // 100
        images[:count] = _jittered(noise)(population, training, random)[:count]
        return images

    return draw


def _jittered(noise: float) -> Sampler:
    """Nothing but training slices with so much noise, in gray values."""

    def draw(population: Population, training: Images, random: np.random.RandomState) -> Images:
        return _noisy(training[random.randint(len(training), size=_IMAGES)].astype(float), random, noise)

    return draw


def _without_detail(population: Population, training: Images, random: np.random.RandomState) -> Images:
    """Fresh images whose subjects hardly differ, as an early training draws them."""
    dull = dataclasses.replace(population, subject=0.2 * population.subject)
    return dull.draw(random, _IMAGES, 1)


KINDS: Mapping[str, tuple[Sampler, tuple[int, int]]] = {
    "1 % exact copies": (_with_copies(0), ENOUGH),
    "1 % near copies": (_with_copies(8), ENOUGH),
    "training slices with noise": (_jittered(14), ENOUGH),
    "new subjects": (_fresh, ENOUGH),
    "new subjects, without detail": (_without_detail, ENOUGH),
    "new subjects, compared with few": (_fresh, FEW),
}
"""Generators by what they draw, with the subjects that they are compared with."""


class _Euclidean:
    """Squared Euclidean distance of tiny images, or of features of them, to the nearest subjects."""

    title = axis = "squared distance"
    has_figures = True

    def __init__(self, name: str, projection: NDArray[np.float64]) -> None:
        self.name = name
        self._projection = projection

    def describe(self, images: Images) -> NDArray[np.float32]:
        rows = (images.reshape(len(images), -1) - 128.0) @ self._projection
        return rows.astype(np.float32)

    def coordinates(self, described: NDArray[np.float32]) -> NDArray[np.float32]:
        return described

    def neighbors(
        self,
        queries: NDArray[np.float32],
        references: NDArray[np.float32],
        groups: Groups,
        *,
        left_out: NDArray[np.intp] | None = None,
    ) -> Neighbors:
        squares = np.sum(queries**2, 1)[:, None] + np.sum(references**2, 1) - 2 * queries @ references.T
        # All subjects have as many slices, one's next to each other.
        of_group = np.maximum(squares, 0).reshape(len(queries), groups.count, -1)
        within = of_group.argmin(2)
        nearest = np.take_along_axis(of_group, within[..., None], 2)[..., 0]
        if left_out is not None:
            nearest[np.arange(len(queries)), left_out] = np.inf
        count = min(SUBJECTS, groups.count)
        chosen = np.argpartition(nearest, count - 1, axis=1)[:, :count]
        indices = chosen * of_group.shape[2] + np.take_along_axis(within, chosen, 1)
        return Neighbors.of(indices, np.take_along_axis(nearest, chosen, 1))


def frequencies(repetitions: int) -> dict[str, dict[str, int]]:
    """How often each verdict comes, by kind of generator, in so many evaluations, each of other subjects."""
    counts = {kind: dict.fromkeys((NO_SIGN, INCONCLUSIVE, COPIES_FOUND), 0) for kind in KINDS}
    for seed in screen.counted(range(repetitions), "counting verdicts"):
        for kind, (sampler, subjects) in KINDS.items():
            counts[kind][evaluate(sampler, subjects, seed).verdict.words] += 1
    return counts


def evaluate(sampler: Sampler, subjects: tuple[int, int], seed: int) -> copying.Judged:
    """Evaluates a made-up generator on so many made-up training and held-out subjects."""
    random = np.random.RandomState(seed)
    population = Population.of(random)
    training, heldout = (
        Slices(population.draw(random, count, _SLICES), np.repeat(np.arange(count), _SLICES))
        for count in subjects
    )
    images = sampler(population, training.images, random)
    described = []
    for name, features in (
        ("gray_values", np.eye(_EDGE**2)),
        ("features", random.normal(size=(_EDGE**2, 24))),
    ):
        sides = RealSides.of(_Euclidean(name, features), ReferenceImages(training, heldout))
        described.append((sides, sides.describe(images)))
    return copying.judge(described, Thresholds(), Bootstrap(_DRAWS, seed))


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    """The frequencies as a table in Markdown."""
    verdicts = (NO_SIGN, INCONCLUSIVE, COPIES_FOUND)
    rows = ["| what is drawn | " + " | ".join(verdicts) + " |", "|---|---|---|---|"]
    for kind, found in counts.items():
        total = sum(found.values())
        cells = (f"{found[words]:,} of {total:,}" for words in verdicts)
        rows.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(rows)
