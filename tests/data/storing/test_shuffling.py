import numpy as np
import pytest

from mrisynth.data.storing.shuffling import EpochOrder


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_epoch_is_another_permutation(count):
    order = EpochOrder(count, seed=3)
    records, _ = order.at(np.arange(4 * count))
    epochs = records.reshape(4, count)
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(count), (4, 1)))
    if count == 100:
        assert len({tuple(epoch) for epoch in epochs}) == 4


def test_what_stands_at_a_position_depends_on_nothing_but_seed_and_position():
    positions = np.arange(1000)
    records, flips = EpochOrder(37, seed=5).at(positions)
    late_records, late_flips = EpochOrder(37, seed=5).at(positions[640:])
    np.testing.assert_array_equal(late_records, records[640:])
    np.testing.assert_array_equal(late_flips, flips[640:])
    assert (EpochOrder(37, seed=6).at(positions)[0] != records).any()


def test_half_of_the_images_are_flipped():
    _, flips = EpochOrder(1000, seed=0).at(np.arange(10_000))
    assert flips.mean() == pytest.approx(0.5, abs=0.03)  # six standard deviations


def test_the_order_is_pinned():
    # Runs that were stopped are resumed by later versions, which must give the same order.
    records, flips = EpochOrder(5, seed=1).at(np.arange(10))
    assert records.tolist() == [1, 4, 0, 3, 2, 3, 2, 0, 1, 4]
    assert flips.tolist() == [True, True, False, True, True, True, True, True, False, False]


def test_without_shuffling_the_stored_order_comes_again_and_again():
    records, _ = EpochOrder(3, seed=0, shuffle=False).at(np.arange(2, 8))
    assert records.tolist() == [2, 0, 1, 2, 0, 1]
