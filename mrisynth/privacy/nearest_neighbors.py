"""Which rows of one table come nearest to those of another, by blocks of a matrix product.

Slices of one subject resemble each other, so what is looked for is the nearest row of every subject, and
neighbors are counted by subject.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCK_PRODUCTS = 2**25
"""Products that are in memory at a time: 128 MiB."""


@dataclasses.dataclass(frozen=True)
class Groups:
    """Rows of a table by group, such as the slices of a data set by subject.

    Attributes:
        order: The rows, those of a group next to each other, [M].
        starts: Where in `order` each group begins, [G].
        numbers: The group of every row, 0 to G - 1, [M].
        places: Where every row is in `order`, [M].
    """

    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    numbers: NDArray[np.intp]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, labels: NDArray) -> Groups:
        """Groups rows of the same label; [M] of anything that can be compared."""
        _, numbers = np.unique(labels, return_inverse=True)
        order = np.argsort(numbers, kind="stable")
        starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
        return cls(order, starts, numbers.reshape(-1), np.argsort(order))

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(self.starts)

    def beside(self, rows: NDArray[np.intp], steps: Sequence[int]) -> NDArray[np.intp]:
        """Rows that come so many steps after given ones in the table, as far as their group reaches.

        Args:
            rows: [N].
            steps: Negative ones are before.

        Returns:
            [N, len(steps)]; the group's first or last row where the group does not reach that far.
        """
        places = self.places[rows, np.newaxis] + np.asarray(steps)
        ends = np.append(self.starts[1:], len(self.order))
        groups = self.numbers[rows, np.newaxis]
        return self.order[np.clip(places, self.starts[groups], ends[groups] - 1)]

    def means(self, values: NDArray[np.floating | np.bool_]) -> NDArray[np.float64]:
        """The mean of every group's values; [M] -> [G]."""
        return np.bincount(self.numbers, values) / np.bincount(self.numbers)


class ReferenceIndex:
    """Rows to be found by their inner products with others.

    Args:
        references: [M, D].
        groups: The references by group.
    """

    def __init__(self, references: NDArray[np.float32], groups: Groups) -> None:
        self._references = references[groups.order]
        self._groups = groups

    def block(self, variants: int) -> int:
        """How many queries of so many variants fit the memory that one search may take."""
        return max(1, _BLOCK_PRODUCTS // (variants * len(self._references)))

    def largest_products(
        self, queries: NDArray[np.float32], count: int, left_out: NDArray[np.intp] | None = None
    ) -> NDArray[np.intp]:
        """Finds the reference with the largest inner product in each of the best groups.

        Args:
            queries: [N, V, D], N at most `block(V)`: V variants of each query, such as its mirror image; the
                best one counts.
            count: Groups to find for every query; all if there are fewer.
            left_out: A group for every query that is not looked at, or -1; [N].

        Returns:
            Indices of references, the best group's first, [N, min(count, groups)]. A group left out is last.
        """
        groups = self._groups
        best, of_group = self._products(queries, left_out)
        return groups.order[_best_of_groups(best, of_group, groups, min(count, groups.count))]

    def of_groups(
        self, queries: NDArray[np.float32], left_out: NDArray[np.intp] | None = None
    ) -> NDArray[np.float32]:
        """The largest inner product with each group, [N, G]; minus infinity with one that is left out.

        Arguments are those of `largest_products`.
        """
        return self._products(queries, left_out)[1]

    def _products(
        self, queries: NDArray[np.float32], left_out: NDArray[np.intp] | None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The best variant's products with all references, in the order of groups, and with each group."""
        products = queries.reshape(-1, queries.shape[-1]) @ self._references.T
        best = products.reshape(*queries.shape[:2], len(self._references)).max(axis=1)
        of_group = np.maximum.reduceat(best, self._groups.starts, axis=1)
        if left_out is not None:
            at = np.flatnonzero(left_out >= 0)
            of_group[at, left_out[at]] = -np.inf
        return best, of_group


def _best_of_groups(
    products: NDArray[np.float32], of_group: NDArray[np.float32], groups: Groups, count: int
) -> NDArray[np.intp]:
    """Places of the largest products within the best groups, [B, count]."""
    if groups.count > count:
        chosen = np.argpartition(-of_group, count - 1, axis=1)[:, :count]
    else:
        chosen = np.broadcast_to(np.arange(count), (len(products), count))
    values = np.take_along_axis(of_group, chosen, axis=1)
    chosen = np.take_along_axis(chosen, np.argsort(-values, axis=1, kind="stable"), axis=1)
    ends = np.append(groups.starts[1:], products.shape[1])
    places = [
        [groups.starts[group] + np.argmax(row[groups.starts[group] : ends[group]]) for group in best]
        for row, best in zip(products, chosen, strict=True)
    ]
    return np.array(places, np.intp).reshape(len(products), count)
