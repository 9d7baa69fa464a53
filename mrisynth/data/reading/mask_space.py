"""Whether a mask lies in the space of its scan: a mask of another space would mark the wrong places.

A file says in which coordinates it lies, but not in whose. What gives a foreign mask away is that it has no
coordinates of its own, or that its box and the scan's neither coincide nor hold one another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.reading.resampling import box
from mrisynth.errors import UnusableScanError

_SLACK = 0.1
"""Boxes of one space may reach out of one another by this part of the scan's extent, as by a head's tilt."""

_LOST = 0.2
"""A mask of which more than this part lies outside of its scan was not drawn on it."""


def refuse_other_space(
    inside: NDArray[np.bool_],
    affine: NDArray[np.float64],
    scan_shape: tuple[int, ...],
    scan_affine: NDArray[np.float64],
) -> None:
    """Refuses a mask that does not lie in its scan's space.

    Args:
        inside: Boolean [I, J, K], the mask on its own grid.
        affine: From indices of the mask to RAS coordinates in mm.
        scan_shape: Voxels along the axes of the scan.
        scan_affine: From indices of the scan to RAS coordinates in mm.

    Raises:
        UnusableScanError: It lies in another space, or does not say in which.
    """
    if 1 in scan_shape:  # A single slice was straightened, and has no depth to lie beside.
        return
    mask_box, scan_box = box(affine[:3], inside.shape), box(scan_affine[:3], scan_shape)
    voxel = np.abs(scan_affine[:3, :3]).max()
    if np.allclose(mask_box, scan_box, rtol=0, atol=voxel):
        return
    if np.array_equal(affine, np.eye(4)):
        raise UnusableScanError("its affine is the identity, which the scan's is not: its place is unknown")
    if sorted(inside.shape) == sorted(scan_shape):
        raise UnusableScanError("it has the scan's shape but lies elsewhere: one of their affines is wrong")
    slack = _SLACK * (scan_box[1] - scan_box[0])
    before, behind = mask_box[0] - scan_box[0], scan_box[1] - mask_box[1]
    is_within = (before >= -slack) & (behind >= -slack)
    holds_it = (before <= slack) & (behind <= slack)
    if not np.all(is_within | holds_it):
        raise UnusableScanError("it lies in another space than the scan, such as a template's")
    places = affine[:3, :3] @ np.array(np.nonzero(inside)) + affine[:3, 3:]
    lost = np.any((places < scan_box[:1].T - voxel) | (places > scan_box[1:].T + voxel), axis=0)
    if lost.size and lost.mean() > _LOST:
        raise UnusableScanError(f"{lost.mean():.0%} of it lie outside of the scan")
