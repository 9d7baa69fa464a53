"""Which image stands at which position of the training, from a seed alone."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

_SEED_PERIOD = 2**32


class EpochOrder:
    """An endless order of records, in which every epoch is a new permutation of all of them.

    Positions count from the start of training; position p lies in epoch p // count. What stands there
    follows from the seed and p, never from what was asked for before.
    """

    def __init__(self, count: int, seed: int, shuffle: bool = True):
        """Describes an order; nothing is computed yet.

        Args:
            count: Number of records, at least 1.
            seed: Decides the permutations and the flips.
            shuffle: Whether to permute; if not, every epoch has the stored order.
        """
        self._count = count
        self._seed = seed
        self._shuffle = shuffle
        self._epoch = functools.lru_cache(maxsize=4)(self._draw_epoch)

    def at(self, positions: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The record at each of some ascending positions, and whether it is flipped, with probability 1/2.

        Positions are int64 [N]; records int64 [N], flips boolean [N].
        """
        epochs, within = np.divmod(positions, self._count)
        records = np.empty(len(positions), np.int64)
        flips = np.empty(len(positions), bool)
        for epoch in range(epochs[0], epochs[-1] + 1):
            here = epochs == epoch
            permutation, flipped = self._epoch(epoch)
            records[here] = permutation[within[here]]
            flips[here] = flipped[within[here]]
        return records, flips

    def _draw_epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """The permutation of an epoch and the flips by place in it."""
        # NumPy promises that RandomState's numbers never change; its newer generators' may.
        random = np.random.RandomState([self._seed % _SEED_PERIOD, epoch % _SEED_PERIOD])
        permutation = random.permutation(self._count) if self._shuffle else np.arange(self._count)
        return permutation, random.random_sample(self._count) < 0.5
