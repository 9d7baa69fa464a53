"""Made-up heads that show their labels, or do not: what is read off them is known beforehand."""

import numpy as np

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.privacy.searches import ReferenceImages, Slices

SCHEMA = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("across", "along")),
        Label("brightness", LabelKind.CONTINUOUS, (), 0.5, 0.29),
        Label("lesion_fraction", LabelKind.CONTINUOUS, (), 0.1, 0.06),
    )
)
CHANNELS = ("FLAIR", "lesion mask")
SIZE = 16

_PLACE = np.arange(SIZE) - (SIZE - 1) / 2
_HEAD = _PLACE[:, None] ** 2 + _PLACE**2 < 7**2


def draw_values(count, seed):
    """Labels that have nothing to do with each other, in columns."""
    random = np.random.RandomState(seed)
    return {
        "suffix": random.choice(["across", "along"], count),
        "brightness": random.uniform(0, 1, count),
        "lesion_fraction": random.uniform(0, 0.2, count),
    }


def draw_heads(values, seed):
    """A bar lies across or along each head and is as bright as asked; the mask alone shows the lesion."""
    random = np.random.RandomState(seed)
    images = np.zeros((len(values["suffix"]), SIZE, SIZE, 2), np.uint8)
    for image, suffix, brightness, part in zip(images, *values.values(), strict=True):
        head = 100.0 * _HEAD
        head[7:9, 4:12] = 130 + 120 * brightness
        image[..., 0] = np.clip(head.T if suffix == "along" else head, 0, 250) + random.randint(
            0, 6, head.shape
        )
        inside = np.flatnonzero(_HEAD)
        image[..., 1].flat[inside[: round(part * len(inside))]] = 255
    return images


def make_side(subjects, seed):
    """Ten slices of each subject."""
    values = draw_values(10 * subjects, seed)
    labels = SCHEMA.encode(values, 10 * subjects)
    return Slices(draw_heads(values, seed), np.repeat(np.arange(subjects) + 1000 * seed, 10), labels)


def make_reference():
    """30 subjects to train on and 15 others."""
    return ReferenceImages(make_side(30, 0), make_side(15, 1), CHANNELS, fingerprint="given")
