"""Distance fields of every structure of a head, in template space.

A distance is in mm and negative inside of its structure, as everywhere in computer graphics. The fields are
smooth, so they are evaluated on a coarse grid and interpolated to voxels later.
"""

from __future__ import annotations

import functools
import itertools
import math

import numpy as np
from scipy import fft, ndimage
from scipy.spatial.transform import Rotation

from mrisynth.phantoms.anatomy import LATERAL_VENTRICLE, Anatomy, Lesion

Array = np.ndarray
Fields = dict[str, np.ndarray]

# Spacing in mm of the grid on which distances are evaluated; they are smooth enough to be interpolated.
FIELD_SPACING = 2.2


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
    """Distance to an ellipsoid, exact to first order near its surface; exponents above 2 make it boxier."""
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
    """Distance to a tube along a polyline, of nodes (x, y, z, radius) in mm, the radii times a scale."""
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
    """Gaussian noise of unit variance, of wavelengths in a band around one, whose width is relative to it."""
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


# Right-hand structures (x, y, z, radius) in mm; the left ones are their mirror images.
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
    horns = _tube(lateral, LATERAL_VENTRICLE, scale * side)
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


def _sinuses(mirrored: Array, texture: Array) -> Array:
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


def evaluate_fields(world: Array, anatomy: Anatomy, generator: np.random.Generator) -> Fields:
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
        "sinuses": _sinuses(mirrored, texture),
        "folia": np.sqrt(points[0] ** 2 * 0.45 + (points[1] + 30) ** 2 + 2.2 * (points[2] + 30) ** 2)
        + texture,
        "lesions": _lesions(points, anatomy.lesions, 0.8 * variation + 0.4 * texture),
        "texture": texture,
        "variation": variation,
    }
    return {name: np.ascontiguousarray(field, dtype=np.float32) for name, field in fields.items()}
