import numpy as np
import pytest

from mrisynth.data.reading.intensities import (
    box_edges,
    find_range,
    foreground_threshold,
    from_unit_range,
    intensity_range,
    to_unit_range,
)
from mrisynth.errors import UnusableScanError


def test_otsus_threshold_lies_between_two_clusters():
    values = np.concatenate([np.full(900, 10.0), np.full(100, 50.0), [49.0, 51.0, 9.0, 11.0]]).astype(
        np.float32
    )
    assert 11.0 < foreground_threshold(values) < 49.0


def test_the_intensity_range_takes_air_from_below_and_tissue_from_above():
    # 900 voxels of air, 0 ... 8.99, and a foreground of 101 voxels, 1000 ... 1100.
    air = np.arange(900, dtype=np.float32) / 100
    tissue = np.arange(1000, 1101, dtype=np.float32)
    low, high = intensity_range(np.concatenate([air, tissue]), (10.0, 90.0))
    assert low == pytest.approx(1.0)  # the 10th percentile of 1001 values is the 100th
    assert high == pytest.approx(1090.0)


def test_unit_range_by_hand():
    values = np.array([0.0, 100.0, 150.0, 300.0, 400.0], np.float32)
    scaled = to_unit_range(values, (100.0, 300.0))
    np.testing.assert_allclose(scaled, [-1.0, -1.0, -0.5, 1.0, 1.0])
    np.testing.assert_allclose(from_unit_range(scaled, (100.0, 300.0)), [100.0, 100.0, 150.0, 300.0, 300.0])


@pytest.mark.parametrize(
    "values",
    [
        [1.0, 1.0 - 6e-8],
        [1e9, 1e9 + 1000],
        [0.0, 1e-35],
        [-2e38, 2e38],
        [1.0, 1e31],
        [np.finfo(np.float32).tiny, 2 * np.finfo(np.float32).tiny],
    ],
    ids=str,
)
def test_intensities_that_single_precision_cannot_scale_are_refused(values):
    voxels = np.resize(np.array(values, np.float32), 1000)
    with pytest.raises(UnusableScanError, match="no range to scale"):
        intensity_range(voxels, (1.0, 99.5))


def test_a_few_bright_voxels_on_a_constant_are_no_histogram_but_have_a_range():
    voxels = np.full(10000, 1.0, np.float32)
    voxels[:3000] -= np.float32(6e-8)
    voxels[-10:] = 50.0
    assert intensity_range(voxels, (1.0, 100.0)) == (pytest.approx(1.0), 50.0)


def test_one_voxel_of_an_absurd_intensity_changes_nothing():
    voxels = np.linspace(0, 1000, 10001).astype(np.float32)
    expected = intensity_range(voxels, (1.0, 99.0))
    voxels[-1] = 1e35
    assert intensity_range(voxels, (1.0, 99.0)) == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize(("shape", "count"), [((40, 40, 40), 4 * 3 * 4 * 36 + 8 * 8), ((10, 10, 1), 36)])
def test_edges_of_a_box_by_hand(shape, count):
    edges = box_edges(shape)
    assert np.count_nonzero(edges) == count
    assert edges[0, 0, 0]
    assert not edges[tuple(size // 2 for size in shape[:2])].any()


def test_missing_voxels_become_the_darkest_that_was_scanned_or_0_without_any_air():
    rng = np.random.default_rng(0)
    voxels = rng.uniform(10, 20, (20, 20, 20)).astype(np.float32)
    voxels[6:14, 6:14, 6:14] = rng.uniform(500, 1000, (8, 8, 8))
    half = np.zeros(voxels.shape, bool)
    half[:8] = True
    filled, (low, high) = find_range(np.where(half, np.float32(np.nan), voxels), half, (1.0, 99.5))
    assert (filled[half] == np.float32(low)).all()
    assert 10 < low < 11
    tissue = voxels < 100
    for masked in (np.where(tissue, np.float32(np.nan), voxels), np.where(tissue, np.float32(-1e6), voxels)):
        filled, intensities = find_range(masked, tissue, (1.0, 99.5))
        zero, expected = find_range(np.where(tissue, np.float32(0), voxels), None, (1.0, 99.5))
        np.testing.assert_array_equal(filled, zero)
        assert intensities == expected == (0.0, pytest.approx(high, rel=0.01))
