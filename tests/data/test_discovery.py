import re
import time

import nibabel
import pytest

from mrisynth.data import dicom
from mrisynth.data.discovery import (
    bids_suffix,
    entities,
    find_scans,
    read_participants,
    stem,
    subjects_of,
)
from mrisynth.errors import UserError
from tests.data.dicom_files import write_dicomdir, write_series
from tests.data.ellipsoid_scans import head_image, write_bids


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    return folder


def names_of(scans):
    return [scan.name for scan in scans]


def test_names_are_taken_apart_as_bids_has_it():
    assert entities("sub-01/ses-2/anat/sub-01_ses-2_run-1_FLAIR.nii.gz") == {
        "sub": "01",
        "ses": "2",
        "run": "1",
    }
    assert bids_suffix("sub-01_ses-2_T1w.nii.gz") == "T1w"
    assert bids_suffix("sub-01.nii") == ""
    assert bids_suffix("head_T1w.nii") == ""
    assert stem("a/b.c/scan.v2.nii.gz") == "scan.v2"


def test_a_bids_folder_gives_the_chosen_contrast_without_derivatives(tmp_path):
    names = [
        f"sub-0{n}/ses-{s}/anat/sub-0{n}_ses-{s}_{c}.nii.gz"
        for n in (1, 2)
        for s in (1, 2)
        for c in ("FLAIR", "T1w")
    ]
    touch(tmp_path, *names, "derivatives/x/sub-01/anat/sub-01_FLAIR.nii.gz", "sub-01/anat/notes.txt")
    scans = find_scans((str(tmp_path),), suffix="FLAIR")
    assert names_of(scans) == [name for name in names if "FLAIR" in name]
    assert [(scan.subject, scan.session, scan.suffix) for scan in scans[:2]] == [
        ("sub-01", "ses-1", "FLAIR"),
        ("sub-01", "ses-2", "FLAIR"),
    ]


def test_the_contrast_is_asked_for_only_where_there_is_a_choice(tmp_path):
    touch(tmp_path, "sub-1/anat/sub-1_FLAIR.nii")
    assert len(find_scans((str(tmp_path),))) == 1
    touch(tmp_path, "sub-1/anat/sub-1_T1w.nii")
    with pytest.raises(UserError, match=r"--suffix: .* FLAIR, T1w"):
        find_scans((str(tmp_path),))
    with pytest.raises(UserError, match=r"--suffix=PD: .* FLAIR, T1w"):
        find_scans((str(tmp_path),), suffix="PD")


def test_any_other_folder_gives_every_scan_once(tmp_path):
    touch(
        tmp_path,
        "a.nii",
        "b/c.nii.gz",
        "d.hdr",
        "d.img",
        "e.mgz",
        "f.mnc",
        "g.txt",
        ".hidden.nii",
        "b/h.json",
    )
    folder = str(tmp_path)
    assert names_of(find_scans((folder, folder))) == ["a.nii", "b/c.nii.gz", "d.hdr", "e.mgz", "f.mnc"]
    assert names_of(find_scans((folder, str(tmp_path / "g.txt"))))[-1] == "g.txt"


def test_nothing_found_is_an_error_that_names_the_flag(tmp_path):
    with pytest.raises(UserError, match="--input: there is no file or folder"):
        find_scans((str(tmp_path / "nowhere"),))
    with pytest.raises(UserError, match="--input: no scans below"):
        find_scans((str(tmp_path),))


@pytest.mark.parametrize("name", ["IM0001", "scan.dcm", "1.2.840.113619", "scan.nii", "scan.img", "t1.json"])
def test_dicom_is_known_by_its_mark_whatever_its_name(name, tmp_path):
    (path,) = write_series(tmp_path / "series", leave_out=range(1, 25))
    path.rename(path.with_name(name))
    touch(tmp_path, "a.nii")
    plain, scan = find_scans((str(tmp_path),))
    assert (plain.name, plain.files) == ("a.nii", ())
    assert scan.files == (path.with_name(name),)
    assert scan.fault == ""
    (given,) = find_scans((str(path.with_name(name)),))
    assert given.files == scan.files


def test_without_dcm2niix_dicom_is_refused_with_the_way_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(dicom, "dcm2niix", lambda: None)
    write_series(tmp_path / "series")
    with pytest.raises(UserError, match=r'--input: .*DICOM.* pip install "mrisynth\[dicom\]"'):
        find_scans((str(tmp_path),))
    touch(tmp_path, "a.nii")
    assert [scan.fault for scan in find_scans((str(tmp_path),))] == ["", dicom.ADVICE]


def test_a_dicomdir_stands_for_its_folder_and_is_no_scan(tmp_path):
    write_series(tmp_path / "DICOM" / "PA1" / "SE1")
    write_dicomdir(tmp_path / "DICOMDIR")
    scans = find_scans((str(tmp_path),), salt="salt")
    assert [len(scan.files) for scan in scans] == [25]
    assert [scan.name for scan in find_scans((str(tmp_path / "DICOMDIR"),), salt="salt")] == [scans[0].name]


def test_thousands_of_dicom_files_are_found_in_seconds(tmp_path):
    pattern = write_series(tmp_path / "one", leave_out=range(1, 25))[0].read_bytes()
    for folder in range(40):
        (tmp_path / str(folder)).mkdir()
        for number in range(50):
            (tmp_path / str(folder) / str(number)).write_bytes(pattern)
    began = time.perf_counter()
    (scan,) = find_scans((str(tmp_path),))
    assert time.perf_counter() - began < 2  # 20,000 in 1.1 s on two cores of an AMD EPYC.
    assert "copies left out: 2000" in scan.warnings[0]


def test_a_link_to_nowhere_is_a_fault_of_that_file(tmp_path):
    touch(tmp_path, "a.nii")
    (tmp_path / "b.nii").symlink_to(tmp_path / "gone.nii")
    scans = find_scans((str(tmp_path),))
    assert scans[0].fault == ""
    assert "broken link" in scans[1].fault


def test_a_link_back_up_does_not_go_on_for_ever(tmp_path):
    touch(tmp_path, "a/b.nii")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert names_of(find_scans((str(tmp_path),))) == ["a/b.nii"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["sub-01/anat/sub-01_FLAIR.nii", "sub-02/x.nii"], ["sub-01", "sub-02"]),
        (["anna.nii", "site2/bert.nii.gz"], ["anna", "bert"]),
        (["p7/flair.nii", "p8/flair.nii", "p8/later/t1.nii"], ["p7", "p8", "p8"]),
    ],
)
def test_subjects_come_from_bids_or_the_name_that_tells_them_apart(names, expected):
    assert subjects_of(names) == expected


@pytest.mark.parametrize(
    ("regex", "expected"),
    [(r"p\d+", ["p7", "p12", ""]), (r"p(\d+)", ["7", "12", ""]), (r"(x?)p(?P<subject>\d)", ["7", "1", ""])],
)
def test_a_regular_expression_names_subjects(regex, expected):
    assert subjects_of(["p7_t1.nii", "a/p12_t1.nii", "q.nii"], re.compile(regex)) == expected


def test_a_file_without_a_subject_is_not_used(tmp_path):
    touch(tmp_path, "p7.nii", "q.nii")
    scans = find_scans((str(tmp_path),), subject_regex=r"p\d")
    assert [scan.subject for scan in scans] == ["p7", ""]
    assert scans[0].fault == ""
    assert "--subject_regex" in scans[1].fault
    with pytest.raises(UserError, match="--subject_regex"):
        find_scans((str(tmp_path),), subject_regex="(")


def test_participants_are_read_with_or_without_the_prefix(tmp_path):
    (tmp_path / "participants.tsv").write_text(
        "participant_id\tage\tsex\nsub-01\t50\tF\n02\t\tM\n", "utf-8-sig"
    )
    assert read_participants(tmp_path) == {
        "sub-01": {"age": "50", "sex": "F"},
        "sub-02": {"age": "n/a", "sex": "M"},
    }
    (tmp_path / "participants.tsv").write_text("name\tage\nsub-01\t50\n")
    with pytest.raises(UserError, match="participant_id"):
        read_participants(tmp_path)


def test_masks_find_the_scan_of_their_subject_and_session(tmp_path):
    write_bids(tmp_path, subjects=2, sessions=("1", "2"), masks=True)
    scans = find_scans((str(tmp_path),), masks="derivatives/lesion")
    for scan in scans:
        expected = f"{scan.subject}_{scan.session}_label-lesion_mask.nii.gz"
        assert scan.mask is not None
        assert scan.mask.name == expected
    with pytest.raises(UserError, match="--masks"):
        find_scans((str(tmp_path),), masks="derivatives/none")


def test_masks_of_other_folders_begin_with_the_scans_name(tmp_path):
    touch(tmp_path, "scans/anna.nii", "scans/bert.nii", "masks/anna_lesion.nii")
    scans = find_scans((str(tmp_path / "scans"),), masks=str(tmp_path / "masks"))
    assert [scan.mask and scan.mask.name for scan in scans] == ["anna_lesion.nii", None]


def test_a_file_given_by_itself_is_taken(tmp_path):
    nibabel.save(head_image(), tmp_path / "sub-5_T1w.nii")
    (scan,) = find_scans((str(tmp_path / "sub-5_T1w.nii"),))
    assert (scan.subject, scan.suffix, scan.name) == ("sub-5", "T1w", "sub-5_T1w.nii")
