"""Sets of images as clouds of points in a feature space: what measures of such clouds have in common.

Numbers compare only where the features are the same; that between two sets of real images says what perfect
would be.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mrisynth.errors import UserError

_BLOCK_VALUES = 2**23
"""Values of float64 that are in memory at a time: 64 MiB."""

Features = NDArray[np.floating]
"""One row an image, [N, D] (see `mrisynth.metrics.features`)."""


def check_features(first: Features, second: Features, fewest: int) -> None:
    """Checks that two sets of features can be compared.

    Args:
        first: [N, D].
        second: [M, D].
        fewest: Rows that each must have.

    Raises:
        UserError: If the arrays are no such features or have too few rows.
    """
    for features in (first, second):
        if features.ndim != 2:
            raise UserError(f"features have shape {list(features.shape)}; use [N, D], one row an image")
        if len(features) < fewest:
            raise UserError(f"features of {len(features)} images are too few; use those of at least {fewest}")
        if not np.isfinite(features).all():
            raise UserError(
                "features are not all finite; use an extractor that yields numbers for every image"
            )
    if first.shape[1] != second.shape[1]:
        raise UserError(
            f"features have {first.shape[1]} and {second.shape[1]} dimensions; use one extractor for both"
        )


def row_blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows, such that each has no more than so many values if rows are `width` wide."""
    step = max(1, _BLOCK_VALUES // width)
    return (slice(start, min(start + step, count)) for start in range(0, count, step))
