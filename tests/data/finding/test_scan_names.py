import pytest

from mrisynth.data.finding.scan_names import (
    is_group,
    is_mask,
    is_visit,
    is_visit_code,
    printable,
    same_form,
    stem,
    what_is_masked,
    whose,
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a/b.c/scan.v2.nii.gz", "scan.v2"), ("x.NII", "x"), ("x.nrrd", "x"), ("1.2.840", "1"), ("a/", "")],
)
def test_a_stem_has_neither_folder_nor_ending(name, expected):
    assert stem(name) == expected


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("patient7_visit1", "patient7"),
        ("patient7-Visit-02_T1w", "patient7"),
        ("OAS1_0001_MR2", "OAS1_0001"),
        ("p1_m06", "p1"),
        ("20190131_p1", "p1"),
        ("BraTS-GLI-00001-000-t2f", "BraTS-GLI-00001-000"),
        ("anna_lesion", "anna"),
        ("OAS30001_MR_d0129", "OAS30001_MR"),
        ("visit2", ""),
        ("labelsTr", ""),
        ("flair", ""),
        ("imaging", ""),
        ("brain_T1", ""),
        ("M01", "M01"),
        ("scan_001", "scan_001"),
        ("visitor3", "visitor3"),
    ],
)
def test_words_for_visits_and_contrasts_do_not_say_whose_a_scan_is(part, expected):
    assert whose(part) == expected


def test_words_for_masks_do_not_say_what_is_masked():
    assert [what_is_masked(part) for part in ("anna_lesion", "mask-anna", "p1_seg_T2", "segmentation")] == [
        "anna",
        "anna",
        "p1",
        "",
    ]
    assert is_mask("x/anna_lesion.nii.gz")
    assert not is_mask("mask/anna.nii")
    assert not is_mask("unmasked.nii")


def test_names_that_differ_in_zeros_case_and_separators_have_the_same_form():
    assert same_form("P-007_a") == same_form("p_7-A") == "p_7_a"
    assert same_form("p10") != same_form("p1")
    assert same_form("p100") == "p100"
    assert same_form("Jose\u0301") == same_form("jos\u00e9")


def test_words_for_visits_and_groups_are_known():
    assert all(map(is_visit, ("10_lesion", "visit2", "v2_mask", "baseline")))
    assert not any(map(is_visit, ("lesion_1", "mask", "x")))
    assert all(map(is_visit_code, ("v1", "M06")))
    assert not is_visit_code("p1")
    assert all(map(is_group, ("controls", "site2", "train", "MS", "patients_site1")))
    assert not any(map(is_group, ("anna", "controls_anna")))


def test_a_name_that_is_not_utf_8_becomes_one_that_any_text_can_hold():
    name = b"J\xfcrgen.nii".decode("utf-8", "surrogateescape")
    assert printable(name) == r"J\xfcrgen.nii"
    assert printable("Jürgen\t.nii") == r"Jürgen\t.nii"
