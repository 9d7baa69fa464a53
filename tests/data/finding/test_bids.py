import pytest

from mrisynth.data.finding.bids import (
    bids_suffix,
    contrast,
    entities,
    is_bids,
    session,
    subject_labels,
    subject_of,
)


def test_names_are_taken_apart_as_bids_has_it():
    assert entities("sub-01/ses-2/anat/sub-01_ses-2_run-1_FLAIR.nii.gz") == {
        "sub": "01",
        "ses": "2",
        "run": "1",
    }
    assert entities("sub-01_ses-pre-op_T1w.nii")["ses"] == "pre-op"
    assert bids_suffix("sub-01_ses-2_T1w.nii.gz") == "T1w"
    assert bids_suffix("sub-01.nii") == ""
    assert bids_suffix("head_T1w.nii") == ""
    assert bids_suffix("sub-CC_0001.nii") == ""
    assert bids_suffix("sub-CC_A1/sub-CC_A1.nii") == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01/anat/sub-01_FLAIR.nii", "FLAIR"),
        ("sub-01/flair.nii", "flair"),
        ("sub-01/sub-01-t2f.nii", "t2f"),
        ("sub-01-t2f.nii", "t2f"),
        ("sub-01/sub-01.nii", ""),
        ("sub-01-abc.nii", ""),
    ],
)
def test_a_contrast_is_named_even_where_a_name_is_not_quite_bids(name, expected):
    assert contrast(name) == expected


def test_a_session_is_the_names_or_the_folders():
    assert session("sub-1/ses-2/anat/sub-1_ses-3_T1w.nii") == "ses-3"
    assert session("sub-1/ses-pre-op/flair.nii") == "ses-pre-op"
    assert session("sub-1/flair.nii") == ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("sub-01/anat/sub-01_FLAIR.nii", "sub-01"),
        ("sub-01/flair.nii", "sub-01"),
        ("sub-01_ses-1/x.nii", "sub-01"),
        ("sub-CC-0001/anat/sub-CC-0001_FLAIR.nii", "sub-CC-0001"),
        ("sub-CC_0001/anat/sub-CC_0001_FLAIR.nii", "sub-CC_0001"),
        ("sub-CC_0001/anat/sub-CC0001_FLAIR.nii", "sub-CC_0001"),
        ("sub-CC-0001_FLAIR.nii", "sub-CC-0001"),
        ("sub-01_ses-1_FLAIR.nii", "sub-01"),
        ("sub-01-flair.nii", "sub-01"),
        ("sub-01/sub-010_FLAIR.nii", ""),
        ("sub-01/anat/sub-02_FLAIR.nii", ""),
        ("anna/flair.nii", ""),
    ],
)
def test_a_label_is_whole_also_with_a_hyphen_or_an_underscore(name, expected):
    assert subject_of(name) == expected


def test_an_underscore_without_a_folder_may_belong_to_the_label_or_not():
    assert subject_labels("sub-CC_0001_acq-x_FLAIR.nii") == ("sub-CC", "sub-CC_0001")
    assert subject_labels("sub-CC_0001.nii") == ("sub-CC", "sub-CC_0001")
    assert subject_labels("sub-01_acq-x_FLAIR.nii") == ("sub-01", "sub-01")
    assert subject_labels("anna.nii") is None


def test_a_folder_is_bids_by_its_description_or_its_subjects(tmp_path):
    assert not is_bids(tmp_path)
    (tmp_path / "sub-1").mkdir()
    assert is_bids(tmp_path)
    (tmp_path / "sub-1").rmdir()
    (tmp_path / "dataset_description.json").touch()
    assert is_bids(tmp_path)
