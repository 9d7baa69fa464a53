import dataclasses

import numpy as np
import pytest

from mrisynth.phantoms.anatomy import draw_anatomy, random_streams
from mrisynth.phantoms.structures import evaluate_fields
from mrisynth.phantoms.tissues import Slab, interpolation_matrix, lesion_fraction, tissue_layers

SIZE = 60


@pytest.fixture(scope="module")
def slab():
    """Slices through the ventricles of a subject with lesions, with voxels as large as the grid's."""
    subject = next(s for s in range(1, 33) if len(draw_anatomy(s).lesions) > 2)
    anatomy = draw_anatomy(subject)
    axis = np.arange(-90, 90, 180 / SIZE, dtype=np.float32)
    z, y, x = np.meshgrid(np.arange(0, 39, 3, dtype=np.float32), axis - 15, axis, indexing="ij")
    fields = evaluate_fields(np.stack([x, y, z]), anatomy, random_streams(subject, 0).shapes)
    slices, plane = (
        interpolation_matrix(np.arange(2, 10.0), 13),
        interpolation_matrix(np.arange(1, 58.0), SIZE),
    )
    return Slab(fields, (slices, plane, plane), 3.3), anatomy, fields


def test_interpolation_is_exact_for_parabolas():
    positions = np.array([2.0, 2.5, 3.25, 5.75])
    samples = np.arange(9.0)
    matrix = interpolation_matrix(positions, 9)
    np.testing.assert_allclose(matrix @ (samples**2 - 3 * samples), positions**2 - 3 * positions, rtol=1e-5)


def test_slab_gives_the_fields_at_the_voxels_as_rows_slices_columns(slab):
    slab, _, fields = slab
    assert slab.shape == (57, 8, 57)
    expected = fields["head"][2:10, 1:58, 1:58].transpose(1, 0, 2)
    np.testing.assert_allclose(slab["head"], expected, rtol=1e-5, atol=1e-4)


def test_half_of_a_voxel_lies_inside_where_a_surface_cuts_its_center(slab):
    np.testing.assert_allclose(
        slab[0].inside(np.array([0, -1.65, 1.65, -9, 9])), [0.5, 1, 0, 1, 0], atol=1e-6
    )


def test_layers_cover_parts_of_voxels_and_name_every_tissue_of_these_slices(slab):
    slab, anatomy, _ = slab
    layers = list(tissue_layers(slab, anatomy))
    for layer in layers:
        assert layer.fraction.shape == slab.shape
        assert layer.fraction.min() >= 0
        assert layer.fraction.max() <= 1
    names = {layer.tissue for layer in layers if layer.fraction.max() > 0.5}
    assert names >= {"skin", "fat", "muscle", "cortical_bone", "marrow", "cerebrospinal_fluid", "gray_matter"}
    assert names >= {"white_matter", "deep_gray_matter", "lesion"}
    assert layers[-1].tissue == "cerebrospinal_fluid"


def test_lesions_lie_in_the_cerebrum_and_outside_of_the_ventricles(slab):
    slab, anatomy, _ = slab
    fraction = lesion_fraction(slab, anatomy)
    assert fraction.max() > 0.9
    assert slab["cerebrum"][fraction > 0.5].max() < 0
    assert slab["ventricles"][fraction > 0.5].min() > 0


def test_healthy_subject_has_no_lesions(slab):
    slab, anatomy, _ = slab
    healthy = dataclasses.replace(anatomy, lesions=())
    assert not lesion_fraction(slab, healthy).any()
    assert "lesion" not in {layer.tissue for layer in tissue_layers(slab, healthy)}
