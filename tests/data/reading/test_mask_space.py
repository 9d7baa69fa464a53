import numpy as np
import pytest

from mrisynth.data.reading.mask_space import refuse_other_space
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import centered_affine, rotation

SHAPE = (44, 56, 48)
AFFINE = centered_affine(SHAPE, (4.0, 4.0, 4.0))


def judge(shape, affine, scan_affine=AFFINE, lesion=None):
    inside = np.zeros(shape, bool)
    inside[lesion or tuple(slice(size // 3, size // 2) for size in shape)] = True
    refuse_other_space(inside, affine, SHAPE, scan_affine)


def moved(affine, *by):
    result = affine.copy()
    result[:3, 3] += by
    return result


@pytest.mark.parametrize(
    ("shape", "affine"),
    [
        (SHAPE, AFFINE),
        (SHAPE, moved(AFFINE, 2, -2, 1)),
        (SHAPE, centered_affine(SHAPE, (-4.0, -4.0, 4.0))),
        ((88, 112, 96), centered_affine((88, 112, 96), (2.0, 2.0, 2.0))),
        ((30, 30, 30), centered_affine((30, 30, 30), (6.0, 6.0, 6.0))),
        ((12, 12, 12), moved(centered_affine((12, 12, 12), (4.0, 4.0, 4.0)), 30, 20, -30)),
        ((70, 80, 60), centered_affine((70, 80, 60), (4.0, 4.0, 4.0), rotation(9, 0))),
    ],
    ids=["same", "half a voxel off", "flipped", "finer", "coarser", "cut out", "larger and tilted"],
)
def test_a_mask_of_the_scans_space_may_have_any_grid(shape, affine):
    judge(shape, affine)


@pytest.mark.parametrize(
    ("shape", "affine", "reason"),
    [
        ((50, 60, 50), moved(centered_affine((50, 60, 50), (4.0, 4.0, 4.0)), 30, -40, 25), "another space"),
        (SHAPE, np.eye(4), "identity"),
        ((88, 112, 96), np.eye(4), "identity"),
        (SHAPE, moved(AFFINE, 0, 60, 0), "lies elsewhere"),
        (SHAPE[::-1], moved(AFFINE, 0, 0, 90), "lies elsewhere"),
        ((12, 12, 12), moved(centered_affine((12, 12, 12), (4.0, 4.0, 4.0)), 400, 0, 0), "another space"),
    ],
    ids=["template", "identity", "identity of another grid", "moved", "turned", "far away"],
)
def test_a_mask_of_another_space_is_refused(shape, affine, reason):
    with pytest.raises(UnusableScanError, match=reason):
        judge(shape, affine)


def test_an_identity_is_fine_where_the_scan_has_it_too():
    judge(SHAPE, np.eye(4), scan_affine=np.eye(4))


def test_a_mask_that_marks_what_was_not_scanned_is_refused():
    larger = (88, 100, 90)
    affine = centered_affine(larger, (4.0, 4.0, 4.0))
    judge(larger, affine)
    with pytest.raises(UnusableScanError, match="100% of it lie outside"):
        judge(larger, affine, lesion=(slice(0, 10), slice(0, 10), slice(0, 10)))
