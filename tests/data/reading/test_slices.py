import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.slices import extract_slices, halve, resampling_weights, rescale, slice_to_nifti
from mrisynth.data.reading.volumes import load_volume
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import (
    RADII_MM,
    centered_affine,
    coordinates,
    head_image,
    head_intensity,
    rotation,
)


def volume_of(image, tmp_path):
    nibabel.save(image, tmp_path / "scan.nii")
    return load_volume(tmp_path / "scan.nii", 4.0, intensity_percentiles=(0.0, 100.0))


def sliced(image, tmp_path, plane="axial", resolution=64, field_of_view=256.0, min_head_fraction=0.25):
    return extract_slices(volume_of(image, tmp_path), plane, resolution, field_of_view, min_head_fraction)


@pytest.mark.parametrize(
    ("plane", "row_gradient", "column_gradient"),
    # Intensities grow by 2 to the right, by 1 to the front and by 0.5 to the top, per mm.
    [("axial", -1.0, -2.0), ("coronal", -0.5, -2.0), ("sagittal", -0.5, -1.0)],
)
def test_images_are_turned_as_documented(plane, row_gradient, column_gradient, tmp_path):
    volume = volume_of(head_image(), tmp_path)
    stack = extract_slices(volume, plane, 64, 256.0, 0.25)
    low, high = volume.intensity_range
    middle = (stack.images[len(stack.images) // 2] + 1) / 2 * (high - low) + low
    rows, columns = np.gradient(middle[28:36, 28:36])
    np.testing.assert_allclose(rows / 4.0, row_gradient, atol=1e-3)
    np.testing.assert_allclose(columns / 4.0, column_gradient, atol=1e-3)
    assert (np.diff(stack.positions_mm) == 4.0).all()


@pytest.mark.parametrize("plane", list(PLANES))
def test_heads_are_centered_and_keep_their_proportions(plane, tmp_path):
    stack = sliced(head_image(shape=(60, 70, 60), center=(20.0, -16.0, 12.0)), tmp_path, plane)
    orientation = PLANES[plane]
    largest = stack.images[np.argmax((stack.images > -1).sum(axis=(1, 2)))] > -1
    for axis, radius in ((0, RADII_MM[orientation.row_axis]), (1, RADII_MM[orientation.column_axis])):
        places = np.flatnonzero(largest.any(axis=1 - axis))
        assert (places[0] + places[-1]) / 2 == pytest.approx(31.5, abs=1.0)
        assert (places[-1] - places[0] + 1) * 4.0 == pytest.approx(2 * radius, abs=8.0)
    assert stack.center_mm == pytest.approx((20.0, -16.0, 12.0), abs=6.0)
    assert stack.positions_mm.mean() == pytest.approx(0.0, abs=4.0)


def test_slices_with_too_little_head_are_dropped(tmp_path):
    image = head_image()
    few, many = (sliced(image, tmp_path, min_head_fraction=fraction) for fraction in (0.75, 0.25))
    # A slice of an ellipsoid at height z has the part 1 - (z / c)^2 of the largest area.
    assert np.abs(few.positions_mm).max() == pytest.approx(RADII_MM[2] * 0.5, abs=4.0)
    assert np.abs(many.positions_mm).max() == pytest.approx(RADII_MM[2] * np.sqrt(0.75), abs=4.0)
    for stack in (few, many):
        assert len(stack.images) + sum(stack.dropped.values()) == 50
    assert few.dropped["little head"] > many.dropped["little head"]


def test_noise_and_constant_slices_are_dropped_for_what_they_are(tmp_path):
    image = head_image()
    voxels = image.get_fdata(dtype=np.float32)
    voxels[:, :, 0] = 0.0
    voxels[:, :, 24:27] = np.random.default_rng(0).uniform(0, 700, (44, 56, 3))
    stack = sliced(nibabel.Nifti1Image(voxels, image.affine), tmp_path)
    assert stack.dropped["noise"] == 3
    assert stack.dropped["constant"] >= 1
    assert not set(stack.indices) & {0, 24, 25, 26}


def test_slices_that_an_oblique_scan_cuts_off_are_dropped(tmp_path):
    short = head_image(shape=(60, 70, 24), turn=rotation(16, 0))
    stack = sliced(short, tmp_path)
    assert stack.dropped["cut"] >= 4
    # What is kept has its whole outline: as long as the ellipse at this height, within two voxels.
    for image, index in zip(stack.images, stack.indices, strict=True):
        length = np.flatnonzero((image > -1).any(axis=1))
        height = index * 4.0 + volume_of(short, tmp_path).affine[2, 3]
        expected = 2 * RADII_MM[1] * np.sqrt(max(0.0, 1 - (height / RADII_MM[2]) ** 2))
        assert (length[-1] - length[0] + 1) * 4.0 > 0.8 * expected


def test_a_tall_scan_keeps_the_top_of_the_head(tmp_path):
    shape = (40, 50, 100)
    affine = centered_affine(shape, (4.0, 4.0, 4.0))
    x, y, z = coordinates(shape, affine)
    body = np.where((np.hypot(x, y) < 70) & (z < 190), 500.0 + z, 10.0)
    stack = sliced(nibabel.Nifti1Image(body.astype(np.float32), affine), tmp_path, "sagittal")
    middle = stack.images[len(stack.images) // 2] > -0.9
    assert np.flatnonzero(middle.any(axis=1))[0] <= 1
    assert stack.cropped_mm > 100.0


def test_a_head_larger_than_the_field_of_view_is_cropped_and_reported(tmp_path):
    stack = sliced(head_image(), tmp_path, field_of_view=128.0, resolution=32)
    assert stack.images.shape[1:] == (32, 32)
    assert stack.cropped_mm == pytest.approx(RADII_MM[1] - 64.0, abs=6.0)


def test_a_scan_without_a_head_is_refused(tmp_path):
    noise = np.random.default_rng(0).uniform(0, 100, (40, 40, 20)).astype(np.float32)
    with pytest.raises(UnusableScanError, match="none of its 20 slices shows a head"):
        sliced(nibabel.Nifti1Image(noise, np.diag([4.0, 4.0, 4.0, 1.0])), tmp_path)


def test_a_single_slice_gives_one_image_in_its_own_plane_only(tmp_path):
    image = head_image(shape=(44, 56, 1))
    assert sliced(image, tmp_path).images.shape == (1, 64, 64)
    with pytest.raises(UnusableScanError, match="coronal"):
        sliced(image, tmp_path, "coronal")


def test_resampling_weights_by_hand():
    np.testing.assert_allclose(
        resampling_weights(3, 2).toarray(), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]], rtol=1e-6
    )
    np.testing.assert_allclose(
        resampling_weights(2, 4).toarray(), [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]], rtol=1e-6
    )
    np.testing.assert_allclose(resampling_weights(4, 2).toarray(), [[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]])


@pytest.mark.parametrize(("size", "resolution"), [(6, 6), (12, 4), (10, 4), (7, 16)])
def test_rescaling_works_on_rows_and_columns_alike(size, resolution):
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (3, size, size)).astype(np.float32)
    rescaled = rescale(images, resolution)
    weights = resampling_weights(size, resolution).toarray()
    expected = images if size == resolution else np.einsum("rs,nst,ct->nrc", weights, images, weights)
    np.testing.assert_allclose(rescaled, expected, atol=1e-6)
    if resolution <= size:
        np.testing.assert_allclose(rescaled.mean(), images.mean(), atol=1e-6)


def test_halving_by_hand():
    images = np.array([[[1, 3, 0, 0], [5, 7, 0, 4], [1, 1, 2, 2], [1, 1, 2, 2]]], np.float32)
    np.testing.assert_array_equal(halve(images), [[[4, 1], [1, 2]]])


@pytest.mark.parametrize("plane", list(PLANES))
@pytest.mark.parametrize("resolution", [64, 32])
def test_a_slice_goes_back_to_the_scans_units_and_place(plane, resolution, tmp_path):
    center = (10.0, -14.0, 6.0)
    volume = volume_of(head_image(shape=(60, 60, 60), center=center), tmp_path)
    stack = extract_slices(volume, plane, resolution, 256.0, 0.25)
    number = len(stack.images) // 3
    place = list(stack.center_mm)
    place[PLANES[plane].stack_axis] += stack.positions_mm[number]

    nifti = slice_to_nifti(
        stack.images[number], plane, 256.0 / resolution, 4.0, volume.intensity_range, tuple(place)
    )

    nibabel.save(nifti, tmp_path / "slice.nii.gz")
    back = nibabel.load(tmp_path / "slice.nii.gz")
    spacing = np.full(3, 256.0 / resolution)
    spacing[PLANES[plane].stack_axis] = 4.0
    assert back.header.get_zooms() == pytest.approx(spacing)
    x, y, z = coordinates(back.shape, back.affine)
    offsets = [x - center[0], y - center[1], z - center[2]]
    depth = sum((offset / radius) ** 2 for offset, radius in zip(offsets, RADII_MM, strict=True))
    inner = depth < 0.7
    assert np.count_nonzero(inner) > 100
    np.testing.assert_allclose(back.get_fdata()[inner], head_intensity(x, y, z, center)[inner], atol=0.05)
