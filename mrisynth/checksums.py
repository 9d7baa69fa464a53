"""Checksums that say which model or data set is meant."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_SHORT = 12


def short(checksum: str) -> str:
    """The first 12 hexadecimal digits of a checksum, as people compare it."""
    return checksum[:_SHORT]


def of_arrays(arrays: Iterable[NDArray]) -> str:
    """SHA-256 of the shapes, types and values of arrays in their order, hexadecimal."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
