import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.orientation import checked, nifti_affine, unknown_orientation
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import centered_affine, rotation

SHAPE = (20, 30, 10)
TURNED = centered_affine(SHAPE, (2.0, 3.0, 4.0), rotation(20, 2))
STRAIGHT = centered_affine(SHAPE, (2.0, 3.0, 4.0))


def header(sform=TURNED, qform=TURNED, **fields):
    """A header with the given forms; fields are set afterwards, as odd writers leave them."""
    made = nibabel.Nifti1Header()
    made.set_data_shape(SHAPE)
    made["pixdim"][1:4] = 2, 3, 4
    made.set_qform(qform, 0 if qform is None else 1)
    made.set_sform(sform, 0 if sform is None else 1)
    made.set_xyzt_units("mm")
    for name, value in fields.items():
        made[name] = value
    return made


def found(made):
    repaired = made.copy()
    repaired.check_fix()
    return nifti_affine(made, repaired)


def pixdim(*values):
    return np.array([*values, *[1.0] * (8 - len(values))])


def rows(matrix):
    return dict(zip(("srow_x", "srow_y", "srow_z"), matrix[:3], strict=True))


@pytest.mark.parametrize("made", [header(), header(qform=None), header(sform=None)])
def test_any_good_form_is_taken_without_a_word(made):
    affine, warnings = found(made)
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    assert warnings == []


@pytest.mark.parametrize(
    "sform",
    [np.zeros((4, 4)), np.full((4, 4), np.nan), np.diag([2.0, 3.0, 0.0, 1.0]), TURNED[:, [0, 0, 2, 3]]],
    ids=["zero", "nan", "flat", "two axes alike"],
)
def test_a_bad_sform_gives_way_to_a_good_qform(sform):
    affine, warnings = found(header(**rows(sform)))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    (warning,) = warnings
    assert warning.startswith("sform unusable: ")
    assert "the qform was taken" in warning
    with pytest.raises(UnusableScanError, match="no usable orientation .its sform"):
        found(header(qform=None, **rows(sform)))


@pytest.mark.parametrize(
    "fields", [{"quatern_b": 5.0}, {"quatern_c": np.nan}, {"qoffset_x": np.inf}], ids=str
)
def test_a_bad_qform_gives_way_to_a_good_sform(fields):
    affine, warnings = found(header(**fields))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    assert [warning.split(":")[0] for warning in warnings] == ["qform unusable"]
    with pytest.raises(UnusableScanError, match="its qform"):
        found(header(sform=None, **fields))


@pytest.mark.parametrize("excess", [1e-7, 1e-6, 1e-4, 4e-4])
def test_a_quaternion_off_by_rounding_is_half_a_turn(excess):
    made = header(sform=None, quatern_b=0, quatern_c=0, quatern_d=1 + excess)
    affine, warnings = found(made)
    np.testing.assert_allclose(affine[:3, :3], np.diag([-2.0, -3.0, 4.0]), atol=2e-3)
    assert warnings == []


def test_voxel_sizes_that_disagree_are_named_and_pixdim_has_the_qform_on_its_side():
    identity = centered_affine(SHAPE, (1.0, 1.0, 1.0))
    affine, warnings = found(header(sform=identity))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    assert warnings == [
        "voxel sizes disagree: 1 x 1 x 1 mm by its sform, 2 x 3 x 4 mm by its pixdim; the qform and pixdim "
        "were taken"
    ]
    affine, warnings = found(header(sform=identity, qform=None, pixdim=pixdim(1, 2, 3, 4)))
    np.testing.assert_allclose(affine, identity)
    assert warnings[0].endswith("the sform was taken")


def test_forms_that_place_the_scan_differently_are_told_apart():
    affine, warnings = found(header(qform=STRAIGHT))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    # The corner at (19, -43.5) mm is turned by 20 degrees: it moves furthest to the right.
    distance = 43.5 * np.sin(np.deg2rad(20)) + 19 * (1 - np.cos(np.deg2rad(20)))
    assert warnings == [f"sform and qform disagree: by up to {distance:.4g} mm; the sform was taken"]
    moved = STRAIGHT.copy()
    moved[0, 3] += 1.0
    assert found(header(sform=STRAIGHT, qform=moved))[1] == []


def test_without_any_form_the_orientation_is_said_to_be_unknown():
    affine, warnings = found(header(sform=None, qform=None, pixdim=pixdim(1, 2, 3, 4)))
    assert nibabel.aff2axcodes(affine) == ("L", "A", "S")
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(affine), [2, 3, 4])
    (warning,) = warnings
    assert warning.startswith("orientation unknown: ")
    assert "LAS" in warning


@pytest.mark.parametrize("size", [0.0, np.nan, np.inf])
@pytest.mark.parametrize("axis", [1, 2, 3])
def test_a_voxel_size_that_is_none_is_refused_unless_the_sform_has_one(size, axis):
    sizes = pixdim(1, 2, 3, 4)
    sizes[axis] = size
    with pytest.raises(UnusableScanError, match="pixdim is"):
        found(header(sform=None, qform=None, pixdim=sizes))
    with pytest.raises(UnusableScanError, match="voxel sizes"):
        found(header(sform=None, pixdim=sizes))
    affine, warnings = found(header(pixdim=sizes))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    assert warnings[0].startswith("voxel sizes disagree: ")


def test_signs_of_pixdim_that_mean_nothing_are_named():
    assert found(header(sform=None, pixdim=pixdim(1, 2, -3, 4)))[1][0].startswith("voxel size negative: ")
    assert found(header(sform=None, pixdim=pixdim(7, 2, 3, 4)))[1][0].startswith("orientation doubtful: ")
    assert found(header(sform=None, pixdim=pixdim(0, 2, 3, 4)))[1] == []


@pytest.mark.parametrize(("code", "factor"), [(0, 1), (1, 1000), (2, 1), (3, 0.001), (8, 1), (10, 1)])
def test_units_are_turned_into_mm(code, factor):
    affine, warnings = found(header(xyzt_units=code))
    np.testing.assert_allclose(affine[:3], factor * TURNED[:3], atol=1e-5 * factor)
    assert warnings == []


@pytest.mark.parametrize("code", [4, 5, 6, 7, 13])
def test_a_unit_that_there_is_not_is_taken_for_mm_and_named(code):
    affine, warnings = found(header(xyzt_units=code))
    np.testing.assert_allclose(affine, TURNED, atol=1e-5)
    assert [warning.split(":")[0] for warning in warnings] == ["unit unknown"]


def test_analyze_never_says_where_anything_lies():
    made = nibabel.AnalyzeHeader()
    made.set_data_shape(SHAPE)
    made.set_zooms((2, 3, 4))
    affine, warnings = found(made)
    np.testing.assert_allclose(nibabel.affines.voxel_sizes(affine), [2, 3, 4])
    assert warnings == [unknown_orientation("the format cannot say", affine)]


def test_an_affine_is_checked_whatever_its_unit():
    np.testing.assert_array_equal(checked(TURNED * 1e-6), TURNED * 1e-6)
    with pytest.raises(UnusableScanError, match="lie in a plane"):
        checked(TURNED[:, [0, 0, 2, 3]])
