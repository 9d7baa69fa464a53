"""The registry of measures: what is measured of generated images, and what to say about it.

A measure is a function with the decorator `metric`, in a file of this folder. Whatever evaluates, writes,
plots or explains measures asks this registry, so that a new measure is one new file.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import importlib
import math
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UserError
from mrisynth.metrics.estimates import Spread

MOST_IMAGES = 16_384
"""Images of a set that are compared with as many of another, as in [PG]."""

_SEED_PERIOD = 2**32


class Direction(str, enum.Enum):
    """Which values of a measure are good."""

    LOWER = "lower"
    HIGHER = "higher"
    LIKE_REAL = "like real"


class Group(str, enum.Enum):
    """What a measure says something about."""

    FIDELITY = "Fidelity"
    DIVERSITY = "Diversity"


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """Images and their features.

    Attributes:
        images: uint8 [N, H, W, C].
        features: [N, D].
        channels: Names of the C channels.
        subjects: Whose the images are, [N]; None of generated ones, each of which is its own.
    """

    images: NDArray[np.uint8]
    features: NDArray[np.float32]
    channels: tuple[str, ...] = ("image",)
    subjects: NDArray | None = None

    def choose(self, count: int, random: np.random.RandomState) -> ImageSet:
        """A random choice of so many images, in their order; the set itself if it is all of them."""
        if count == len(self.images):
            return self
        chosen = np.sort(random.permutation(len(self.images))[:count])
        subjects = None if self.subjects is None else self.subjects[chosen]
        return dataclasses.replace(
            self, images=self.images[chosen], features=self.features[chosen], subjects=subjects
        )

    def channel(self, index: int) -> ImageSet:
        """The set with one of its channels alone, and the features of the images as they are."""
        of_channel = slice(index, index + 1)
        return dataclasses.replace(
            self, images=self.images[..., of_channel], channels=self.channels[of_channel]
        )


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What a measure is computed from.

    Attributes:
        images: The images that are measured: generated ones, or training images in their place.
        reference: Held-out images, as many as `images`.
        all_images: The whole set that `images` were chosen from, for measures that need no reference.
        pairs: How many pairs of images a measure of pairs takes.
        seed: Decides a measure's own random numbers.
    """

    images: ImageSet
    reference: ImageSet
    all_images: ImageSet
    pairs: int
    seed: int

    def channel(self, index: int) -> Comparison:
        """The comparison of one channel alone."""
        sides = {name: getattr(self, name).channel(index) for name in ("images", "reference", "all_images")}
        return dataclasses.replace(self, **sides)


Compute = Callable[[Comparison], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Metric:
    """A measure, and what is said about it wherever it is shown.

    Attributes:
        key: Name in results.json and TensorBoard, as "ms_ssim"; its parts, if any, follow it, as "swd/64".
        title: Name in tables.
        group: What it says something about.
        direction: Which values are good.
        explanation: What it says, in one plain sentence, for readers who never heard of it.
        source: Where the expert finds it; empty if it needs none.
        detail: What its row in a table is called.
        part_title: What the row of a part is called, given the part, as "64".
        note: What a reader must know beside the number, given the resolution; empty if nothing.
        per_channel: Whether it takes one channel at a time; if not, all channels or the features.
    """

    key: str
    title: str
    group: Group
    direction: Direction
    explanation: str
    source: str = ""
    detail: str = ""
    part_title: Callable[[str], str] = str
    note: Callable[[int], str] = lambda resolution: ""
    per_channel: bool = True


_REGISTERED: dict[str, tuple[Metric, Compute]] = {}


def metric(key: str, **description: object) -> Callable[[Compute], Compute]:
    """Registers a function as a measure.

    The function takes a `Comparison` and returns values by key. One that measures several things at once is
    registered once for each, by one decorator above the other.

    Args:
        key: See `Metric`.
        **description: The other attributes of a `Metric`.
    """

    def register(compute: Compute) -> Compute:
        if key in _REGISTERED and _REGISTERED[key][1].__module__ != compute.__module__:
            raise ValueError(f"two measures have the key {key}; give one of them another")
        _REGISTERED[key] = Metric(key, **description), compute
        return compute

    return register


@functools.cache
def _import_all() -> None:
    """Imports every module of this folder, so that its measures are registered."""
    package = importlib.import_module(__package__)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{__package__}.{module.name}")


def all_metrics() -> list[Metric]:
    """All measures in the order of tables: by group, those of images before those of features, by title."""
    _import_all()
    groups = list(Group)
    return sorted(
        (described for described, _ in _REGISTERED.values()),
        key=lambda each: (groups.index(each.group), not each.per_channel, each.title),
    )


def find(key: str) -> tuple[Metric, str]:
    """The measure that a key of results.json belongs to, and what its row in a table is called.

    Args:
        key: Key of a measure, as "ms_ssim", "swd/64" or, where there are several channels, "T1w/swd/64".

    Raises:
        UserError: If there is no such measure.
    """
    _import_all()
    name, _, rest = key.partition("/")
    channel = ""
    if name not in _REGISTERED and rest:
        channel, (name, _, rest) = f"{name}, ", rest.partition("/")
    if name not in _REGISTERED:
        raise UserError(
            f"{key} is no measure that this mrisynth knows; evaluate again with mrisynth-evaluate"
        )
    described, _ = _REGISTERED[name]
    return described, channel + (described.part_title(rest) if rest else described.detail)


def full_title(key: str) -> str:
    """The title of a measure with that of its row, as "Recall, 5 neighbors, features"; raises as `find`."""
    described, row = find(key)
    return f"{described.title}, {row}" if row else described.title


def random_stream(seed: int, purpose: str) -> np.random.RandomState:
    """A stream of random numbers of its own for every purpose.

    NumPy promises that RandomState's numbers never change; its newer generators' may.
    """
    return np.random.RandomState([seed % _SEED_PERIOD, *purpose.encode()])


def measure(
    images: ImageSet,
    heldout: ImageSet,
    count: int,
    *,
    repeats: int,
    pairs: int,
    seed: int = 0,
    only: Collection[str] = (),
) -> dict[str, Spread]:
    """Measures everything of one set of images against held-out ones.

    Args:
        images: Generated images, or training images in their place.
        heldout: Real images of subjects that are not in the other set.
        count: How many of each are compared; every repeat chooses anew.
        repeats: How often everything is measured.
        pairs: Pairs of images for measures of pairs, shared by the repeats.
        seed: The same seed gives the same numbers.
        only: Keys of the measures that are wanted; all of them if empty.

    Returns:
        Every measure by its key, with its spread over the repeats, in the order of tables. One that cannot be
        computed of these images is not a number, under the key of its `Metric`, so that the others are kept.
    """
    values: dict[str, list[float]] = {}
    for repeat in range(repeats):
        random = np.random.RandomState([seed, repeat])
        own_seed = int(random.randint(2**31))
        comparison = Comparison(
            images.choose(count, random), heldout.choose(count, random), images, pairs // repeats, own_seed
        )
        for key, value in _values(comparison, only):
            values.setdefault(key, [math.nan] * repeat).append(value)
        for measured in values.values():
            measured += [math.nan] * (repeat + 1 - len(measured))
    order = [described.key for described in all_metrics()]
    ranked = sorted(values, key=lambda key: order.index(find(key)[0].key))
    return {key: Spread.of(values[key]) for key in ranked}


def _values(comparison: Comparison, only: Collection[str]) -> Iterator[tuple[str, float]]:
    """All measures of a comparison, each function called once, or once a channel."""
    channels = comparison.images.channels
    wanted = [described for described in all_metrics() if not only or described.key in only]
    functions = {_REGISTERED[described.key][1]: described.per_channel for described in wanted}
    for compute, per_channel in functions.items():
        if per_channel and len(channels) > 1:
            for index, channel in enumerate(channels):
                for key, value in _computed(compute, comparison.channel(index)).items():
                    yield f"{channel}/{key}", value
        else:
            yield from _computed(compute, comparison).items()


def _computed(compute: Compute, comparison: Comparison) -> Mapping[str, float]:
    """What a function measures; not a number if these images are none that it can be computed of."""
    try:
        return compute(comparison)
    except (ArithmeticError, ValueError, np.linalg.LinAlgError):
        return {key: math.nan for key, (_, function) in _REGISTERED.items() if function is compute}
