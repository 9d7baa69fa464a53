import itertools

import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.intensities import to_unit_range
from mrisynth.data.reading.volumes import load_mask, load_volume
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import (
    AIR_INTENSITY,
    centered_affine,
    coordinates,
    head_image,
    reoriented,
    rotation,
    save,
)

ALL_ORIENTATIONS = [
    "".join(letters)
    for axes in itertools.permutations(("LR", "PA", "IS"))
    for letters in itertools.product(*axes)
]


@pytest.mark.parametrize("codes", ALL_ORIENTATIONS)
def test_every_axis_order_gives_the_same_volume(codes, tmp_path):
    image = head_image(shape=(22, 28, 24), spacing=(7.0, 8.0, 9.0))
    plain = load_volume(save(image, tmp_path / "plain.nii"), voxel_size=6.0)
    turned = load_volume(save(reoriented(image, codes), tmp_path / "turned.nii"), voxel_size=6.0)
    assert turned.source_orientation == codes
    np.testing.assert_allclose(turned.affine, plain.affine, atol=1e-4)
    np.testing.assert_allclose(turned.data, plain.data, atol=1e-4)


def test_a_fitting_grid_is_copied_and_runs_to_the_right_the_front_and_the_top(tmp_path):
    image = head_image()
    volume = load_volume(save(reoriented(image, "LPS"), tmp_path / "a.nii"), voxel_size=4.0)
    expected = to_unit_range(image.get_fdata(dtype=np.float32), volume.intensity_range)
    np.testing.assert_array_equal(volume.data, expected)
    middle = np.array(volume.data.shape) // 2
    for axis in range(3):
        ahead, behind = middle.copy(), middle.copy()
        ahead[axis] += 5
        behind[axis] -= 5
        assert volume.data[tuple(ahead)] > volume.data[tuple(behind)]


def test_slope_and_intercept_keep_the_scans_own_units(tmp_path):
    image = head_image(dtype=np.int16)
    scaled = nibabel.Nifti1Image(np.asarray(image.dataobj), image.affine)
    scaled.header.set_slope_inter(0.5, -100.0)
    plain = load_volume(save(image, tmp_path / "a.nii"), 4.0)
    volume = load_volume(save(scaled, tmp_path / "b.nii"), 4.0)
    assert volume.intensity_range == pytest.approx([0.5 * value - 100.0 for value in plain.intensity_range])
    np.testing.assert_allclose(volume.data, plain.data, atol=1e-5)


def test_nan_and_infinity_become_air(tmp_path):
    image = head_image()
    voxels = image.get_fdata(dtype=np.float32)
    voxels[0, 0, 0], voxels[1, 0, 0], voxels[20, 20, 20] = np.nan, np.inf, -np.inf
    volume = load_volume(save(nibabel.Nifti1Image(voxels, image.affine), tmp_path / "a.nii"), 4.0)
    assert volume.nonfinite_voxels == 3
    assert volume.data[0, 0, 0] == volume.data[1, 0, 0] == volume.data[20, 20, 20] == -1.0
    assert np.isfinite(volume.data).all()


def test_a_single_oblique_slice_is_taken_as_straight(tmp_path):
    affine = centered_affine((40, 50, 1), (4.0, 4.0, 5.0), rotation(20, 0))
    voxels = np.zeros((40, 50, 1), np.float32)
    voxels[10:30, 10:40] = 100.0 + np.arange(20)[:, None, None]
    volume = load_volume(save(nibabel.Nifti1Image(voxels, affine), tmp_path / "a.nii"), 4.0)
    assert volume.data.shape == (40, 50, 1)
    assert np.count_nonzero(volume.data > -1.0) == 20 * 30


def test_a_mask_is_placed_by_its_own_affine(tmp_path):
    volume = load_volume(save(head_image(), tmp_path / "a.nii"), 4.0)
    affine = centered_affine((30, 30, 30), (6.0, 6.0, 6.0))
    right = (coordinates((30, 30, 30), affine)[0] > 0).astype(np.uint8)
    path = save(reoriented(nibabel.Nifti1Image(right, affine), "PIL"), tmp_path / "mask.nii")
    mask, warnings = load_mask(path, volume)
    assert warnings == []
    x, y, z = coordinates(volume.data.shape, volume.affine)
    reached = (np.abs(y) < 80) & (np.abs(z) < 80)
    assert mask[reached & (x > 3) & (x < 80)].all()
    assert not mask[x < -3].any()


@pytest.mark.parametrize("slices", [1, 12])
def test_a_mask_on_the_scans_grid_covers_native_slices_to_their_edges(slices, tmp_path):
    image = head_image((44, 56, slices), (4.0, 4.0, 11.0), rotation(13, 0) @ rotation(-7, 1) @ rotation(4, 2))
    volume = load_volume(save(reoriented(image, "LPI"), tmp_path / "a.nii"), 4.0, slices="native")
    mask = nibabel.Nifti1Image(np.ones(image.shape, np.uint8), image.affine)
    assert volume.data.shape == image.shape
    inside, warnings = load_mask(save(mask, tmp_path / "mask.nii"), volume)
    assert inside.all()
    assert [warning.split(":")[0] for warning in warnings] == ["mask doubtful"]


def test_a_mask_that_does_not_say_where_it_lies_is_refused(tmp_path):
    image = head_image()
    volume = load_volume(save(image, tmp_path / "a.nii"), 4.0)
    mask = nibabel.Nifti1Image((image.get_fdata() > 700).astype(np.uint8), image.affine)
    mask.set_sform(None, 0)
    mask.set_qform(None, 0)
    with pytest.raises(UnusableScanError, match="orientation is unknown"):
        load_mask(save(mask, tmp_path / "mask.nii"), volume)
    guess = nibabel.load(tmp_path / "mask.nii").affine
    volume = load_volume(save(nibabel.Nifti1Image(image.get_fdata(), guess), tmp_path / "b.nii"), 4.0)
    _, warnings = load_mask(tmp_path / "mask.nii", volume)
    assert [warning.split(":")[1] for warning in warnings] == [" orientation unknown"]


@pytest.mark.parametrize(("sign", "warned"), [(1, False), (0, False), (-1, True)])
def test_a_mask_of_negative_numbers_is_doubtful_and_an_empty_one_is_not(sign, warned, tmp_path):
    image = head_image()
    volume = load_volume(save(image, tmp_path / "a.nii"), 4.0)
    numbers = sign * (image.get_fdata() > 700).astype(np.int16)
    path = save(nibabel.Nifti1Image(numbers, image.affine), tmp_path / "mask.nii")
    _, warnings = load_mask(path, volume)
    assert [warning.split(":")[0] for warning in warnings] == ["mask doubtful"] * warned


def test_of_a_mask_of_several_volumes_it_is_said_which_was_taken(tmp_path):
    image = head_image()
    volume = load_volume(save(image, tmp_path / "a.nii"), 4.0)
    inside = image.get_fdata() > 700
    several = nibabel.Nifti1Image(np.stack([inside, ~inside], -1).astype(np.uint8), image.affine)
    _, warnings = load_mask(save(several, tmp_path / "mask.nii"), volume)
    assert [warning.split(":")[1] for warning in warnings] == [" time series"]


@pytest.mark.parametrize(
    ("sizes", "plane", "thickness"),
    [
        ((4.0, 4.0, 11.0), "axial", 9.0),
        ((4.0, 4.0, 4.0), "axial", 9.0),
        ((4.0, 4.0, 11.0), "sagittal", 4.0),
        ((4.0, 11.0, 4.0), "coronal", 9.0),
    ],
)
def test_the_thickness_beside_a_scan_is_that_of_its_acquired_slices(sizes, plane, thickness, tmp_path):
    save(head_image((30, 30, 30), sizes, rotation(9, 0)), tmp_path / "a.nii.gz")
    (tmp_path / "a.json").write_text('{"SliceThickness": 9}')
    volume = load_volume(tmp_path / "a.nii.gz", 4.0, slices="native", plane=plane)
    assert volume.acquired
    assert volume.slice_thickness == pytest.approx(thickness)
    interpolated = load_volume(tmp_path / "a.nii.gz", 3.0, slices="isotropic", plane=plane)
    assert (interpolated.acquired, interpolated.slice_thickness) == (False, 3.0)


def test_air_is_near_minus_one_and_tissue_keeps_its_contrast(tmp_path):
    volume = load_volume(save(head_image(), tmp_path / "a.nii"), 4.0)
    assert volume.intensity_range[0] == AIR_INTENSITY
    assert volume.data.min() == -1.0
    tissue = volume.data[volume.data > -0.9]
    assert tissue.max() == 1.0
    assert np.percentile(tissue, 95) - np.percentile(tissue, 5) > 0.4


def test_voxels_have_one_checksum_whatever_the_format_axes_place_and_type(tmp_path):
    image = head_image(dtype=np.int16)
    voxels = np.asarray(image.dataobj)
    moved = image.affine.copy()
    moved[:3, 3] += 7
    copies = {
        "a.nii": image,
        "a.nii.gz": image,
        "a.mgz": nibabel.MGHImage(voxels.astype(np.float32), image.affine),
        "moved.nii": nibabel.Nifti1Image(voxels, moved),
        "turned.nii": image.as_reoriented(nibabel.orientations.axcodes2ornt("PLI")),
    }
    for name, copy in copies.items():
        nibabel.save(copy, tmp_path / name)
    assert len({load_volume(tmp_path / name, 4.0).voxels_checksum for name in copies}) == 1
    voxels[3, 4, 5] += 1
    nibabel.save(nibabel.Nifti1Image(voxels, image.affine), tmp_path / "other.nii")
    assert (
        load_volume(tmp_path / "other.nii", 4.0).voxels_checksum
        != load_volume(tmp_path / "a.nii", 4.0).voxels_checksum
    )
