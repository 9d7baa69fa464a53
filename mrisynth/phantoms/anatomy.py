"""The parameters of a head: age, sizes, folding and lesions, sampled from plausible ranges.

Positions are in template space, which is close to MNI: x to the right, y to the front, z upwards, in mm, with
the origin near the anterior commissure.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

# Nodes (x, y, z, radius) of the right lateral ventricle in mm, from the frontal to the occipital horn.
LATERAL_VENTRICLE = (
    (12.0, 33.0, 4.0, 2.2),
    (6.5, 17.0, 11.0, 4.6),
    (6.0, -2.0, 19.0, 4.8),
    (9.0, -20.0, 21.0, 5.0),
    (22.0, -40.0, 11.0, 7.0),
    (21.0, -64.0, 4.0, 2.0),
)


@dataclasses.dataclass(frozen=True)
class Lesion:
    """One lesion in template space.

    Attributes:
        center: Position in mm.
        radii: Half axes in mm, along x, y and z.
        roughness: Amplitude in mm of the irregularity of its border.
        necrosis: Depth in mm below the border from which the lesion is necrotic; infinite for none.
    """

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    roughness: float
    necrosis: float


@dataclasses.dataclass(frozen=True)
class Anatomy:
    """The parameters that make one head.

    Attributes:
        age: Years.
        sex: "F" or "M".
        head_scale: Size relative to the template along x, y and z.
        tilt: Rotation of the head in the world, degrees about x, y and z.
        position: Where the template's origin lies in the world, mm.
        torque: Shear of the midline in mm per mm: one hemisphere reaches further back than the other.
        taper: Narrowing of the skull towards the forehead, per mm.
        skull_thickness: Mean thickness in mm.
        scalp_thickness: Mean thickness in mm.
        subarachnoid_gap: Distance in mm between brain and skull.
        ventricle_scale: Radii of the ventricles relative to the template.
        ventricle_asymmetry: Relative difference between the right ventricle's size and the mean.
        cortical_thickness: Thickness of the gray ribbon in mm.
        sulcal_width: Half the width of a sulcus in mm.
        sulcal_depth: Mean depth of the sulci in mm.
        folding_wavelength: Twice the distance between neighboring sulci in mm.
        lesions: The lesions, none in a healthy subject.
    """

    age: int
    sex: str
    head_scale: tuple[float, float, float]
    tilt: tuple[float, float, float]
    position: tuple[float, float, float]
    torque: float
    taper: float
    skull_thickness: float
    scalp_thickness: float
    subarachnoid_gap: float
    ventricle_scale: float
    ventricle_asymmetry: float
    cortical_thickness: float
    sulcal_width: float
    sulcal_depth: float
    folding_wavelength: float
    lesions: tuple[Lesion, ...]


class RandomStreams(NamedTuple):
    """Independent generators for the parts of one phantom.

    Attributes:
        anatomy: Draws the parameters of the head.
        scanner: Draws the settings of the acquisition.
        shapes: Draws the irregularity of all structures.
    """

    anatomy: np.random.Generator
    scanner: np.random.Generator
    shapes: np.random.Generator


def random_streams(subject: int, seed: int) -> RandomStreams:
    """Starts the generators of one subject; they follow from its number and the data set's seed alone."""
    children = np.random.SeedSequence([seed, subject]).spawn(3)
    return RandomStreams(*(np.random.default_rng(child) for child in children))


def noise_stream(subject: int, seed: int, contrast: str) -> np.random.Generator:
    """Starts the generator of a subject's noise in one contrast, whichever other contrasts are drawn."""
    # The stream after those of `random_streams` is FLAIR's, which was the first contrast; others branch off.
    branch = () if contrast == "FLAIR" else tuple(contrast.encode())
    return np.random.default_rng(np.random.SeedSequence([seed, subject], spawn_key=(3, *branch)))


def _draw_white_matter_lesion(generator: np.random.Generator, ventricle_scale: float) -> Lesion:
    """A small ovoid beside the lateral ventricles, or one in the white matter above them."""
    side = generator.choice((-1.0, 1.0))
    size = generator.uniform(2.5, 5.5)
    if generator.random() < 0.65:
        index = generator.integers(1, len(LATERAL_VENTRICLE))
        x, y, z, radius = LATERAL_VENTRICLE[index]
        x += radius * ventricle_scale + 0.6 * size + generator.uniform(0, 3)
        y += generator.uniform(-5, 5)
        z += generator.uniform(0, 5)
    else:
        x, y, z = generator.uniform(19, 30), generator.uniform(-45, 30), generator.uniform(24, 40)
    # Inflammatory lesions follow the veins, which leave the ventricles sideways.
    radii = size * np.array(
        [generator.uniform(1.0, 1.7), generator.uniform(0.8, 1.2), generator.uniform(0.8, 1.2)]
    )
    return Lesion((side * x, y, z), tuple(radii.tolist()), 0.25 * size, math.inf)


def _draw_caps(generator: np.random.Generator, ventricle_scale: float) -> list[Lesion]:
    """Bright caps on the frontal and occipital horns, as in small-vessel disease."""
    caps = []
    for index, offset in ((0, 3.0), (5, -3.0)):
        x, y, z, radius = LATERAL_VENTRICLE[index]
        size = radius * ventricle_scale + generator.uniform(2.5, 5.0)
        caps += [
            Lesion((side * (x + 2), y + offset, z), (size, 1.2 * size, 1.1 * size), 0.2 * size, math.inf)
            for side in (-1.0, 1.0)
        ]
    return caps


def _draw_tumor(generator: np.random.Generator) -> Lesion:
    """One large irregular lesion, sometimes with a necrotic center."""
    side = generator.choice((-1.0, 1.0))
    center = (side * generator.uniform(26, 40), generator.uniform(-55, 40), generator.uniform(8, 40))
    radii = generator.uniform(15, 26) * generator.uniform(0.8, 1.2, 3)
    necrosis = generator.uniform(6, 10) if generator.random() < 0.5 else math.inf
    return Lesion(center, tuple(radii.tolist()), generator.uniform(3, 5), necrosis)


def _draw_lesions(generator: np.random.Generator, age: int, ventricle_scale: float) -> tuple[Lesion, ...]:
    """Lesions of one subject: none, a few in the white matter, caps on the ventricles, or a tumor."""
    kind = generator.random()
    if kind < 0.40:
        return ()
    if kind < 0.60:
        return (_draw_tumor(generator),)
    lesions = [_draw_white_matter_lesion(generator, ventricle_scale) for _ in range(generator.integers(2, 9))]
    if age > 55:
        lesions += _draw_caps(generator, ventricle_scale)
    return tuple(lesions)


def draw_anatomy(subject: int, seed: int = 0) -> Anatomy:
    """Samples one subject's head, by its number and the data set's seed; lengths in mm, angles in degrees."""
    generator = random_streams(subject, seed).anatomy
    uniform, normal = generator.uniform, generator.normal
    age = int(generator.integers(20, 86))
    sex = "F" if generator.random() < 0.5 else "M"
    atrophy = (age - 20) / 65
    ventricle_scale = float(np.clip((0.85 + 0.65 * atrophy) * math.exp(normal(0, 0.18)), 0.65, 1.9))
    size = (0.975 if sex == "F" else 1.02) + np.clip(normal(0, 0.025), -0.06, 0.06)
    aspect = np.clip(normal(0, 0.04, 3), -0.08, 0.08)
    return Anatomy(
        age=age,
        sex=sex,
        head_scale=tuple((size + aspect).tolist()),
        tilt=tuple(np.clip(normal(0, (3.5, 2.5, 4.0)), -9, 9).tolist()),
        position=tuple(normal(0, (3, 5, 4)).tolist()),
        torque=float(normal(0, 0.02)),
        taper=float(uniform(0.0008, 0.0022)),
        skull_thickness=float(uniform(5.0, 8.5)),
        scalp_thickness=float(uniform(4.5, 8.5)),
        subarachnoid_gap=float(0.7 + 1.3 * atrophy + uniform(0, 0.5)),
        ventricle_scale=ventricle_scale,
        ventricle_asymmetry=float(np.clip(normal(0, 0.1), -0.25, 0.25)),
        cortical_thickness=float(3.3 - 0.4 * atrophy + normal(0, 0.12)),
        sulcal_width=float(0.35 + 0.45 * atrophy + uniform(0, 0.2)),
        sulcal_depth=float(uniform(12, 16)),
        folding_wavelength=float(uniform(20, 25)),
        lesions=_draw_lesions(generator, age, ventricle_scale),
    )
