import itertools

import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.intensities import from_unit_range
from mrisynth.data.reading.planes import PLANES
from mrisynth.data.reading.resampling import SliceMode, choose_grid, resample, thick_plane
from mrisynth.data.reading.volumes import load_volume
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import centered_affine, coordinates, head_image, reoriented, rotation, save

THICK = (1.4, 1.4, 4.0)
TURN = rotation(16, 0) @ rotation(9, 1) @ rotation(-5, 2)


def linear(places):
    """A function of RAS coordinates [3, ...] that survives linear interpolation."""
    x, y, z = places
    return (500.0 + x + 2.0 * y - z).astype(np.float32)


def regridded(voxels, affine, voxel_size, mode="native", plane="axial", order=1):
    """Voxels on the grid of a mode and plane, and the grid."""
    grid = choose_grid(voxels.shape, affine, voxel_size, SliceMode(mode), plane)
    return resample(voxels, affine, grid, order, fill=0.0), grid


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
    voxels[::2] = np.linspace(99.0, 101.0, 20)
    path = save(nibabel.Nifti1Image(voxels, np.diag([0.5, 2.0, 2.0, 1.0])), tmp_path / "stripes.nii")
    volume = load_volume(path, 2.0, intensity_percentiles=(0.0, 100.0))
    np.testing.assert_allclose(volume.data[2:-2], 0.0, atol=0.02)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("codes", ["".join(codes) for codes in itertools.product("LR", "PA", "IS")])
def test_native_slices_are_the_same_whatever_way_a_scan_is_stored(codes, plane):
    shape = (40, 46, 18)
    affine = centered_affine(shape, THICK, TURN)
    stored = nibabel.Nifti1Image(linear(coordinates(shape, affine)), affine)
    expected, plain = regridded(stored.get_fdata(dtype=np.float32), affine, 2.0, plane=plane)
    orders = ["".join(codes[axis] for axis in order) for order in itertools.permutations(range(3))]
    for order in orders:
        image = reoriented(stored, order)
        turned, grid = regridded(image.get_fdata(dtype=np.float32), image.affine, 2.0, plane=plane)
        np.testing.assert_allclose(grid.affine, plain.affine, atol=1e-9)
        np.testing.assert_allclose(turned, expected, atol=1e-3)
    # The axes run to the right, the front and the top.
    assert (np.diag(plain.affine)[:3] > 0).all()


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("shear", [0.0, 0.3, -0.2])
@pytest.mark.parametrize("sheared", [(0, 1), (0, 2), (2, 0)])
def test_native_slices_lie_where_they_were_acquired(plane, shear, sheared):
    """Also those of a tilted gantry, and those whose rows and columns are not at right angles."""
    shape = (50, 56, 20)
    skew = np.eye(3)
    skew[sheared] = shear
    affine = centered_affine(shape, THICK, TURN @ skew)
    values, grid = regridded(linear(coordinates(shape, affine)), affine, 1.0, plane=plane)
    stack = PLANES[plane].stack_axis
    indices = coordinates(grid.shape, grid.to_source)
    inside = ((indices >= 0) & (indices <= np.array(shape).reshape(3, 1, 1, 1) - 1)).all(axis=0)
    assert inside.mean() > 0.6
    np.testing.assert_allclose(
        values[inside], linear(coordinates(grid.shape, grid.affine))[inside], atol=2e-3
    )
    # As many slices as were acquired, and each at its index.
    source = int(np.argmax(np.abs(np.linalg.inv(affine) @ grid.affine)[:3, stack]))
    assert grid.shape[stack] == shape[source]
    to_source = np.linalg.inv(affine) @ grid.affine
    np.testing.assert_allclose(to_source, grid.to_source, atol=1e-9)
    assert sorted(np.abs(to_source[source, :3])) == pytest.approx([0, 0, 1], abs=1e-9)
    # Pixels are square, and at right angles to the distance between slices.
    steps = grid.affine[:3, :3]
    rows, columns = (steps[:, axis] for axis in range(3) if axis != stack)
    assert [np.linalg.norm(rows), np.linalg.norm(columns)] == pytest.approx([1.0, 1.0])
    assert rows @ columns == pytest.approx(0.0, abs=1e-9)
    assert grid.slice_spacing == pytest.approx(abs(np.cross(rows, columns) @ steps[:, stack]))


def test_native_slices_of_a_straight_scan_by_hand():
    affine = centered_affine((64, 64, 10), (0.5, 0.5, 5.0))
    grid = choose_grid((64, 64, 10), affine, 1.0, SliceMode.NATIVE, "axial")
    assert grid.shape == (32, 32, 10)
    np.testing.assert_allclose(np.diag(grid.affine), [1.0, 1.0, 5.0, 1.0])
    np.testing.assert_allclose(grid.affine[:3, 3], [-15.75, -15.75, -22.5])
    assert (grid.slice_spacing, grid.stack_axis) == (5.0, 2)


@pytest.mark.parametrize(("voxel_size", "order"), [(1.0, 1), (6.0, 1), (1.0, 3)])
def test_a_native_slice_owes_nothing_to_its_neighbors(voxel_size, order):
    shape = (30, 34, 12)
    affine = centered_affine(shape, THICK, TURN)[:, [1, 0, 2, 3]] @ np.diag([1.0, 1.0, -1.0, 1.0])
    voxels = np.random.default_rng(0).random(shape, np.float32)
    other = voxels.copy()
    other[:, :, 4] += 1000.0
    before, _ = regridded(voxels, affine, voxel_size, order=order)
    after, _ = regridded(other, affine, voxel_size, order=order)
    changed = np.abs(after - before).max(axis=(0, 1))
    assert changed[7] > 900.0  # The file's slices are stored from top to bottom.
    assert np.delete(changed, 7).max() <= (0.0 if order == 1 else 1e-3)


@pytest.mark.parametrize("slice_size", [1.0, 3.0])
def test_native_slices_that_fit_in_the_plane_are_copied(slice_size):
    affine = centered_affine((20, 22, 24), (1.0, 1.0, slice_size), TURN)
    voxels = np.random.default_rng(0).random((20, 22, 24), np.float32)
    values, _ = regridded(voxels, affine, 1.0)
    np.testing.assert_array_equal(values, voxels)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR"])
def test_where_nothing_is_interpolated_every_mode_gives_the_same_grid(codes, plane):
    image = reoriented(head_image(shape=(22, 28, 25)), codes)
    grids = [choose_grid(image.shape, image.affine, 4.0, mode, plane) for mode in SliceMode]
    for grid in grids[1:]:
        np.testing.assert_array_equal(grid.affine, grids[0].affine)
        assert (grid.shape, grid.slice_spacing, grid.stack_axis) == (grids[0].shape, 4.0, None)


@pytest.mark.parametrize(
    ("sizes", "plane"),
    [
        ((0.7, 0.7, 4.0), "axial"),
        ((0.7, 4.0, 0.7), "coronal"),
        ((4.0, 0.7, 0.7), "sagittal"),
        ((1.0, 1.0, 2.1), "axial"),
        ((1.0, 1.0, 2.0), None),
        ((0.7, 0.7, 2 * float(np.float32(0.7))), None),
        ((0.5, 1.0, 1.5), None),
        ((1.0, 1.0, 1.0), None),
        ((4.0, 4.0, 0.7), None),
    ],
)
def test_slices_are_thick_if_they_are_more_than_twice_as_far_apart_as_pixels(sizes, plane):
    affine = centered_affine((9, 9, 9), sizes, rotation(12, 0))
    assert thick_plane(affine) == plane
    for asked in PLANES:
        grid = choose_grid((9, 9, 9), affine, 0.9, SliceMode.AUTO, asked)
        assert grid.stack_axis == (PLANES[asked].stack_axis if plane == asked else None)


def test_a_single_oblique_slice_stays_where_it_was_acquired():
    affine = centered_affine((40, 50, 1), (4.0, 4.0, 5.0), rotation(20, 0))
    values, grid = regridded(linear(coordinates((40, 50, 1), affine)), affine, 4.0, mode="auto")
    assert values.shape == (40, 50, 1)
    assert grid.slice_spacing == pytest.approx(5.0)
    np.testing.assert_allclose(grid.affine[:3, :3], affine[:3, :3], atol=1e-9)


def test_an_absurdly_large_native_grid_is_refused():
    with pytest.raises(UnusableScanError, match="voxel sizes"):
        choose_grid((9, 9, 9), np.diag([1e6, 1.0, 1e7, 1.0]), 1.0, SliceMode.NATIVE, "axial")
