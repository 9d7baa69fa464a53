import nibabel
import numpy as np
import pytest

from mrisynth.data.intensities import from_unit_range
from mrisynth.data.volumes import load_volume
from tests.data.ellipsoid_scans import centered_affine, coordinates, rotation


def save(image, path):
    nibabel.save(image, path)
    return path


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_an_oblique_sphere_comes_out_the_right_size_shape_and_place(interpolation, tmp_path):
    radius, center = 30.0, np.array([12.0, -8.0, 20.0])
    shape, spacing = (90, 90, 34), (1.4, 1.4, 4.0)
    affine = centered_affine(shape, spacing, rotation(16, 0) @ rotation(9, 1) @ rotation(-5, 2))
    distance = np.linalg.norm(coordinates(shape, affine) - center[:, None, None, None], axis=0)
    # The edge is as soft as that of something scanned in slices of 4 mm.
    voxels = 1000.0 / (1.0 + np.exp((distance - radius) / 1.0))
    path = save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), tmp_path / "sphere.nii")

    volume = load_volume(path, 1.5, interpolation, intensity_percentiles=(0.0, 100.0))

    share = (volume.data + 1.0) / 2.0
    places = coordinates(volume.data.shape, volume.affine)
    measured_volume = share.sum() * 1.5**3
    assert measured_volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
    measured_center = (places * share).reshape(3, -1).sum(axis=1) / share.sum()
    np.testing.assert_allclose(measured_center, center, atol=0.2)
    offsets = (places - center[:, None, None, None]).reshape(3, -1)
    moments = np.sqrt((offsets**2 * share.ravel()).sum(axis=1) / share.sum() * 5)
    np.testing.assert_allclose(moments, radius, rtol=0.03)


def test_a_sheared_grid_is_straightened(tmp_path):
    shape = (60, 60, 40)
    shear = np.array([[1.0, 0.0, 0.3], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    affine = centered_affine(shape, (3.0, 3.0, 4.0), shear)
    x, y, z = coordinates(shape, affine)
    voxels = 500.0 + x + 2.0 * y - z
    volume = load_volume(
        save(nibabel.Nifti1Image(voxels.astype(np.float32), affine), tmp_path / "a.nii"),
        2.0,
        intensity_percentiles=(0.0, 100.0),
    )
    # A linear function survives linear interpolation, wherever the scan reaches.
    x, y, z = coordinates(volume.data.shape, volume.affine)
    inner = (np.abs(x) < 40) & (np.abs(y) < 80) & (np.abs(z) < 70)
    measured = from_unit_range(volume.data, volume.intensity_range)
    np.testing.assert_allclose(measured[inner], (500.0 + x + 2.0 * y - z)[inner], atol=0.2)


def test_fine_stripes_do_not_alias(tmp_path):
    voxels = np.zeros((80, 20, 20), np.float32)
    voxels[::2] = 100.0
    path = save(nibabel.Nifti1Image(voxels, np.diag([0.5, 2.0, 2.0, 1.0])), tmp_path / "stripes.nii")
    volume = load_volume(path, 2.0, intensity_percentiles=(0.0, 100.0))
    np.testing.assert_allclose(volume.data[2:-2], 0.0, atol=0.02)
