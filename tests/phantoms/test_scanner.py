import math

import nibabel
import numpy as np
import pytest
from nibabel.affines import obliquity, voxel_sizes

from mrisynth.phantoms import scanner as scanners
from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.scanner import draw_scanner

SUBJECTS = range(1, 33)


def test_settings_follow_from_seed_and_subject():
    assert draw_scanner(5, seed=3) == draw_scanner(5, seed=3)
    assert draw_scanner(5, seed=3) != draw_scanner(5, seed=4)


def test_acquisitions_differ():
    scanners = [draw_scanner(s) for s in SUBJECTS]
    anisotropic = [s for s in scanners if s.voxel_size[2] > 1.4 * s.voxel_size[0]]
    oblique = [s for s in scanners if max(np.abs(s.obliquity)) > 3]
    assert len(anisotropic) >= 8
    assert any(s.voxel_size == (1.0, 1.0, 1.0) for s in scanners)
    assert 4 <= len(oblique) <= 24
    assert len({s.orientation for s in scanners}) >= 4
    assert max(s.peak for s in scanners) > 4 * min(s.peak for s in scanners)


def test_voxels_lie_amid_the_grid_of_the_distance_fields():
    anatomy, scanner = draw_anatomy(4), draw_scanner(4)
    affine, shape = scanners.field_of_view(anatomy, scanner)
    grid = scanners.coarse_grid(affine, shape, scanner.voxel_size)
    voxels = nibabel.affines.apply_affine(np.linalg.inv(affine), np.moveaxis(grid, 0, -1)).transpose(
        2, 1, 0, 3
    )
    for axis in range(3):
        along = np.unique(voxels[..., axis].round(2))
        step = scanners.FIELD_SPACING / scanner.voxel_size[axis]
        assert along[0] == pytest.approx(-0.5 - 2 * step, abs=0.02)
        assert along[-1] >= shape[axis] - 0.5 + 2 * step - 0.02


def test_bias_field_of_a_slab_is_that_of_the_volume():
    coefficients = tuple(np.linspace(-0.1, 0.1, 9))
    whole = scanners._bias_field((7, 5, 3), coefficients, 0, 7)
    np.testing.assert_array_equal(scanners._bias_field((7, 5, 3), coefficients, 2, 4), whole[2:4])
    assert whole[3, 2, 1] == 1  # The polynomial is zero in the middle.


def test_header_describes_the_acquisition(healthy):
    number, subject = healthy
    scanner = draw_scanner(number)
    image = subject.images["FLAIR"]
    assert subject.subject == f"phantom{number:03d}"
    assert image.get_data_dtype() == np.int16
    assert subject.lesion_mask.get_data_dtype() == np.uint8
    np.testing.assert_allclose(sorted(voxel_sizes(image.affine)), sorted(scanner.voxel_size), rtol=1e-5)
    np.testing.assert_allclose(subject.lesion_mask.affine, image.affine)
    assert "".join(nibabel.aff2axcodes(image.affine)) == scanner.orientation
    assert np.rad2deg(obliquity(image.affine)).max() > 2
    np.testing.assert_allclose(image.get_qform(), image.affine, atol=1e-4)
    origin = np.linalg.inv(image.affine)[:3, 3] / image.shape
    assert ((origin > 0.15) & (origin < 0.85)).all()


def test_head_lies_inside_the_field_of_view(healthy, diseased):
    for number, subject in (healthy, diseased):
        scanner = draw_scanner(number)
        values = nibabel.as_closest_canonical(subject.images["FLAIR"]).get_fdata()
        threshold = 6 * scanner.noise * scanner.peak
        left, right, back, top = values[0], values[-1], values[:, 0], values[:, :, -1]
        for border in (left, right, back, top):
            assert (border < threshold).all()
        assert (values > threshold).mean() > 0.2


def test_background_is_rician(healthy):
    number, subject = healthy
    scanner = draw_scanner(number)
    values = nibabel.as_closest_canonical(subject.images["FLAIR"]).get_fdata()
    corner = values[:8, :8, -8:]
    # Without signal the magnitude is Rayleigh distributed: its mean is sigma * sqrt(pi / 2).
    assert corner.mean() == pytest.approx(scanner.noise * scanner.peak * math.sqrt(math.pi / 2), rel=0.1)
    assert corner.mean() / corner.std() == pytest.approx(1.913, rel=0.1)
