"""Controls of global consistency: one half of a slice with the other half of another subject's.

Patches of such images are real, but for the seam; the whole is none. A measure of whole images has to see
them, or it says nothing of a generator either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mrisynth.metrics.registry import MOST_IMAGES

TITLES = {
    "left_right": "Left and right half of two subjects",
    "top_bottom": "Upper and lower half of two subjects",
}
"""What is joined, by its key in results.json."""


def find_partners(
    subjects: Sequence[str] | NDArray, scans: Sequence | NDArray, kinds: Sequence[str] | NDArray
) -> NDArray[np.intp]:
    """Another subject's slice at the same place for every slice.

    Places are parts of a scan, from its first slice to its last: that holds for heads of all sizes, and where
    distances in mm are not known.

    Args:
        subjects: Whose the slices are, [N].
        scans: Which scan they are of, [N], each scan's slices in their order.
        kinds: What has to be alike, as the contrast, [N].

    Returns:
        Numbers of slices, [N], for the same arguments always the same; -1 where no other subject has such.
    """
    subjects, scans, kinds = map(np.asarray, (subjects, scans, kinds))
    members = {scan: np.flatnonzero(scans == scan) for scan in dict.fromkeys(scans.tolist())}
    firsts = {scan: rows[0] for scan, rows in members.items()}
    random, partners = np.random.RandomState(0), np.full(len(subjects), -1)
    for rows in members.values():
        own = rows[0]
        others = [
            scan
            for scan, first in firsts.items()
            if subjects[first] != subjects[own] and kinds[first] == kinds[own]
        ]
        if not others:
            continue
        places = (np.arange(len(rows)) + 0.5) / len(rows)
        for row, place, choice in zip(rows, places, random.randint(len(others), size=len(rows)), strict=True):
            other = members[others[choice]]
            partners[row] = other[int(place * len(other))]
    return partners


def join_halves(images: NDArray[np.uint8], partners: NDArray[np.intp]) -> Mapping[str, NDArray[np.uint8]]:
    """The controls, of at most 16,384 slices that have a partner, evenly chosen.

    Args:
        images: [N, H, H, C].
        partners: As of `find_partners`.

    Returns:
        By the keys of `TITLES`, uint8 [M, H, H, C]; none where fewer than two slices have a partner.
    """
    rows = np.flatnonzero(partners >= 0)
    rows = rows[:: max(1, -(-len(rows) // MOST_IMAGES))]
    if len(rows) < 2:
        return {}
    half = images.shape[1] // 2
    left_right, top_bottom = images[rows], images[rows]
    left_right[:, :, half:] = images[partners[rows], :, half:]
    top_bottom[:, half:] = images[partners[rows], half:]
    return {"left_right": left_right, "top_bottom": top_bottom}
