import numpy as np
import pytest

from mrisynth.data.reading.head_detection import (
    choose_slices,
    find_head,
    neighbor_correlation,
    pool,
    pooling_for,
)


def test_the_head_is_the_largest_region_and_has_no_holes():
    stack = np.full((3, 40, 40), -1.0, np.float32)
    stack[:, 10:30, 8:32] = 0.5
    stack[:, 18:22, 18:22] = -1.0
    stack[:, 1:3, 37:39] = 1.0
    head = find_head(stack, voxel_size=3.0)
    assert head.box == ((0, 2), (10, 29), (8, 31))
    np.testing.assert_array_equal(head.areas, [480, 480, 480])


def test_noise_hardly_correlates_and_anatomy_does():
    noise = np.random.default_rng(0).normal(size=(60, 60)).astype(np.float32)
    assert abs(neighbor_correlation(noise)) < 0.1
    x, y = np.meshgrid(np.arange(60), np.arange(60))
    disc = (np.hypot(x - 30, y - 30) < 20).astype(np.float32)
    assert neighbor_correlation(disc) > 0.9


def test_pooling_by_hand():
    stack = np.arange(20, dtype=np.float32).reshape(1, 4, 5)
    np.testing.assert_array_equal(pool(stack, 2), [[[3, 5], [13, 15]]])
    np.testing.assert_array_equal(pool(stack, 1), stack)


def test_nothing_bright_is_no_head():
    head = find_head(np.full((2, 12, 12), -1.0, np.float32), voxel_size=3.0)
    assert not head.mask.any()
    assert head.box == ((0, 1), (0, 11), (0, 11))


def test_slices_are_left_out_for_the_first_reason_that_holds():
    rng = np.random.default_rng(0)
    x, y = np.meshgrid(np.arange(40), np.arange(40))
    radii = [0, 15, 14, 5, 15, 15]
    stack = np.stack([np.where(np.hypot(x - 20, y - 20) < radius, 0.5, -0.9) for radius in radii])
    stack = (stack + rng.normal(0, 0.01, stack.shape)).astype(np.float32)
    stack[0] = -0.9  # constant
    stack[4] = rng.uniform(-1, 1, (40, 40))  # noise
    outside = np.zeros(stack.shape, bool)
    outside[5, :, 30:] = True  # a part of the last head was not scanned
    kept, dropped = choose_slices(find_head(stack, voxel_size=3.0), 0.25, outside)
    assert kept.tolist() == [1, 2]
    assert dropped == {"constant": 1, "cut": 1, "little head": 1, "noise": 1}


@pytest.mark.parametrize("voxel_size", [4.0, 3.0, 2.0, 1.0])
def test_dark_pixels_of_noise_are_no_padding_whatever_the_voxel_size(voxel_size):
    rng = np.random.default_rng(0)
    size = round(200 / voxel_size)
    x, y = np.meshgrid(*[voxel_size * (np.arange(size) - size / 2)] * 2)
    stack = np.where(np.hypot(x, y) < 70, 0.5, -0.98) + rng.normal(0, 0.01, (9, size, size))
    # A hundredth of all voxels is exactly -1: what lies below the first percentile is clipped.
    stack = np.clip(stack - np.percentile(stack, 1) - 1, -1, 1).astype(np.float32)
    nothing = np.zeros(pool(stack, pooling_for(voxel_size)).shape, bool)
    kept, dropped = choose_slices(find_head(stack, voxel_size), 0.25, nothing)
    assert len(kept) == 9, dropped
    stack[:3, :, size // 2 + round(50 / voxel_size) :] = -1.0  # Padding that cuts the head off.
    kept, dropped = choose_slices(find_head(stack, voxel_size), 0.25, nothing)
    assert kept.tolist() == [3, 4, 5, 6, 7, 8]
    assert dropped == {"cut": 3}


@pytest.mark.parametrize("voxel_size", [4.0, 2.0, 0.7])
def test_what_cubic_interpolation_leaves_around_a_head_is_no_padding(voxel_size):
    """A ring of exactly -1 around the head, within air that is not."""
    rng = np.random.default_rng(0)
    size = round(280 / voxel_size)
    x, y = np.meshgrid(*[voxel_size * (np.arange(size) - size / 2)] * 2)
    radius = np.hypot(x + 30, y)
    stack = np.where(radius < 60, 0.5, -0.98) + rng.normal(0, 0.002, (5, size, size))
    stack[:, (radius >= 60) & (radius < 66)] = -1.0
    stack = stack.astype(np.float32)
    nothing = np.zeros(pool(stack, pooling_for(voxel_size)).shape, bool)
    kept, dropped = choose_slices(find_head(stack, voxel_size), 0.25, nothing)
    assert (len(kept), dropped) == (5, {})
    stack[:, (x < -70) & (y < 0)] = -1.0
    _, dropped = choose_slices(find_head(stack, voxel_size), 0.25, nothing)
    assert dropped == {"cut": 5}
