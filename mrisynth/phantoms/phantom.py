"""Head phantoms: NIfTI volumes in FLAIR contrast, drawn rather than scanned.

The way of a phantom: `draw_anatomy` samples one head, `draw_scanner` samples how it is acquired. Distance
fields of every structure are evaluated in template space (close to MNI: right, anterior, superior, in mm, the
origin near the anterior commissure) on a coarse grid that is aligned with the acquisition; slab by slab they
are interpolated to the voxels, turned into tissue fractions, painted with FLAIR signal, and given bias field
and Rician noise. Distances are negative inside a structure, as everywhere in computer graphics.

Everything follows from (seed, subject) alone.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import gzip
import itertools
import json
import math
import multiprocessing
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy import fft, ndimage, sparse
from scipy.spatial.transform import Rotation
from tqdm import tqdm

Array = np.ndarray
Fields = dict[str, np.ndarray]

# Spacing in mm of the grid on which distances are evaluated; they are smooth enough to be interpolated.
FIELD_SPACING = 2.2

# FLAIR signal relative to the brightest tissue.
SIGNAL = {
    "skin": 0.50,
    "fat": 0.92,
    "muscle": 0.36,
    "cortical_bone": 0.05,
    "marrow": 0.38,
    "cerebrospinal_fluid": 0.07,
    "gray_matter": 0.59,
    "white_matter": 0.42,
    "deep_gray_matter": 0.50,
    "cerebellar_cortex": 0.52,
    "lesion": 0.86,
    "necrosis": 0.22,
    "vitreous": 0.07,
    "mucosa": 0.62,
    "air": 0.0,
}

# Voxel sizes in mm (in plane, in plane, slice) of typical FLAIR protocols, 2-D and 3-D.
PROTOCOLS = (
    (0.9, 0.9, 3.0),
    (1.0, 1.0, 3.0),
    (0.9, 0.9, 4.0),
    (1.0, 1.0, 1.5),
    (1.2, 1.2, 2.0),
    (1.0, 1.0, 1.0),
    (1.1, 1.1, 1.2),
)
ORIENTATIONS = ("LPS", "RAS", "LAS", "LPS", "PSR", "LSA", "RPI")


@dataclasses.dataclass(frozen=True)
class Phantom:
    """One subject's scan.

    Attributes:
        subject: Label, "phantom001" for subject 1.
        image: FLAIR volume, int16; its affine maps to world RAS in mm, the world's origin inside the head.
        lesion_mask: uint8 on the same grid, 1 where there is a lesion.
        age: Years.
        sex: "F" or "M".
        lesions: How many lesions were placed.
    """

    subject: str
    image: nibabel.Nifti1Image
    lesion_mask: nibabel.Nifti1Image
    age: int
    sex: str
    lesions: int


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


@dataclasses.dataclass(frozen=True)
class Scanner:
    """How one head is acquired.

    Attributes:
        voxel_size: mm, in plane and along the slices.
        obliquity: Rotation of the acquisition against the world's axes, degrees about x, y and z.
        orientation: nibabel axis codes of the stored array.
        peak: Stored value of the brightest tissue.
        noise: Standard deviation of the noise in each channel, relative to the peak.
        bias: Coefficients of the second-order polynomial whose exponential is the bias field.
        fat_signal: Signal of fat relative to the table; sequences suppress it more or less.
    """

    voxel_size: tuple[float, float, float]
    obliquity: tuple[float, float, float]
    orientation: str
    peak: float
    noise: float
    bias: tuple[float, ...]
    fat_signal: float


def _generators(seed: int, subject: int) -> list[np.random.Generator]:
    """Independent generators for anatomy, scanner, shape noise and thermal noise."""
    children = np.random.SeedSequence([seed, subject]).spawn(4)
    return [np.random.default_rng(child) for child in children]


# ----------------------------------------------------------------------------------------------- sampling


def _draw_white_matter_lesion(generator: np.random.Generator, ventricle_scale: float) -> Lesion:
    """A small ovoid beside the lateral ventricles, or one in the white matter above them."""
    side = generator.choice((-1.0, 1.0))
    size = generator.uniform(2.5, 5.5)
    if generator.random() < 0.65:
        index = generator.integers(1, len(_LATERAL_VENTRICLE))
        x, y, z, radius = _LATERAL_VENTRICLE[index]
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
        x, y, z, radius = _LATERAL_VENTRICLE[index]
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
    """Samples the parameters of one head.

    Args:
        subject: Number of the subject.
        seed: Seed of the whole data set.

    Returns:
        The anatomy; lengths in mm, angles in degrees.
    """
    generator = _generators(seed, subject)[0]
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


def draw_scanner(subject: int, seed: int = 0) -> Scanner:
    """Samples how one subject is acquired.

    Args:
        subject: Number of the subject.
        seed: Seed of the whole data set.

    Returns:
        The scanner's settings; lengths in mm, angles in degrees.
    """
    generator = _generators(seed, subject)[1]
    uniform, normal = generator.uniform, generator.normal
    oblique = generator.random() < 0.4
    return Scanner(
        voxel_size=PROTOCOLS[generator.integers(len(PROTOCOLS))],
        obliquity=tuple(uniform((-15, -5, -5), (15, 5, 5)).tolist()) if oblique else (0.0, 0.0, 0.0),
        orientation=ORIENTATIONS[generator.integers(len(ORIENTATIONS))],
        peak=float(np.exp(uniform(math.log(300), math.log(3000)))),
        noise=float(uniform(0.008, 0.025)),
        bias=tuple(normal(0, (0.06,) * 3 + (0.07,) * 3 + (0.03,) * 3).tolist()),
        fat_signal=float(uniform(0.75, 1.0)),
    )


# ----------------------------------------------------------------------------------------------- geometry


def _smooth_union(first: Array, second: Array, width: float) -> Array:
    """Union of two distance fields whose seam is rounded over `width` mm."""
    overlap = np.maximum(width - np.abs(first - second), 0) / width
    return np.minimum(first, second) - overlap**2 * (width / 4)


def _ellipsoid(
    points: Array,
    center: tuple[float, float, float],
    radii: tuple[float, float, float],
    exponent: float = 2.0,
) -> Array:
    """Distance to a (super)ellipsoid, exact to first order near its surface.

    Args:
        points: Coordinates in mm, [3, ...].
        center: Its center in mm.
        radii: Its half axes in mm.
        exponent: 2 for an ellipsoid; more makes it boxier.
    """
    offsets = [points[axis] - np.float32(center[axis]) for axis in range(3)]
    scaled = [np.abs(offset) * np.float32(1 / radius) for offset, radius in zip(offsets, radii, strict=True)]
    if exponent == 2.0:
        level = np.sqrt(scaled[0] ** 2 + scaled[1] ** 2 + scaled[2] ** 2)
    else:
        level = sum(value**exponent for value in scaled) ** (1 / exponent)
    slope = np.sqrt(sum((value / radius) ** 2 for value, radius in zip(scaled, radii, strict=True)))
    return level * (level - 1) / np.maximum(slope, 1e-4)


def _tube(
    points: Array, nodes: tuple[tuple[float, float, float, float], ...], scale: Array | float = 1.0
) -> Array:
    """Distance to a tube of varying radius along a polyline.

    Args:
        points: Coordinates in mm, [3, ...].
        nodes: (x, y, z, radius) of each node in mm.
        scale: Factor on the radii.
    """
    distance = None
    for start, end in itertools.pairwise(nodes):
        direction = np.subtract(end[:3], start[:3], dtype=np.float32)
        offsets = [points[axis] - np.float32(start[axis]) for axis in range(3)]
        along = sum(offset * value for offset, value in zip(offsets, direction, strict=True))
        along = np.clip(along / (direction @ direction), 0, 1)
        squared = sum((offset - along * value) ** 2 for offset, value in zip(offsets, direction, strict=True))
        radius = (start[3] + along * np.float32(end[3] - start[3])) * scale
        segment = np.sqrt(squared) - radius
        distance = segment if distance is None else _smooth_union(distance, segment, 2.0)
    return distance


def _smooth_noise(
    points: Array, wavelength: float, bandwidth: float, generator: np.random.Generator
) -> Array:
    """Band-limited Gaussian noise of unit variance, smooth in space.

    Args:
        points: Coordinates in mm, [3, ...].
        wavelength: Dominant wavelength in mm.
        bandwidth: Width of the band relative to its center.
        generator: Source of randomness.
    """
    spacing = wavelength / 6
    size = fft.next_fast_len(math.ceil(280 / spacing), real=True)
    white = generator.standard_normal((size, size, size), dtype=np.float32)
    frequencies = np.meshgrid(
        *(np.fft.fftfreq(size, spacing),) * 2, np.fft.rfftfreq(size, spacing), indexing="ij", sparse=True
    )
    frequency = np.sqrt(sum(axis**2 for axis in frequencies)) * wavelength
    band = np.exp(-0.5 * ((frequency - 1) / bandwidth) ** 2).astype(np.float32)
    lattice = fft.irfftn(fft.rfftn(white) * band, s=white.shape)
    lattice /= lattice.std()
    # A periodic lattice larger than the head: no border, whatever the head's position.
    return ndimage.map_coordinates(lattice, points / np.float32(spacing), order=1, mode="grid-wrap")


# ----------------------------------------------------------------------------------- structures of the head

# Right-hand structures (x, y, z, radius) in mm; the left ones are their mirror images.
_LATERAL_VENTRICLE = (
    (12.0, 33.0, 4.0, 2.2),
    (6.5, 17.0, 11.0, 4.6),
    (6.0, -2.0, 19.0, 4.8),
    (9.0, -20.0, 21.0, 5.0),
    (22.0, -40.0, 11.0, 7.0),
    (21.0, -64.0, 4.0, 2.0),
)
_TEMPORAL_HORN = ((23.0, -38.0, 6.0, 5.0), (33.0, -30.0, -9.0, 2.2), (32.0, -10.0, -19.0, 1.8))
_CAUDATE = (
    (13.0, 21.0, 0.0, 6.0),
    (15.5, 10.0, 12.0, 5.2),
    (19.0, -8.0, 20.0, 3.2),
    (25.0, -26.0, 16.0, 2.0),
)
_TEMPORAL_LOBE = (
    (36.0, 10.0, -30.0, 15.0),
    (45.0, -12.0, -20.0, 20.0),
    (45.0, -40.0, -6.0, 20.0),
)
_HIPPOCAMPUS = ((21.0, 2.0, -24.0, 8.0), (24.0, -14.0, -19.0, 9.0), (28.0, -34.0, -8.0, 9.0))
_MIDBRAIN = ((6.0, -20.0, 2.0, 9.0), (7.0, -20.0, -11.0, 8.5), (5.0, -24.0, -24.0, 10.0))
_MEDULLA = ((0.0, -28.0, -34.0, 12.0), (0.0, -36.0, -50.0, 9.0), (0.0, -42.0, -80.0, 8.0))
_CEREBELLAR_PEDUNCLE = ((12.0, -30.0, -30.0, 7.0), (20.0, -44.0, -35.0, 7.0), (23.0, -55.0, -38.0, 6.0))
_ORBIT = ((32.0, 58.0, -38.0, 16.5), (24.0, 38.0, -35.0, 12.0), (14.0, 20.0, -31.0, 3.0))
_OPTIC_NERVE = ((32.0, 48.0, -38.0, 1.9), (23.0, 34.0, -35.0, 1.9), (12.0, 14.0, -29.0, 1.9))
_MEDIAL_RECTUS = ((20.0, 60.0, -38.0, 1.2), (16.0, 42.0, -36.0, 2.6), (14.0, 20.0, -31.0, 1.5))
_LATERAL_RECTUS = ((45.0, 58.0, -38.0, 1.2), (33.0, 38.0, -36.0, 2.4), (16.0, 20.0, -31.0, 1.5))
_NOSE = ((0.0, 74.0, -18.0, 9.0), (0.0, 90.0, -42.0, 12.0), (0.0, 96.0, -58.0, 15.0))


def _template_points(world: Array, anatomy: Anatomy, generator: np.random.Generator) -> Array:
    """Maps world coordinates in mm, [3, ...], into template space: tilt, size, torque and a smooth warp."""
    rotation = Rotation.from_euler("xyz", anatomy.tilt, degrees=True).as_matrix().T
    linear = (rotation / np.array(anatomy.head_scale)[:, None]).astype(np.float32)
    shift = (linear @ np.array(anatomy.position)).astype(np.float32)
    points = np.einsum("ij,j...->i...", linear, world) - shift.reshape(3, 1, 1, 1)
    points[0] += np.float32(anatomy.torque) * (points[1] + 20)
    points[0] *= 1 + np.float32(anatomy.taper) * (points[1] + 20)
    for axis, amplitude in enumerate((1.6, 2.0, 1.8)):
        points[axis] += np.float32(amplitude) * _smooth_noise(world, 100, 0.3, generator)
    return points


def _convexity(points: Array) -> Array:
    """Distance to the ovoid that the hemispheres fill; the skull follows it."""
    # Its lower half is steeper: forehead and occiput are upright.
    upright = np.stack([points[0], points[1], np.maximum(points[2], 13 + 0.72 * (points[2] - 13))])
    return _ellipsoid(upright, (0, -17, 13), (68, 87, 65), 2.15)


def _cerebrum(convexity: Array, mirrored: Array) -> Array:
    """Distance to the cerebrum's hull, temporal lobes included, cut off at the base of the brain."""
    x, y, z = mirrored
    # Orbital roof in front, cisterns in the middle, tentorium (a tent over the cerebellum) behind.
    middle = 0.5 * (1 + np.tanh((5 - y) / 6))
    behind = 0.5 * (1 + np.tanh((-38 - y) / 6))
    cisterns = -25 + 11 * np.exp(-((x / 10) ** 2))
    apex = 11 * np.exp(-((x / 15) ** 2)) * 0.5 * (1 + np.tanh((y + 76) / 7))
    tentorium = -23 + apex + 0.10 * (y + 60)
    base = -25 + (cisterns + 25) * middle + (tentorium - cisterns) * behind
    hull = -_smooth_union(-convexity, z - base, 8.0)
    hull = _smooth_union(hull, _tube(mirrored, _TEMPORAL_LOBE), 6.0)
    hull = _smooth_union(hull, _tube(mirrored, _HIPPOCAMPUS), 4.0)
    quadrigeminal_cistern = _ellipsoid(mirrored, (0, -38, -7), (8, 4, 7))
    return np.maximum(hull, -quadrigeminal_cistern)


def _cerebellum(points: Array, mirrored: Array) -> Array:
    """Distance to the cerebellum: two hemispheres and the vermis."""
    hemispheres = _ellipsoid(mirrored, (24, -63, -40), (32, 31, 20))
    return _smooth_union(hemispheres, _ellipsoid(points, (0, -58, -31), (14, 25, 21)), 5.0)


def _brainstem(mirrored: Array) -> Array:
    """Distance to midbrain with its peduncles, pons, medulla and the stalks of the cerebellum."""
    pons = _ellipsoid(mirrored, (0, -26, -29), (18, 13, 14))
    parts = (
        _tube(mirrored, _MIDBRAIN),
        pons,
        _tube(mirrored, _MEDULLA),
        _tube(mirrored, _CEREBELLAR_PEDUNCLE),
    )
    return functools.reduce(functools.partial(_smooth_union, width=4.0), parts)


def _cavity(convexity: Array, mirrored: Array, brain_parts: tuple[Array, ...]) -> Array:
    """Distance to a hull around the brain, smoother and fuller than it; the skull follows at a distance."""
    _, y, z = mirrored
    floor = -27 - 30 * (1 + np.tanh((-30 - y) / 10))
    vault = -_smooth_union(-convexity, z - floor, 10.0)
    posterior_fossa = _ellipsoid(mirrored, (0, -58, -34), (56, 40, 27))
    return functools.reduce(
        functools.partial(_smooth_union, width=8.0), (*brain_parts, posterior_fossa, vault)
    )


def _fissure_end(points: Array) -> Array:
    """Distance in mm from the corpus callosum, outwards, in the midline plane: the fissure ends there."""
    y, z = points[1], points[2]
    level = np.sqrt(((y + 5) / 40) ** 2 + ((z - 3) / 27) ** 2)
    return (level - 1) * 32


def _sylvian_fissure(mirrored: Array, variation: Array, texture: Array) -> Array:
    """Squared distance to the Sylvian fissure: a cleft inwards from the surface, and one over the insula.

    The fissure is thin, and near it the square of the distance is smooth where the distance has a kink.
    """
    x, y, z = mirrored
    # It rises backwards and, seen from above, winds a little.
    across = (z + 3 + 0.5 * y + 0.35 * (x - 48) + 3.0 * variation + 1.2 * texture) / 1.2
    beyond = np.maximum(np.maximum(-33 - y, y - 22), 0)
    cleft = across**2 + np.maximum(38 - x, 0) ** 2 + beyond**2
    curve = 39 - 0.012 * (y + 5) ** 2
    insula = (x - curve + 0.8 * texture) ** 2 + np.maximum(np.abs(across - 1) - 8, 0) ** 2 + beyond**2
    return np.minimum(np.minimum(cleft, insula), 400)


def _flattened(points: Array, variation: Array, texture: Array) -> Array:
    """Draws points towards one depth below the surface, so that noise changes little along the way inwards.

    Sheets that are level sets of noise at these points run inwards from the surface as sulci do; the two
    noises bend them.
    """
    x, y, z = points
    center = np.stack([np.where(x < 0, -24, 24), np.clip(y, -58, 32), np.clip(z, -12, 14)]).astype(np.float32)
    radial = points - center
    radius = np.sqrt(np.sum(radial**2, axis=0)) + 1
    flattened = center + radial * (np.float32(46) / radius) ** np.float32(0.65)
    flattened[0] += 2.5 * variation
    flattened[1] += 2.5 * variation - 0.8 * texture
    flattened[2] += 0.8 * texture
    return flattened


def _folds(flattened: Array, wavelength: float, generator: np.random.Generator) -> Array:
    """Signed distance in mm to the sheets in the middle of the sulci.

    The zero crossings of narrow-band noise wind like sulci, half a wavelength apart.
    """
    noise = _smooth_noise(flattened, wavelength, 0.28, generator)
    slopes = np.gradient(noise, FIELD_SPACING)
    slope = np.sqrt(sum(value**2 for value in slopes) + np.float32((1.6 / wavelength) ** 2))
    return np.clip(noise / slope, -9, 9)


def _ventricles(points: Array, mirrored: Array, anatomy: Anatomy) -> Array:
    """Distance to the ventricles: lateral ones with their horns, the third and the fourth."""
    scale = anatomy.ventricle_scale
    side = 1 + np.float32(anatomy.ventricle_asymmetry) * np.tanh(points[0] / 4)
    # Ventricles that are large stay apart: only the septum is between them.
    lateral = np.stack([mirrored[0] - np.float32(5.4 * (scale - 1)), mirrored[1], mirrored[2]])
    horns = _tube(lateral, _LATERAL_VENTRICLE, scale * side)
    horns = _smooth_union(horns, _tube(mirrored, _TEMPORAL_HORN, 0.4 + 0.6 * scale * side), 3.0)
    third = _ellipsoid(points, (0, -11, -2), (0.8 + 1.7 * scale, 14, 11))
    fourth = _ellipsoid(points, (0, -47, -33), (5 + 2.5 * scale, 2.5 + 2 * scale, 10))
    return np.minimum(np.minimum(horns, third), fourth)


def _deep_gray_matter(mirrored: Array) -> Array:
    """Distance to caudate nucleus, lentiform nucleus and thalamus."""
    x, y, z = mirrored
    turned = np.stack([x - 0.30 * (y - 0), y + 0.30 * (x - 25), z])
    lentiform = _ellipsoid(turned, (25, 2, 2), (7, 17, 11))
    turned = np.stack([x + 0.35 * (y + 18), y, z])
    thalamus = _ellipsoid(turned, (11.5, -18, 8), (8.5, 15, 9.5))
    return np.minimum(np.minimum(_tube(mirrored, _CAUDATE), lentiform), thalamus)


def _sinuses(points: Array, mirrored: Array, texture: Array) -> Array:
    """Distance to the air in nose and sinuses."""
    ethmoid = _ellipsoid(mirrored, (6, 44, -42), (6.5, 24, 13))
    sphenoid = _ellipsoid(mirrored, (7, 6, -37), (6, 11, 8))
    frontal = _ellipsoid(mirrored, (9, 71, -14), (10, 5, 10))
    maxillary = _ellipsoid(mirrored, (29, 46, -68), (14, 16, 14))
    mastoid = _ellipsoid(mirrored, (53, -38, -44), (9, 11, 14)) + 2.5 * np.abs(texture)
    air = functools.reduce(np.minimum, (ethmoid, sphenoid, frontal, maxillary, mastoid))
    return air + 0.8 * texture


def _head_surface(points: Array, mirrored: Array, skull: Array, scalp: Array) -> Array:
    """Distance to the skin: the scalp over the skull, and the face, cheeks, ears and neck."""
    surface = skull - scalp
    face = _ellipsoid(points, (0, 32, -60), (60, 52, 58), 2.4)
    temporal = _ellipsoid(mirrored, (54, 14, -30), (22, 38, 36))
    neck = _tube(points, ((0.0, -38.0, -55.0, 52.0), (0.0, -40.0, -110.0, 58.0)))
    surface = functools.reduce(functools.partial(_smooth_union, width=16.0), (surface, face, temporal, neck))
    surface = _smooth_union(surface, _tube(points, _NOSE), 8.0)
    ear = _ellipsoid(mirrored, (80, -28, -34), (5, 13, 22))
    return _smooth_union(surface, ear, 8.0)


def _lesions(points: Array, lesions: tuple[Lesion, ...], roughness: Array) -> Array:
    """Distance to the nearest lesion."""
    distance = np.full(points.shape[1:], 50, np.float32)
    for lesion in lesions:
        border = _ellipsoid(points, lesion.center, lesion.radii) + np.float32(lesion.roughness) * roughness
        distance = np.minimum(distance, border)
    return distance


def _evaluate_fields(world: Array, anatomy: Anatomy, generator: np.random.Generator) -> Fields:
    """Evaluates the distance fields of all structures.

    Args:
        world: World coordinates in mm, [3, slices, rows, columns].
        anatomy: The head.
        generator: Source of the shapes' randomness.

    Returns:
        Fields of shape [slices, rows, columns], in mm unless they are noise.
    """
    points = _template_points(world, anatomy, generator)
    mirrored = np.stack([np.abs(points[0]), points[1], points[2]])
    variation = _smooth_noise(points, 34, 0.4, generator)
    texture = _smooth_noise(points, 13, 0.5, generator)

    convexity = _convexity(points)
    cerebrum = _cerebrum(convexity, mirrored)
    cerebellum = _cerebellum(points, mirrored)
    brainstem = _brainstem(mirrored)
    cavity = _cavity(convexity, mirrored, (cerebrum, cerebellum, brainstem)) - np.float32(
        anatomy.subarachnoid_gap
    )
    skull = cavity - np.float32(anatomy.skull_thickness) * (1 + 0.06 * variation)
    scalp = np.float32(anatomy.scalp_thickness) * (1 - 0.06 * variation)
    head = _head_surface(points, mirrored, skull, scalp)

    fissure = points[0] + 0.9 * variation
    fissure_end = _fissure_end(points)
    medial = np.where(fissure_end > 0, np.abs(fissure) + 3, 99)
    core = _ellipsoid(mirrored, (17, -12, 8), (25, 46, 22))
    # Folds run inwards from the convexity and the midline; seen from below they would be cut along.
    depth = np.minimum(-convexity, medial)
    fold_depth = depth - np.clip(anatomy.sulcal_depth * (1 + 0.45 * variation + 0.25 * texture), 2, 27)
    minor_fold_depth = depth - np.clip(2 + 4 * variation - 2 * texture, -2, 12)
    flattened = _flattened(points, variation, texture)
    fields = {
        "head": head,
        "skull": skull,
        "cavity": cavity,
        "cerebrum": cerebrum,
        "cerebellum": cerebellum,
        "brainstem": brainstem,
        "fissure": fissure,
        "fissure_end": fissure_end,
        "sylvian_squared": _sylvian_fissure(mirrored, variation, texture),
        "fold": _folds(flattened, anatomy.folding_wavelength, generator),
        "minor_fold": _folds(flattened, 0.7 * anatomy.folding_wavelength, generator),
        "minor_fold_depth": np.maximum(minor_fold_depth, -core),
        "fold_depth": np.maximum(fold_depth, -core),
        "ventricles": _ventricles(points, mirrored, anatomy),
        "deep_gray_matter": _deep_gray_matter(mirrored),
        "orbit": _tube(mirrored, _ORBIT),
        "globe": _ellipsoid(mirrored, (32, 58, -38), (12, 12, 12)),
        "orbit_strands": functools.reduce(
            np.minimum, (_tube(mirrored, nodes) for nodes in (_OPTIC_NERVE, _MEDIAL_RECTUS, _LATERAL_RECTUS))
        ),
        "sinuses": _sinuses(points, mirrored, texture),
        "folia": np.sqrt(points[0] ** 2 * 0.45 + (points[1] + 30) ** 2 + 2.2 * (points[2] + 30) ** 2)
        + texture,
        "lesions": _lesions(points, anatomy.lesions, 0.8 * variation + 0.4 * texture),
        "texture": texture,
        "variation": variation,
    }
    return {name: np.ascontiguousarray(field, dtype=np.float32) for name, field in fields.items()}


# -------------------------------------------------------------------------------------- from fields to voxels


def _interpolation_matrix(positions: Array, size: int) -> sparse.csr_array:
    """Catmull-Rom interpolation from `size` samples to `positions` (in samples), as a matrix.

    It is sparse not only for speed: a dense product would start BLAS threads in each worker process, and
    threads of several processes that wait for one another on a few cores are slower by far.
    """
    base = np.clip(np.floor(positions).astype(int), 1, size - 3)
    t = positions - base
    weights = (
        -0.5 * t + t**2 - 0.5 * t**3,
        1 - 2.5 * t**2 + 1.5 * t**3,
        0.5 * t + 2 * t**2 - 1.5 * t**3,
        -0.5 * t**2 + 0.5 * t**3,
    )
    columns = base[:, None] + np.arange(-1, 3)
    rows = np.broadcast_to(np.arange(len(positions))[:, None], columns.shape)
    entries = (np.stack(weights, axis=1).astype(np.float32).ravel(), (rows.ravel(), columns.ravel()))
    return sparse.coo_array(entries, shape=(len(positions), size)).tocsr()


class _Slab:
    """The fields at the voxels of a few neighboring slices, interpolated when they are asked for.

    Arrays are [rows, slices, columns] here: the order in which the products leave them.
    """

    def __init__(self, fields: Fields, matrices: tuple[sparse.csr_array, ...], resolution: float):
        """Takes the fields, interpolation matrices for slices, rows and columns, and the voxel size in mm."""
        self._range = slice(matrices[0].indices.min(), matrices[0].indices.max() + 1)
        self._fields = fields
        self._across = matrices[0][:, self._range]
        self._rows, self._columns = matrices[1:]
        self._resolution = np.float32(resolution)

    def __getitem__(self, name: str) -> Array:
        coarse = self._fields[name][self._range]
        slices, rows, columns = self._across.shape[0], coarse.shape[1], coarse.shape[2]
        values = (self._across @ coarse.reshape(len(coarse), -1)).reshape(slices, rows, columns)
        values = self._columns @ values.transpose(2, 0, 1).reshape(columns, -1)
        values = values.reshape(-1, slices, rows).transpose(2, 1, 0).reshape(rows, -1)
        return (self._rows @ values).reshape(self._rows.shape[0], slices, -1)

    def absent(self, name: str) -> bool:
        """Whether a structure lies entirely outside of these slices."""
        return self._fields[name][self._range].min() > 4

    def inside(self, distance: Array) -> Array:
        """Fraction of each voxel that lies inside a surface: partial volume over one voxel's width."""
        return np.clip(np.float32(0.5) - distance / self._resolution, 0, 1)


def _paint(signal: Array, value: Array | float, fraction: Array) -> None:
    """Covers a fraction of each voxel with another tissue, in place."""
    signal += fraction * (value - signal)


def _paint_soft_tissue(signal: Array, slab: _Slab, tissue: dict[str, float]) -> None:
    """Paints skin, fat, muscle and skull."""
    head, skull, cavity, texture = slab["head"], slab["skull"], slab["cavity"], slab["texture"]
    _paint(signal, tissue["skin"], slab.inside(head))
    _paint(signal, tissue["fat"] * (1 + 0.06 * texture), slab.inside(head + 1.5))
    # Below the subcutaneous fat lies muscle: the temporal muscle beside the skull, a mixture in the face.
    _paint(signal, tissue["muscle"] * (1 + 0.12 * texture), slab.inside(head + 6.5 + 1.5 * slab["variation"]))
    _paint(signal, tissue["cortical_bone"], slab.inside(skull))
    marrow = np.maximum(skull + 1.3, 1.2 - cavity) + 0.5 * np.maximum(texture, 0)
    _paint(signal, tissue["marrow"] * (1 + 0.25 * texture), slab.inside(marrow))


def _paint_face(signal: Array, slab: _Slab, tissue: dict[str, float]) -> None:
    """Paints orbits, globes and sinuses."""
    if not slab.absent("orbit"):
        orbit, globe = slab["orbit"], slab["globe"]
        orbit = np.maximum(orbit, slab["head"] + 3)
        _paint(signal, tissue["cortical_bone"], slab.inside(orbit - 1.2) * slab.inside(-slab["head"] - 8))
        _paint(signal, tissue["fat"], slab.inside(orbit))
        _paint(signal, tissue["muscle"] * 1.2, slab.inside(slab["orbit_strands"]) * slab.inside(orbit))
        _paint(signal, tissue["muscle"] * 1.3, slab.inside(globe))
        _paint(signal, tissue["vitreous"], slab.inside(globe + 1.3))
    if not slab.absent("sinuses"):
        sinuses = np.maximum(slab["sinuses"], 2.0 - slab["cavity"])
        _paint(signal, tissue["mucosa"], slab.inside(sinuses - 1.2))
        _paint(signal, tissue["air"], slab.inside(sinuses))


def _pial_distance(slab: _Slab, anatomy: Anatomy, cerebrum: Array) -> Array:
    """Distance in mm from the nearest pial surface, positive in the brain: hull, fissures and sulci."""
    fold = np.sqrt(slab["fold"] ** 2 + np.maximum(slab["fold_depth"], 0) ** 2)
    minor_fold = np.sqrt(slab["minor_fold"] ** 2 + np.maximum(slab["minor_fold_depth"], 0) ** 2)
    # Sulci gape at the surface, some more than others.
    gape = 1 + 0.9 * np.exp(np.minimum(cerebrum, 0) / 3.5) + 0.25 * slab["variation"]
    fold = np.minimum(fold, minor_fold + 0.15) - np.float32(anatomy.sulcal_width) * gape
    fissure = np.sqrt(slab["fissure"] ** 2 + np.maximum(-slab["fissure_end"], 0) ** 2)
    fissure -= np.float32(0.5 + anatomy.sulcal_width)
    sylvian = np.sqrt(np.maximum(slab["sylvian_squared"], 0)) - np.float32(0.5 + 1.3 * anatomy.sulcal_width)
    return np.minimum(np.minimum(-cerebrum, fold), np.minimum(fissure, sylvian))


def _paint_cerebrum(signal: Array, slab: _Slab, anatomy: Anatomy, tissue: dict[str, float]) -> None:
    """Paints the cavity's fluid, then cortex, white matter, deep nuclei."""
    _paint(signal, tissue["cerebrospinal_fluid"], slab.inside(slab["cavity"]))
    if slab.absent("cerebrum"):
        return
    cerebrum = slab["cerebrum"]
    variation = slab["variation"]
    pial = _pial_distance(slab, anatomy, cerebrum)
    _paint(signal, tissue["gray_matter"] * (1 + 0.04 * variation), slab.inside(-pial))
    # White matter is a little brighter around the ventricles.
    halo = np.exp(np.minimum(-slab["ventricles"], 0) / 5)
    white = tissue["white_matter"] * (1 + 0.03 * variation + 0.15 * halo)
    _paint(signal, white, slab.inside(np.float32(anatomy.cortical_thickness) - pial))
    if not slab.absent("deep_gray_matter"):
        _paint(signal, tissue["deep_gray_matter"], slab.inside(slab["deep_gray_matter"]) * 0.9)


def _paint_hindbrain(signal: Array, slab: _Slab, tissue: dict[str, float]) -> None:
    """Paints the cerebellum with its folia, and the brainstem."""
    if not slab.absent("cerebellum"):
        cerebellum = slab["cerebellum"]
        _paint(signal, tissue["cerebellar_cortex"], slab.inside(cerebellum))
        groove = np.maximum(np.cos(slab["folia"] * np.float32(2 * math.pi / 5.5)) - 0.45, 0) * 1.2
        groove *= slab.inside(cerebellum + 0.5) * slab.inside(-cerebellum - 10)
        _paint(signal, tissue["cerebrospinal_fluid"], groove * 0.75)
        core = cerebellum + 11 + 2.5 * slab["texture"]
        _paint(signal, tissue["white_matter"], np.clip(0.5 - core / 3, 0, 1))
    if not slab.absent("brainstem"):
        _paint(signal, tissue["white_matter"] * 1.03, slab.inside(slab["brainstem"]))


def _paint_lesions(signal: Array, slab: _Slab, anatomy: Anatomy, tissue: dict[str, float]) -> Array:
    """Paints lesions and, over them, the ventricles; returns the fraction of lesion in each voxel."""
    fraction = np.zeros_like(signal)
    ventricles = slab["ventricles"]
    if anatomy.lesions and not slab.absent("lesions"):
        distance = slab["lesions"]
        brain = slab.inside(slab["cerebrum"] + 2) * slab.inside(-ventricles)
        fraction = slab.inside(distance) * brain
        # Lesions fade into the white matter over a few mm.
        blend = np.clip(0.5 - distance / 3, 0, 1) * brain
        value = tissue["lesion"] * (1 + 0.05 * slab["texture"])
        _paint(signal, value, blend * (signal > 0.5 * tissue["white_matter"]))
        necrosis = min(lesion.necrosis for lesion in anatomy.lesions)
        if math.isfinite(necrosis):
            _paint(signal, tissue["necrosis"], np.clip(0.5 - (distance + necrosis) / 3, 0, 1) * brain)
    _paint(signal, tissue["cerebrospinal_fluid"], slab.inside(ventricles))
    return fraction


def _paint_slab(slab: _Slab, anatomy: Anatomy, tissue: dict[str, float]) -> tuple[Array, Array]:
    """Paints all tissues of a slab; returns signal and lesion fraction."""
    signal = np.zeros_like(slab["head"])
    _paint_soft_tissue(signal, slab, tissue)
    _paint_face(signal, slab, tissue)
    _paint_cerebrum(signal, slab, anatomy, tissue)
    _paint_hindbrain(signal, slab, tissue)
    fraction = _paint_lesions(signal, slab, anatomy, tissue)
    return signal, fraction


# ------------------------------------------------------------------------------------------------ acquisition


def _field_of_view(anatomy: Anatomy, scanner: Scanner) -> tuple[Array, tuple[int, int, int]]:
    """Fits the acquisition around the head.

    Returns:
        The 4x4 affine from (column, row, slice) to world RAS in mm, and the numbers of columns, rows, slices.
    """
    axes = Rotation.from_euler("xyz", scanner.obliquity, degrees=True).as_matrix()
    head = Rotation.from_euler("xyz", anatomy.tilt, degrees=True).as_matrix() * np.array(anatomy.head_scale)
    # An ellipsoid around the head, which the taper widens behind; neck and chin are cut off, as usual.
    center = head @ np.array([0, -8, 12]) + anatomy.position
    radii = np.array([89 * (1 + 75 * anatomy.taper), 121, 92])
    radii += anatomy.scalp_thickness + anatomy.skull_thickness - 14
    extent = np.linalg.norm((head * radii).T @ axes, axis=0) + 3
    middle = axes.T @ center
    low, high = middle - extent, middle + extent
    low[2] = middle[2] - 72
    shape = np.ceil((high - low) / scanner.voxel_size).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes * scanner.voxel_size
    affine[:3, 3] = axes @ (low + 0.5 * np.array(scanner.voxel_size))
    return affine, tuple(shape.tolist())


def _coarse_grid(affine: Array, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> Array:
    """World coordinates in mm of the grid on which the fields are evaluated, [3, slices, rows, columns].

    It starts two of its points before the first voxel's edge and ends two behind the last one's.
    """
    sizes = [
        math.ceil(count * size / FIELD_SPACING) + 5 for count, size in zip(shape, voxel_size, strict=True)
    ]
    axes = (affine[:3, :3] / np.array(voxel_size)).astype(np.float32)
    origin = affine[:3, 3] - axes @ (0.5 * np.array(voxel_size) + 2 * FIELD_SPACING)
    steps = np.meshgrid(
        *(np.arange(size, dtype=np.float32) * np.float32(FIELD_SPACING) for size in reversed(sizes)),
        indexing="ij",
        sparse=True,
    )
    # The loop is over world axes; meshgrid's are slices, rows, columns: the affine's columns in reverse.
    return np.stack(
        [
            sum(axes[row, 2 - axis] * step for axis, step in enumerate(steps)) + np.float32(origin[row])
            for row in range(3)
        ]
    )


def _bias_field(shape: tuple[int, int, int], coefficients: tuple[float, ...], start: int, stop: int) -> Array:
    """The receive coil's smooth sensitivity in some slices of a volume of shape [slices, rows, columns]."""
    z, y, x = (np.linspace(-1, 1, size, dtype=np.float32) for size in shape)
    z, y, x = z[start:stop, None, None], y[None, :, None], x[None, None, :]
    terms = (z, y, x, z * z, y * y, x * x, z * y, z * x, y * x)
    return np.exp(sum(np.float32(value) * term for value, term in zip(coefficients, terms, strict=True)))


def _acquire(
    fields: Fields,
    anatomy: Anatomy,
    scanner: Scanner,
    shape: tuple[int, int, int],
    generator: np.random.Generator,
) -> tuple[Array, Array]:
    """Scans the head slab by slab.

    Args:
        fields: Distance fields on the coarse grid.
        anatomy: The head.
        scanner: Its acquisition.
        shape: Columns, rows and slices.
        generator: Source of the noise.

    Returns:
        Stored values, int16, and lesion mask, uint8, both [slices, rows, columns].
    """
    tissue = SIGNAL | {"fat": SIGNAL["fat"] * scanner.fat_signal}
    columns, rows, slices = shape
    # A thick slice is the mean of thin ones: that is what partial volume is.
    parts = math.ceil(scanner.voxel_size[2] / 1.6)
    coarse = next(iter(fields.values())).shape
    positions = [
        (np.arange(count) + 0.5) * size / FIELD_SPACING + 2
        for count, size in (
            (slices * parts, scanner.voxel_size[2] / parts),
            (rows, scanner.voxel_size[1]),
            (columns, scanner.voxel_size[0]),
        )
    ]
    across, down, along = (_interpolation_matrix(p, n) for p, n in zip(positions, coarse, strict=True))
    values = np.empty((slices, rows, columns), np.int16)
    mask = np.empty((slices, rows, columns), np.uint8)
    step = max(1, 8 // parts)
    for start in range(0, slices, step):
        stop = min(start + step, slices)
        slab = _Slab(fields, (across[start * parts : stop * parts], down, along), 1.1 * scanner.voxel_size[0])
        signal, fraction = (
            fine.reshape(rows, stop - start, parts, columns).mean(axis=2).transpose(1, 0, 2)
            for fine in _paint_slab(slab, anatomy, tissue)
        )
        signal = signal * _bias_field((slices, rows, columns), scanner.bias, start, stop)
        noise = np.float32(scanner.noise) * generator.standard_normal((2, *signal.shape), dtype=np.float32)
        magnitude = np.sqrt((signal + noise[0]) ** 2 + noise[1] ** 2)
        values[start:stop] = np.rint(np.minimum(magnitude * np.float32(scanner.peak), 32767))
        mask[start:stop] = fraction > 0.5
    return values, mask


def _to_image(values: Array, affine: Array, orientation: str) -> nibabel.Nifti1Image:
    """Makes a NIfTI image of [slices, rows, columns], stored in the given axis order."""
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine, dtype=values.dtype)
    image = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(orientation)))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    return image


def draw_phantom(subject: int, seed: int = 0) -> Phantom:
    """Draws one subject.

    Args:
        subject: Number of the subject; 1 is "phantom001".
        seed: Seed of the whole data set.

    Returns:
        The same phantom for the same arguments, always.
    """
    _, _, shapes, thermal = _generators(seed, subject)
    anatomy, scanner = draw_anatomy(subject, seed), draw_scanner(subject, seed)
    affine, shape = _field_of_view(anatomy, scanner)
    world = _coarse_grid(affine, shape, scanner.voxel_size)
    fields = _evaluate_fields(world, anatomy, shapes)
    values, mask = _acquire(fields, anatomy, scanner, shape, thermal)
    return Phantom(
        subject=f"phantom{subject:03d}",
        image=_to_image(values, affine, scanner.orientation),
        lesion_mask=_to_image(mask, affine, scanner.orientation),
        age=anatomy.age,
        sex=anatomy.sex,
        lesions=len(anatomy.lesions),
    )


# ------------------------------------------------------------------------------------------------- data set


def _write_image(image: nibabel.Nifti1Image, path: Path) -> None:
    """Writes NIfTI, lightly compressed and without a time stamp, so that equal images are equal files."""
    path.parent.mkdir(parents=True)
    with path.open("wb") as file, gzip.GzipFile("", "wb", compresslevel=1, fileobj=file, mtime=0) as packed:
        packed.write(image.to_bytes())


def _write_subject(directory: Path, seed: int, subject: int) -> str:
    """Writes one subject's files; returns its line of participants.tsv."""
    phantom = draw_phantom(subject, seed)
    name = f"sub-{phantom.subject}"
    _write_image(phantom.image, directory / name / "anat" / f"{name}_FLAIR.nii.gz")
    derivative = directory / "derivatives" / "lesion" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
    _write_image(phantom.lesion_mask, derivative)
    return f"{name}\t{phantom.age}\t{phantom.sex}\t{phantom.lesions}\n"


def _write_all(write: Callable[[int], str], subjects: int, num_workers: int, progress: bool) -> list[str]:
    """Writes every subject, in processes if there are several workers, and returns their lines in order."""
    numbers = range(1, subjects + 1)
    bar = functools.partial(tqdm, total=subjects, desc="drawing phantoms", leave=False, disable=not progress)
    if num_workers == 1:
        return list(bar(map(write, numbers)))
    # Processes are spawned, not forked: a fork of a process that runs TensorFlow can hang.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(num_workers, mp_context=context) as pool:
        return list(bar(pool.map(write, numbers)))


def write_phantoms(
    directory: str | os.PathLike,
    subjects: int = 32,
    seed: int = 0,
    num_workers: int | None = None,
    progress: bool = True,
) -> None:
    """Writes a BIDS data set of phantoms with their lesion masks.

    The data set appears under its name only when it is complete.

    With several workers, a script that calls this needs the usual `if __name__ == "__main__":`, as with
    all of Python's spawned processes.

    Args:
        directory: Where to write it; must not exist.
        subjects: How many subjects; each is the same whatever their number.
        seed: Seed of the whole data set.
        num_workers: Processes to draw with; by default one for each core.
        progress: Whether to show a progress bar.

    Raises:
        FileExistsError: If `directory` exists.
    """
    directory = Path(directory).absolute()
    if directory.exists():
        raise FileExistsError(f"{directory} exists already; remove it or name another folder")
    num_workers = max(1, min(num_workers or os.cpu_count() or 1, subjects))
    unfinished = directory.with_name(f".{directory.name}.unfinished-{os.getpid()}")
    unfinished.mkdir(parents=True)
    try:
        lines = _write_all(
            functools.partial(_write_subject, unfinished, seed), subjects, num_workers, progress
        )
        (unfinished / "participants.tsv").write_text("participant_id\tage\tsex\tlesions\n" + "".join(lines))
        description = {"Name": "mrisynth head phantoms", "BIDSVersion": "1.9.0", "DatasetType": "raw"}
        (unfinished / "dataset_description.json").write_text(json.dumps(description, indent=2) + "\n")
        unfinished.rename(directory)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
