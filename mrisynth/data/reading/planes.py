"""The planes that scans are sliced in, and how images of them are turned.

Orientation of an image [row, column], the radiological convention (one looks at the patient from the feet,
or from the front):

    axial     row 0 is the front of the head, column 0 the patient's right
    coronal   row 0 is the top of the head,   column 0 the patient's right
    sagittal  row 0 is the top of the head,   column 0 the front of the head
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from mrisynth.choices import Choice


class Plane(Choice):
    """The planes that scans are sliced in."""

    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"


@dataclasses.dataclass(frozen=True)
class SlicingAxes:
    """Which axes of a RAS array a plane's slices are stacked along and made of; rows and columns run down.

    Attributes:
        stack_axis: The axis from slice to slice.
        row_axis: The axis of an image's rows; row 0 lies at its upper end.
        column_axis: The axis of an image's columns; column 0 lies at its upper end.
        description: The orientation in words, for the manifest.
    """

    stack_axis: int
    row_axis: int
    column_axis: int
    description: str

    def to_images(self, volume: NDArray) -> NDArray:
        """A view of a RAS array [X, Y, Z] as a stack of images [slice, row, column]."""
        return volume.transpose(self.stack_axis, self.row_axis, self.column_axis)[:, ::-1, ::-1]

    def to_volume(self, images: NDArray) -> NDArray:
        """A view of a stack of images [slice, row, column] as a RAS array [X, Y, Z]; undoes `to_images`."""
        axes = (self.stack_axis, self.row_axis, self.column_axis)
        return images[:, ::-1, ::-1].transpose(np.argsort(axes))


PLANES = {
    Plane.AXIAL: SlicingAxes(
        2, 1, 0, "row 0 anterior, column 0 the patient's right; slices from bottom to top"
    ),
    Plane.CORONAL: SlicingAxes(
        1, 2, 0, "row 0 superior, column 0 the patient's right; slices from back to front"
    ),
    Plane.SAGITTAL: SlicingAxes(0, 2, 1, "row 0 superior, column 0 anterior; slices from left to right"),
}
