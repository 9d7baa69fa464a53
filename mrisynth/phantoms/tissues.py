"""Tissues at the voxels: which ones cover a voxel, and how much of it, in the order in which they overlap.

Nothing here knows a contrast. A layer says where a tissue lies; `mrisynth.phantoms.contrast` says how bright
it is.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator

import numpy as np
from scipy import sparse

from mrisynth.phantoms.anatomy import Anatomy
from mrisynth.phantoms.structures import Array, Fields


@dataclasses.dataclass(frozen=True)
class Layer:
    """One tissue, laid over those before it.

    Attributes:
        tissue: Its name in a contrast's table of signals.
        fraction: Part of each voxel that it covers, float32 [rows, slices, columns] in [0, 1].
        texture: Factor on its signal, 1 on average, for each voxel or for all.
        halo: How near the ventricles a voxel is, from 0 to 1; contrasts are brighter or darker there.
        spares_fluid: Whether it covers only tissue and leaves fluid as it is.
    """

    tissue: str
    fraction: Array
    texture: Array | float = 1.0
    halo: Array | float = 0.0
    spares_fluid: bool = False


def interpolation_matrix(positions: Array, size: int) -> sparse.csr_array:
    """Makes the matrix of a Catmull-Rom interpolation along one axis.

    It is sparse not only for speed: a dense product would start BLAS threads in each worker process, and
    threads of several processes that wait for one another on a few cores are slower by far.

    Args:
        positions: Where the values are wanted, in samples, [n].
        size: Number of samples.

    Returns:
        A matrix of shape [n, size], float32.
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


class Slab:
    """The fields at the voxels of a few neighboring slices, interpolated when they are asked for.

    Arrays are [rows, slices, columns] here: the order in which the products leave them.

    Args:
        fields: Distance fields on the coarse grid, [slices, rows, columns].
        matrices: Interpolation matrices for slices, rows and columns.
        resolution: Width in mm over which a surface is blurred, about a voxel's.

    Attributes:
        shape: Rows, slices and columns of voxels.
    """

    def __init__(self, fields: Fields, matrices: tuple[sparse.csr_array, ...], resolution: float):
        self._range = slice(matrices[0].indices.min(), matrices[0].indices.max() + 1)
        self._fields = fields
        self._across = matrices[0][:, self._range]
        self._rows, self._columns = matrices[1:]
        self._resolution = np.float32(resolution)
        self._interpolated: Fields = {}
        self.shape = (self._rows.shape[0], self._across.shape[0], self._columns.shape[0])

    def __getitem__(self, name: str) -> Array:
        """Gives a field at the voxels; it is not to be changed."""
        if name not in self._interpolated:
            self._interpolated[name] = self._interpolate(name)
        return self._interpolated[name]

    def _interpolate(self, name: str) -> Array:
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


def tissue_layers(slab: Slab, anatomy: Anatomy) -> Iterator[Layer]:
    """Lists all tissues of a slab, from the skin to the ventricles; a later one covers those before it."""
    yield from _soft_tissue(slab)
    yield from _face(slab)
    yield from _cerebrum(slab, anatomy)
    yield from _hindbrain(slab)
    yield from _lesions(slab, anatomy)
    yield Layer("cerebrospinal_fluid", slab.inside(slab["ventricles"]))


def lesion_fraction(slab: Slab, anatomy: Anatomy) -> Array:
    """How much of each voxel lies in a lesion, from 0 to 1, float32 [rows, slices, columns]."""
    if not _has_lesions(slab, anatomy):
        return np.zeros(slab.shape, np.float32)
    return slab.inside(slab["lesions"]) * _lesion_room(slab)


def _soft_tissue(slab: Slab) -> Iterator[Layer]:
    """Skin, fat, muscle and skull."""
    head, skull, cavity, texture = slab["head"], slab["skull"], slab["cavity"], slab["texture"]
    yield Layer("skin", slab.inside(head))
    yield Layer("fat", slab.inside(head + 1.5), 1 + 0.06 * texture)
    # Below the subcutaneous fat lies muscle: the temporal muscle beside the skull, a mixture in the face.
    yield Layer("muscle", slab.inside(head + 6.5 + 1.5 * slab["variation"]), 1 + 0.12 * texture)
    yield Layer("cortical_bone", slab.inside(skull))
    marrow = np.maximum(skull + 1.3, 1.2 - cavity) + 0.5 * np.maximum(texture, 0)
    yield Layer("marrow", slab.inside(marrow), 1 + 0.25 * texture)


def _face(slab: Slab) -> Iterator[Layer]:
    """Orbits, globes and sinuses."""
    if not slab.absent("orbit"):
        orbit, globe = slab["orbit"], slab["globe"]
        orbit = np.maximum(orbit, slab["head"] + 3)
        yield Layer("cortical_bone", slab.inside(orbit - 1.2) * slab.inside(-slab["head"] - 8))
        yield Layer("fat", slab.inside(orbit))
        yield Layer("muscle", slab.inside(slab["orbit_strands"]) * slab.inside(orbit), 1.2)
        yield Layer("muscle", slab.inside(globe), 1.3)
        yield Layer("vitreous", slab.inside(globe + 1.3))
    if not slab.absent("sinuses"):
        sinuses = np.maximum(slab["sinuses"], 2.0 - slab["cavity"])
        yield Layer("mucosa", slab.inside(sinuses - 1.2))
        yield Layer("air", slab.inside(sinuses))


def _pial_distance(slab: Slab, anatomy: Anatomy, cerebrum: Array) -> Array:
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


def _cerebrum(slab: Slab, anatomy: Anatomy) -> Iterator[Layer]:
    """The cavity's fluid, then cortex, white matter and deep nuclei."""
    yield Layer("cerebrospinal_fluid", slab.inside(slab["cavity"]))
    if slab.absent("cerebrum"):
        return
    cerebrum = slab["cerebrum"]
    variation = slab["variation"]
    pial = _pial_distance(slab, anatomy, cerebrum)
    yield Layer("gray_matter", slab.inside(-pial), 1 + 0.04 * variation)
    halo = np.exp(np.minimum(-slab["ventricles"], 0) / 5)
    white_matter = slab.inside(np.float32(anatomy.cortical_thickness) - pial)
    yield Layer("white_matter", white_matter, 1 + 0.03 * variation, halo)
    if not slab.absent("deep_gray_matter"):
        yield Layer("deep_gray_matter", slab.inside(slab["deep_gray_matter"]) * 0.9)


def _hindbrain(slab: Slab) -> Iterator[Layer]:
    """The cerebellum with its folia, and the brainstem."""
    if not slab.absent("cerebellum"):
        cerebellum = slab["cerebellum"]
        yield Layer("cerebellar_cortex", slab.inside(cerebellum))
        groove = np.maximum(np.cos(slab["folia"] * np.float32(2 * math.pi / 5.5)) - 0.45, 0) * 1.2
        groove *= slab.inside(cerebellum + 0.5) * slab.inside(-cerebellum - 10)
        yield Layer("cerebrospinal_fluid", groove * 0.75)
        core = cerebellum + 11 + 2.5 * slab["texture"]
        yield Layer("white_matter", np.clip(0.5 - core / 3, 0, 1))
    if not slab.absent("brainstem"):
        yield Layer("white_matter", slab.inside(slab["brainstem"]), 1.03)


def _has_lesions(slab: Slab, anatomy: Anatomy) -> bool:
    """Whether the subject has lesions that may reach into these slices."""
    return bool(anatomy.lesions) and not slab.absent("lesions")


def _lesion_room(slab: Slab) -> Array:
    """Fraction of each voxel that lesions can fill: the cerebrum, less its surface and the ventricles."""
    return slab.inside(slab["cerebrum"] + 2) * slab.inside(-slab["ventricles"])


def _lesions(slab: Slab, anatomy: Anatomy) -> Iterator[Layer]:
    """Lesions, which fade into the white matter over a few mm, and their necrotic cores."""
    if not _has_lesions(slab, anatomy):
        return
    distance, room = slab["lesions"], _lesion_room(slab)
    blend = np.clip(0.5 - distance / 3, 0, 1) * room
    yield Layer("lesion", blend, 1 + 0.05 * slab["texture"], spares_fluid=True)
    necrosis = min(lesion.necrosis for lesion in anatomy.lesions)
    if math.isfinite(necrosis):
        yield Layer("necrosis", np.clip(0.5 - (distance + necrosis) / 3, 0, 1) * room)
