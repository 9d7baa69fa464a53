import re
import shlex

import pytest

from mrisynth.data.finding.subjects import subjects_of
from mrisynth.errors import UserError

VISITS = [f"visit{visit}/p{number:02d}.nii" for visit in (1, 2) for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sub-01/anat/sub-01_FLAIR.nii", "sub-02/x.nii"], ["sub-01", "sub-02"]),
        (["anna.nii", "site2/bert.nii.gz"], ["anna", "bert"]),
        (["p7/flair.nii", "p8/flair.nii", "p8/later/t1.nii"], ["p7", "p8", "p8"]),
        (VISITS, ["p01", "p02", "p03"] * 2),
        (["baseline/P01.nii", "followup/p1.nii", "followup/p2.nii"], ["P01", "P01", "p2"]),
        (["20190131/p1.nii", "20200131/p1.nii", "20200131/p2.nii"], ["p1", "p1", "p2"]),
        ([f"p{number}/imaging.nii.gz" for number in range(1, 4)], ["p1", "p2", "p3"]),
        ([f"p{number}/scans/imaging.nii.gz" for number in range(1, 4)], ["p1", "p2", "p3"]),
        (
            ["patient7_visit1.nii", "patient7_visit2.nii", "patient8_visit1.nii"],
            ["patient7"] * 2 + ["patient8"],
        ),
        (["p1/v1/flair.nii", "p1/v2/flair.nii", "p2/v1/flair.nii"], ["p1", "p1", "p2"]),
        (["v1/p1/flair.nii", "v2/p1/flair.nii", "v1/p2/flair.nii"], ["p1", "p1", "p2"]),
        (["p1/p1_a.nii", "p1/p1_b.nii", "p2/p2_a.nii"], ["p1", "p1", "p2"]),
        (["controls/c1.nii", "controls/c2.nii", "patients/p1.nii"], ["c1", "c2", "p1"]),
        (["control_1.nii", "control_2.nii", "patient_1.nii"], ["control_1", "control_2", "patient_1"]),
        (["scan_001.nii", "scan_002.nii"], ["scan_001", "scan_002"]),
        (["M01.nii", "M02.nii", "F01.nii"], ["M01", "M02", "F01"]),
        (["anna_x.nii", "bert_x.nii", "carl_y.nii"], ["anna_x", "bert_x", "carl_y"]),
        (["control_left.nii", "patient_left.nii"], ["control_left", "patient_left"]),
        (["imagesTr/x_1.nii", "imagesTr/x_2.nii", "labelsTr/x_1.nii"], ["x_1", "x_2", "x_1"]),
        (["t1.nii", "flair.nii"], ["anna", "anna"]),
        (["p1.nii", "p1.nii.gz"], ["p1", "p1"]),
        (["extra/P1.nii", "extra/p01.nii"], ["P1", "P1"]),
        (["sub-CC_0001/anat/sub-CC_0001_T1w.nii", "sub-CC_0002/x.nii"], ["sub-CC_0001", "sub-CC_0002"]),
        (["sub-01_brain_T1w.nii", "sub-02_brain_T1w.nii"], ["sub-01", "sub-02"]),
        (["sub-01/sub-02_T1w.nii", "bert.nii"], ["", "bert"]),
        ([], []),
    ],
)
def test_subjects_come_from_bids_or_from_what_tells_names_apart(names, expected):
    assert subjects_of(names, folder="anna") == expected


@pytest.mark.parametrize(
    ("names", "readings"),
    [
        (["p7_1.nii", "p7_2.nii", "p8_1.nii"], [{"p7_1", "p7_2", "p8_1"}, {"p7", "p8"}]),
        (
            ["p7_scan1.nii", "p7_scan2.nii", "p8_scan1.nii"],
            [{"p7_scan1", "p7_scan2", "p8_scan1"}, {"p7", "p8"}],
        ),
        (["p7a.nii", "p7b.nii", "p8a.nii"], [{"p7a", "p7b", "p8a"}, {"p7", "p8"}]),
        (
            ["p.7.v.1.nii", "p.7.v.2.nii", "p.8.v.1.nii"],
            [{"p.7.v.1", "p.7.v.2", "p.8.v.1"}, {"p.7.v", "p.8.v"}],
        ),
        (
            ["p7_left.nii", "p7_right.nii", "p8_left.nii"],
            [{"p7_left", "p7_right", "p8_left"}, {"p7", "p8"}],
        ),
        (["p7-rescan.nii", "p7-retest.nii", "p8-rescan.nii"], [{"p7", "p8"}]),
        (
            ["OAS_1_mpr-1_anon.nii", "OAS_1_mpr-2_anon.nii", "OAS_2_mpr-1_anon.nii"],
            [{"OAS_1_mpr", "OAS_2_mpr"}],
        ),
        (["x-1-000/x-1-000-t2f.nii", "x-1-001/x-1-001-t2f.nii", "x-2-000/x-2-000-t2f.nii"], [{"x-1", "x-2"}]),
        (
            ["siteA/p1.nii", "siteA/p2.nii", "siteB/p1.nii"],
            [{"siteA_p1", "siteA_p2", "siteB_p1"}, {"p1", "p2"}],
        ),
        (["q/foo.nii", "q/bar.nii", "r/foo.nii"], [{"q", "r"}, {"foo", "bar"}]),
        (["q/foo.nii", "q/bar.nii", "r/baz.nii"], [{"q", "r"}, {"foo", "bar", "baz"}]),
        (
            ["sub-CC_1_T1w.nii", "sub-CC_2_T1w.nii", "sub-DD_1_T1w.nii"],
            [{"sub-CC", "sub-DD"}, {"sub-CC_1", "sub-CC_2", "sub-DD_1"}],
        ),
    ],
)
def test_where_names_can_be_read_in_two_ways_both_are_shown_with_their_flags(names, readings):
    with pytest.raises(UserError, match="--subject_regex: whose scans these are") as raised:
        subjects_of(names)
    flags = [word for word in shlex.split(str(raised.value)) if word.startswith("--subject_regex=")]
    assert len(flags) >= 2
    offered = [set(subjects_of(names, re.compile(flag.partition("=")[2]))) for flag in flags]
    for reading in readings:
        assert reading in offered


@pytest.mark.parametrize(
    ("regex", "expected"),
    [
        (r"p\d+", ["p7", "p12", ""]),
        (r"p(\d+)", ["7", "12", ""]),
        (r"(x?)p(?P<subject>\d)", ["7", "1", ""]),
        (r"^(a/p..)", ["", "a_p12", ""]),
    ],
)
def test_a_regular_expression_names_subjects(regex, expected):
    assert subjects_of(["p7_t1.nii", "a/p12_t1.nii", "q.nii"], re.compile(regex)) == expected
