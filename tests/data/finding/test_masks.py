import re

import pytest

from mrisynth.data.finding.masks import mask_folder, masks_of
from mrisynth.errors import UserError


def pairs(scans, masks):
    subjects = [re.split(r"[/.]|_v\d|_t1|_flair", scan)[0] for scan in scans]
    found = masks_of(scans, subjects, masks)
    assert all(bool(mask) != bool(warning) for mask, warning in found)
    return [mask for mask, _ in found]


@pytest.mark.parametrize(
    ("scans", "masks", "expected"),
    [
        (["p1.nii", "p10.nii"], ["p10_lesion.nii"], ["", "p10_lesion.nii"]),
        (
            ["1.nii", "10.nii", "11.nii"],
            ["1_m.nii", "10_m.nii", "11_m.nii"],
            ["1_m.nii", "10_m.nii", "11_m.nii"],
        ),
        (["p1.nii", "p1_2.nii"], ["p1_2_mask.nii"], ["", "p1_2_mask.nii"]),
        (["p1.nii"], ["p1_2_mask.nii"], [""]),
        (["p1.nii"], ["p1_visit2_mask.nii"], [""]),
        (["anna.nii", "anna_brain.nii"], ["anna_brain_lesion.nii"], ["", "anna_brain_lesion.nii"]),
        (["anna.nii"], ["anna.nii"], ["anna.nii"]),
        (["J.nii", "Jürgen.nii"], ["Jürgen_lesion.nii"], ["", "Jürgen_lesion.nii"]),
        (["imagesTr/p_001_0000.nii"], ["p_001.nii"], ["p_001.nii"]),
        (["Anna.nii"], ["mask-anna.nii.gz"], ["mask-anna.nii.gz"]),
        (["anna.nii"], ["annabel_lesion.nii"], [""]),
        (["x-1-t2f.nii", "x-2-t2f.nii"], ["x-1-seg.nii"], ["x-1-seg.nii", ""]),
        (["p1/flair.nii", "p2/flair.nii"], ["p2/flair_seg.nii"], ["", "p2/flair_seg.nii"]),
        (["p1/flair.nii", "p2/flair.nii"], ["flair_seg.nii"], ["", ""]),
        (["p1/flair.nii", "p2/flair.nii"], ["p2_lesion.nii"], ["", "p2_lesion.nii"]),
        (["c1/imaging.nii", "c2/imaging.nii"], ["c2/segmentation.nii"], ["", "c2/segmentation.nii"]),
        (["visit1/p1.nii", "visit2/p1.nii"], ["visit2/p1_seg.nii"], ["", "visit2/p1_seg.nii"]),
        (["p1_v1.nii", "p1_v2.nii"], ["p1_lesion.nii"], ["", ""]),
        (["p1_t1.nii", "p1_flair.nii"], ["p1_lesion.nii"], ["p1_lesion.nii"] * 2),
        (["a.nii"], ["a_lesion.nii", "a_brainmask.nii"], ["a_lesion.nii"]),
    ],
)
def test_a_mask_belongs_to_the_scan_of_its_name_and_no_other(scans, masks, expected):
    assert pairs(scans, masks) == expected


@pytest.mark.parametrize(
    ("mask", "fits"),
    [
        ("sub-1_label-lesion_mask.nii", True),
        ("sub-1_space-orig_label-lesion_mask.nii", True),
        ("sub-1_space-MNI152NLin2009cAsym_label-lesion_mask.nii", False),
        ("sub-10_label-lesion_mask.nii", False),
        ("sub-1_ses-2_label-lesion_mask.nii", False),
        ("sub-1_run-2_label-lesion_mask.nii", False),
        ("sub-1_run-1_label-lesion_mask.nii", True),
        ("sub-01_label-lesion_mask.nii", True),
    ],
)
def test_a_bids_mask_contradicts_neither_subject_nor_session_nor_space(mask, fits):
    assert pairs(["sub-1/anat/sub-1_run-1_FLAIR.nii"], [mask]) == [mask if fits else ""]


def test_a_mask_in_another_space_is_named():
    masks = ["sub-1_space-MNI152Lin_mask.nii", "sub-2_mask.nii", "sub-3_space-MNI152Lin_mask.nii"]
    scans = [f"sub-{number}_FLAIR.nii" for number in (1, 2)] + ["sub-3_space-MNI152Lin_FLAIR.nii"]
    (first, warning), second, third = masks_of(scans, ["", "", ""], masks)
    assert (first, second[0], third[0]) == ("", *masks[1:])
    assert warning.startswith("mask left out: sub-1_space-MNI152Lin_mask.nii lies in the space of a template")


def test_masks_of_labels_with_hyphens_are_not_mixed_up():
    scans = [f"sub-CC-{number}/anat/sub-CC-{number}_FLAIR.nii" for number in (1, 2)]
    masks = [f"sub-CC-{number}/sub-CC-{number}_label-lesion_mask.nii" for number in (1, 2)]
    assert pairs(scans, masks) == masks


def test_several_masks_of_one_scan_are_a_question():
    with pytest.raises(UserError, match="--masks: several masks fit anna.nii: anna_a.nii, anna_b.nii"):
        pairs(["anna.nii"], ["anna_a.nii", "anna_b.nii"])


def test_a_folder_of_masks_may_be_within_the_scans_or_be_theirs(tmp_path):
    (tmp_path / "masks").mkdir()
    (tmp_path / "scans").mkdir()
    inside = mask_folder(tmp_path, "masks")
    assert inside.holds(tmp_path / "masks" / "any.nii")
    assert not inside.holds(tmp_path / "a_mask.nii")
    for shared in (mask_folder(tmp_path, "."), mask_folder(tmp_path / "scans", str(tmp_path))):
        assert shared.holds(tmp_path / "scans" / "a_mask.nii")
        assert not shared.holds(tmp_path / "scans" / "a.nii")
    with pytest.raises(UserError, match="--masks: there is no folder .*none"):
        mask_folder(tmp_path, "none")
