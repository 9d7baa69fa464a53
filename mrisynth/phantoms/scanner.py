"""The scanner: where the voxels lie, how the coil and its noise change the signal, and what is stored."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import nibabel
import numpy as np
from nibabel.orientations import axcodes2ornt, io_orientation, ornt_transform
from scipy.spatial.transform import Rotation

from mrisynth.phantoms.anatomy import Anatomy, random_streams
from mrisynth.phantoms.contrast import CONTRASTS, FLAIR, Contrast, paint
from mrisynth.phantoms.structures import FIELD_SPACING, Array, Fields
from mrisynth.phantoms.tissues import Slab, interpolation_matrix, lesion_fraction, tissue_layers

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
class Scanner:
    """How one head is acquired.

    Attributes:
        voxel_size: mm, in plane and along the slices.
        obliquity: Rotation of the acquisition against the world's axes, degrees about x, y and z.
        orientation: nibabel axis codes of the stored array.
        peak: Stored value of a signal of 1.
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


def draw_scanner(subject: int, seed: int = 0) -> Scanner:
    """Samples how one subject is acquired, by its number and the data set's seed; in mm and degrees."""
    generator = random_streams(subject, seed).scanner
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


def field_of_view(anatomy: Anatomy, scanner: Scanner) -> tuple[Array, tuple[int, int, int]]:
    """Fits the acquisition around the head.

    Args:
        anatomy: The head.
        scanner: Voxel size and obliquity of the acquisition.

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


def coarse_grid(affine: Array, shape: tuple[int, int, int], voxel_size: tuple[float, float, float]) -> Array:
    """Lays the grid on which the distance fields are evaluated along the axes of the acquisition.

    It starts two of its points before the first voxel's edge and ends two behind the last one's.

    Args:
        affine: From (column, row, slice) to world RAS in mm, [4, 4].
        shape: Columns, rows and slices of voxels.
        voxel_size: Their size in mm, in the same order.

    Returns:
        World coordinates in mm, float32 [3, slices, rows, columns].
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


def _sequence(contrast: str, scanner: Scanner) -> Contrast:
    """A contrast as this scanner's sequence has it."""
    table = CONTRASTS[contrast]
    fat = table.signals["fat"] * scanner.fat_signal
    return dataclasses.replace(table, signals={**table.signals, "fat": fat})


def _thick(thin: Array, parts: int) -> Array:
    """Means of `parts` neighboring thin slices, [rows, slices, columns], as [slices, rows, columns]."""
    rows, _, columns = thin.shape
    return thin.reshape(rows, -1, parts, columns).mean(axis=2).transpose(1, 0, 2)


def _stored(signal: Array, scanner: Scanner, generator: np.random.Generator) -> Array:
    """Adds the receiver's noise to the signal and gives the magnitude as it is stored."""
    noise = np.float32(scanner.noise) * generator.standard_normal((2, *signal.shape), dtype=np.float32)
    magnitude = np.sqrt((signal + noise[0]) ** 2 + noise[1] ** 2)
    return np.rint(np.minimum(magnitude * np.float32(scanner.peak), 32767))


def acquire(
    fields: Fields,
    anatomy: Anatomy,
    scanner: Scanner,
    shape: tuple[int, int, int],
    noises: Mapping[str, np.random.Generator],
) -> tuple[dict[str, Array], Array]:
    """Scans the head in one or several contrasts, slab by slab.

    Args:
        fields: Distance fields on the grid of `coarse_grid`.
        anatomy: The head.
        scanner: Its acquisition.
        shape: Columns, rows and slices.
        noises: Source of the noise of every contrast, by its BIDS suffix.

    Returns:
        Stored values of every contrast, int16, and lesion mask, uint8, all [slices, rows, columns].
    """
    # FLAIR is painted in any case, as it says where fluid is.
    contrasts = {name: _sequence(name, scanner) for name in (FLAIR, *noises)}
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
    across, down, along = (interpolation_matrix(p, n) for p, n in zip(positions, coarse, strict=True))
    values = {name: np.empty((slices, rows, columns), np.int16) for name in noises}
    mask = np.empty((slices, rows, columns), np.uint8)
    step = max(1, 8 // parts)
    for start in range(0, slices, step):
        stop = min(start + step, slices)
        slab = Slab(fields, (across[start * parts : stop * parts], down, along), 1.1 * scanner.voxel_size[0])
        painted = paint(tissue_layers(slab, anatomy), contrasts, slab.shape)
        bias = _bias_field((slices, rows, columns), scanner.bias, start, stop)
        for name, generator in noises.items():
            values[name][start:stop] = _stored(_thick(painted[name], parts) * bias, scanner, generator)
        mask[start:stop] = _thick(lesion_fraction(slab, anatomy), parts) > 0.5
    return values, mask


def to_image(values: Array, affine: Array, orientation: str) -> nibabel.Nifti1Image:
    """Makes a NIfTI image of voxels [slices, rows, columns], stored along nibabel's axis codes."""
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), affine, dtype=values.dtype)
    image = image.as_reoriented(ornt_transform(io_orientation(affine), axcodes2ornt(orientation)))
    image.header.set_xyzt_units("mm")
    image.set_sform(image.affine, code=1)
    image.set_qform(image.affine, code=1)
    return image
