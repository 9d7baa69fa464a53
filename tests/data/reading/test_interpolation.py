import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

from mrisynth.data.reading.interpolation import nearest, trilinear

_SHAPE = (7, 9, 8)


def _voxels():
    return np.random.default_rng(0).normal(size=_SHAPE).astype(np.float32)


def _grid(seed):
    """Matrix, offset and shape of a grid turned, scaled and sheared by chance, with the same middle."""
    rng = np.random.default_rng(seed)
    turn = Rotation.random(random_state=seed).as_matrix()
    matrix = turn @ np.diag(rng.uniform(0.4, 1.6, 3)) + rng.normal(0, 0.05, (3, 3))
    shape = (10, 11, 12)
    return matrix, (np.array(_SHAPE) - 1) / 2 - matrix @ (np.array(shape) - 1) / 2, shape


@pytest.mark.parametrize(("reach", "mode"), [(0.0, "constant"), (1.0, "grid-constant")])
@pytest.mark.parametrize("seed", range(8))
def test_linear_equals_scipy_on_any_grid(seed, reach, mode):
    matrix, offset, shape = _grid(seed)
    ours = trilinear(_voxels(), matrix, offset, shape, fill=-3.0, reach=reach)
    theirs = ndimage.affine_transform(
        _voxels().astype(np.float64), matrix, offset, shape, order=1, mode=mode, cval=-3.0
    )
    assert 0.05 < np.mean(theirs != -3.0) < 1.0
    np.testing.assert_allclose(ours, theirs, atol=3e-6)


@pytest.mark.parametrize("seed", range(8))
def test_nearest_equals_scipy_on_any_grid(seed):
    matrix, offset, shape = _grid(seed)
    mask = _voxels() > 0
    theirs = ndimage.affine_transform(
        mask.astype(np.uint8), matrix, offset, shape, order=0, mode="grid-constant", cval=0
    )
    assert 0.02 < theirs.mean() < 0.6
    np.testing.assert_array_equal(nearest(mask, matrix, offset, shape), theirs.astype(bool))


def test_nearest_reaches_to_the_edges_of_the_outermost_voxels():
    matrix, offset = np.diag([1.0, 1.0, 0.4]), np.array([0.0, 0.0, -0.8])
    # At -0.8, -0.4, 0, 0.4, 0.8, 1.2, 1.6: the two voxels reach from -0.5 to 1.5.
    result = nearest(np.ones((1, 1, 2), bool), matrix, offset, (1, 1, 7))
    assert result.ravel().tolist() == [False, True, True, True, True, True, False]


@pytest.mark.parametrize("first", [-1.0, -0.5, 0.0])
def test_half_way_between_voxels_nearest_is_the_higher_as_in_scipy(first):
    """Also at the edges: a voxel reaches from half a voxel before its center to just short of half behind."""
    mask, matrix = np.array([True, False, True]).reshape(1, 1, 3), np.diag([1.0, 1.0, 0.5])
    grid = matrix, np.array([0.0, 0.0, first]), (1, 1, 9)
    theirs = ndimage.affine_transform(mask.astype(np.uint8), *grid, order=0, mode="grid-constant", cval=0)
    np.testing.assert_array_equal(nearest(mask, *grid), theirs.astype(bool))


@pytest.mark.parametrize("reach", [0.0, 1.0])
def test_whole_steps_copy_voxels_and_fill_the_rest(reach):
    """Turned about and moved by whole voxels, every value is a voxel's own, to the bit."""
    matrix = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    offset = np.array([6.0, -2.0, 1.0])
    result = trilinear(_voxels(), matrix, offset, (11, 7, 7), fill=5.0, reach=reach)
    expected = np.full((11, 7, 7), 5.0, np.float32)
    expected[2:11] = _voxels()[::-1, :, 1:8].transpose(1, 2, 0)
    np.testing.assert_array_equal(result, expected)


def test_a_ramp_stays_a_ramp():
    ramp = np.sum(
        np.meshgrid(*map(np.arange, _SHAPE), indexing="ij") * np.array([1, 10, 100])[:, None, None, None], 0
    )
    matrix = np.diag([0.5, 0.25, 0.75])
    result = trilinear(ramp.astype(np.float32), matrix, np.array([1.0, 2.0, 0.5]), (4, 5, 6), 0.0, 0.0)
    i, j, k = np.ogrid[:4, :5, :6]
    np.testing.assert_allclose(result, (1 + i / 2) + 10 * (2 + j / 4) + 100 * (0.5 + 0.75 * k), rtol=1e-6)


def test_half_a_voxel_beyond_the_outermost_centers():
    """By hand: with a reach of 1, half of the voxel and half of what lies around; with none, that alone."""
    voxels = np.full((1, 1, 2), 8.0, np.float32)
    offset = np.array([0.0, 0.0, -1.0])
    matrix = np.diag([1.0, 1.0, 0.5])
    values = {
        reach: trilinear(voxels, matrix, offset, (1, 1, 7), fill=2.0, reach=reach).ravel().tolist()
        for reach in (0.0, 1.0)
    }
    assert values == {0.0: [2, 2, 8, 8, 8, 2, 2], 1.0: [2, 5, 8, 8, 8, 5, 2]}


def test_the_order_in_memory_does_not_matter():
    """Nibabel gives voxels in the order of the file, first axis fastest."""
    turn = Rotation.from_euler("xyz", [10, 20, 30], degrees=True).as_matrix()
    arguments = turn, np.array([1.0, 0.5, 0.25]), (6, 6, 6), 0.0, 1.0
    np.testing.assert_array_equal(
        trilinear(np.asfortranarray(_voxels()), *arguments), trilinear(_voxels(), *arguments)
    )
