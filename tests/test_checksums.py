"""Checksums of weights."""

import numpy as np

from mrisynth import checksums


def test_whatever_changes_weights_changes_their_checksum():
    ones = np.ones((2, 3), np.float32)
    another = ones.copy()
    another[1, 2] = np.nextafter(np.float32(1), np.float32(2))
    sets = [
        [ones],
        [ones.T],
        [ones.astype(np.float64)],
        [another],
        [ones, ones],
        [another, ones],
        [ones, another],
    ]
    found = {checksums.of_arrays(arrays) for arrays in sets}
    assert len(found) == len(sets)
    assert checksums.of_arrays([ones.copy()]) == checksums.of_arrays([np.asfortranarray(ones)])
    assert {len(checksums.short(checksum)) for checksum in found} == {12}
