import numpy as np
import pytest

from mrisynth.data.intensities import foreground_threshold, from_unit_range, intensity_range, to_unit_range


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
