import numpy as np
import pytest

from mrisynth.data.reading.image_copies import block_means, same_images
from tests.data.ellipsoid_scans import head_image

NOISE = np.random.default_rng(0).normal(0, 6, (44, 57, 50))
HEAD = (head_image(shape=(44, 57, 50)).get_fdata() + NOISE).astype(np.float32)


def are_same(*scans):
    return same_images({7 + number: [block_means(scan)] for number, scan in enumerate(scans)}) == [(7, 8)]


@pytest.mark.parametrize(
    "same",
    [
        HEAD * np.float32(1.7),
        HEAD + 100,
        HEAD / 1e6 - 3,
        np.rint(HEAD),
        np.rint(HEAD / 1100 * 4095),
        HEAD[::-1],
        HEAD[:, ::-1, ::-1] * 2,
    ],
    ids=["scaled", "shifted", "tiny", "rounded", "12 bits", "mirrored", "turned"],
)
def test_an_image_is_known_at_any_scale_and_from_any_side(same):
    assert are_same(HEAD, same.astype(np.float32))


@pytest.mark.parametrize(
    "other",
    [
        HEAD - NOISE + NOISE[::-1],
        HEAD[1:],
        -HEAD,
        np.roll(HEAD, 1, axis=0),
        head_image(shape=(44, 57, 50), center=(2.0, 0.0, 0.0)).get_fdata(),
        HEAD[:, :, :1],
    ],
    ids=["noise of its own", "cropped", "inverted", "moved", "another head", "a slice"],
)
def test_other_scans_of_the_same_head_are_other_images(other):
    assert not are_same(HEAD, other.astype(np.float32))


def test_a_few_voxels_along_an_axis_are_enough():
    slices = HEAD[:, :, 20:22]
    assert block_means(slices).shape == (15, 15, 1)
    assert are_same(slices, slices[::-1] * 3)
    assert np.linalg.norm(block_means(slices)) == pytest.approx(1)


def test_many_scans_are_compared_at_once():
    rng = np.random.default_rng(1)
    prints = {number: [block_means(HEAD + rng.normal(0, 6, HEAD.shape))] for number in range(20)}
    prints[30] = [block_means(HEAD)]
    prints[25] = [block_means(HEAD[::-1])]
    assert same_images(prints) == [(25, 30)]
    assert same_images({}) == []


def test_an_image_counts_in_whatever_channel_it_is():
    first, second, third = (block_means(np.roll(HEAD, number, axis=0)) for number in range(3))
    assert same_images({1: [first, second], 2: [third, second]}) == [(1, 2)]
    assert same_images({1: [first, second], 2: [third, first], 3: [second, second]}) == [(1, 2), (1, 3)]
    assert same_images({1: [first, first], 2: [third]}) == []
