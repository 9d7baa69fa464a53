"""How many copies are found that were changed, and how many new slices are taken for copies when they are."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from mrisynth import screen
from mrisynth.evaluation.reference import load_reference
from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy import statistics
from mrisynth.privacy.copying import describe_real
from mrisynth.privacy.searches import RealSides, ReferenceImages
from mrisynth.privacy.verdict import Thresholds

_REFERENCE_WIDTH = 64
_PASTED = 12
_LEAST_CONTRAST = 8.0
_WARP_KNOTS = 5

Image = NDArray[np.floating]
Change = Callable[[Image, np.random.RandomState], Image]


@dataclasses.dataclass(frozen=True)
class Found:
    """How many of some images count as copies.

    Attributes:
        change: What was done to training slices, in words.
        copies: Part of them that is found by each measure of distance, by its name, and by any.
        new: How many slices of new subjects, changed likewise, are taken for copies by any.
        new_count: How many of these there are.
        controls: How many slices of new subjects, as they are, count as copies, and how many there are.
    """

    change: str
    copies: Mapping[str, float]
    new: int
    new_count: int
    controls: tuple[int, int]


def _noisy(deviation: float) -> Change:
    def change(image: Image, random: np.random.RandomState) -> Image:
        if random.uniform() < 0.5:
            image = image[:, ::-1]
        reach = image.shape[0] // 16
        moved = ndimage.shift(image, (*random.randint(-reach, reach + 1, 2), 0), order=0, cval=image.min())
        contrast = random.uniform(0.8, 1.25)
        changed = (moved - moved.mean()) * contrast + moved.mean() + random.uniform(-10, 10)
        return changed + random.normal(0, deviation, image.shape)

    return change


def _blurred(pixels: float) -> Change:
    def change(image: Image, random: np.random.RandomState) -> Image:
        deviation = pixels * image.shape[0] / _REFERENCE_WIDTH
        return ndimage.gaussian_filter(image, (deviation, deviation, 0))

    return change


def _sampled(image: Image, places: NDArray[np.floating]) -> Image:
    """The image's values at rows and columns [2, H, H], bilinearly; its darkest outside of it."""
    channels = [
        ndimage.map_coordinates(channel, places, order=1, cval=channel.min())
        for channel in np.moveaxis(image, -1, 0)
    ]
    return np.stack(channels, axis=-1)


def _turned(degrees: float = 0.0, enlarged: float = 1.0) -> Change:
    """Turned to either side, or enlarged, around the center."""

    def change(image: Image, random: np.random.RandomState) -> Image:
        angle, center = np.deg2rad(degrees) * random.choice([-1, 1]), (image.shape[0] - 1) / 2
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) / enlarged
        grid = np.mgrid[: image.shape[0], : image.shape[0]] - center
        return _sampled(image, np.tensordot(turn, grid, axes=1) + center)

    return change


def _warped(pixels: float) -> Change:
    def change(image: Image, random: np.random.RandomState) -> Image:
        size = image.shape[0]
        knots = random.uniform(-1, 1, (2, _WARP_KNOTS, _WARP_KNOTS))
        warp = ndimage.zoom(knots, (1, size / _WARP_KNOTS, size / _WARP_KNOTS), order=3)
        warp *= pixels * size / _REFERENCE_WIDTH / np.abs(warp).max()
        return _sampled(image, np.mgrid[:size, :size] + warp)

    return change


CHANGES: Mapping[str, Change] = {
    "mirrored at random, shifted by up to 4 pixels, other brightness and contrast, noise of 4 gray values": (
        _noisy(4)
    ),
    "the same with noise of 10": _noisy(10),
    "blur, standard deviation 1 pixel": _blurred(1),
    "enlarged by 3 %": _turned(enlarged=1.03),
    "turned by 5 degrees": _turned(5),
    "warped smoothly by up to 2 pixels": _warped(2),
    "enlarged by 6 %": _turned(enlarged=1.06),
    "blur, standard deviation 2 pixels": _blurred(2),
    "turned by 10 degrees": _turned(10),
    "enlarged by 10 %": _turned(enlarged=1.1),
}
"""What is done to slices; pixels are those of images of 64x64."""

PASTED = "a patch of 12x12 pixels in a slice of a new subject"


def measure(data_dir: pathlib.Path, resolution: int, count: int) -> list[Found]:
    """Changes `count` training slices, and as many held-out ones, and looks them up as an evaluation does."""
    real = load_reference(data_dir, resolution)
    sides = describe_real(real, ScatteringFeatures(), changed_copies=True)
    training, heldout = real.training.images, real.heldout.images
    originals, new = (
        side[np.random.RandomState(0).permutation(len(side))[:count]] for side in (training, heldout)
    )
    found = []
    for name, change in screen.counted(CHANGES.items(), "looking for changed copies"):
        found.append(_look_up(name, sides, _changed(originals, change), _changed(new, change)))
    return [*found, _look_up(PASTED, sides, _pasted(real, count), new)]


def _changed(images: NDArray[np.uint8], change: Change) -> NDArray[np.uint8]:
    random = np.random.RandomState(0)
    changed = np.stack([change(image.astype(np.float64), random) for image in images])
    return np.clip(np.rint(changed), 0, 255).astype(np.uint8)


def _pasted(real: ReferenceImages, count: int) -> NDArray[np.uint8]:
    """Held-out slices with a patch of a training slice that shows something, at its own place."""
    random = np.random.RandomState(0)
    images = []
    while len(images) < count:
        source = real.training.images[random.randint(len(real.training.images))]
        image = real.heldout.images[random.randint(len(real.heldout.images))].copy()
        edge = _PASTED * len(image) // _REFERENCE_WIDTH
        row, column = random.randint(0, len(image) - edge + 1, 2)
        place = np.s_[row : row + edge, column : column + edge]
        if source[place][..., 0].std() >= _LEAST_CONTRAST:
            image[place] = source[place]
            images.append(image)
    return np.stack(images)


def _look_up(
    change: str, sides: Sequence[RealSides], images: NDArray[np.uint8], new: NDArray[np.uint8]
) -> Found:
    copies, taken = (
        statistics.find_copies([each.search(each.describe(some)) for each in sides], Thresholds.copy_ratio)
        for some in (images, new)
    )
    parts = {side.distance.name: float(by.mean()) for side, by in zip(sides, copies.by_measure, strict=True)}
    controls = (copies.controls, copies.control_count)
    return Found(change, {**parts, "any": copies.share.value}, taken.count, len(new), controls)


def table(found: Sequence[Found]) -> str:
    """What was found as a table in Markdown."""
    names = [name.replace("_", " ") for name in found[0].copies]
    rows = [f"| change | by {' | by '.join(names)} | new slices |", "|---" * (len(names) + 2) + "|"]
    for each in found:
        parts = " | ".join(f"{part:.0%}" for part in each.copies.values())
        rows.append(f"| {each.change} | {parts} | {each.new} of {each.new_count} |")
    taken, count = found[0].controls
    rows.append(f"\nOf {count:,} slices of new subjects as they are, {taken:,} count as copies.")
    return "\n".join(rows)
