import os
import shutil
import time

import nibabel
import pytest

from mrisynth.data.finding import dicom
from mrisynth.data.finding.discovery import find_scans
from mrisynth.errors import UserError
from tests.data.dicom_files import write_dicomdir, write_series
from tests.data.ellipsoid_scans import head_image, write_bids
from tests.folders import touch


def names_of(scans):
    return [scan.name for scan in scans]


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


def test_scans_of_several_contrasts_have_theirs_as_they_were_asked_for(tmp_path):
    kinds = ("FLAIR", "T1w", "ce-GAD_T1w", "T2w")
    touch(tmp_path / "a", *[f"sub-{n}/anat/sub-{n}_{kind}.nii" for n in (1, 2) for kind in kinds])
    touch(tmp_path / "b", "p1_pd.nii", "p2_pd.nii")
    asked = "flair,T1w[ce-GAD],T1w[!ce]"
    scans = find_scans((str(tmp_path / "a"),), suffix=asked)
    ends = ["1_FLAIR", "1_T1w", "1_ce-GAD_T1w", "2_FLAIR", "2_T1w", "2_ce-GAD_T1w"]
    assert [scan.name.split("/sub-")[1] for scan in scans] == [f"{end}.nii" for end in ends]
    assert [scan.suffix for scan in scans] == ["flair", "T1w", "ce-GAD_T1w"] * 2
    assert {scan.subject for scan in scans} == {"sub-1", "sub-2"}
    places = (str(tmp_path / "a"), str(tmp_path / "b"))
    assert sorted(scan.suffix for scan in find_scans(places, suffix="T2w,PD")) == ["PD", "PD", "T2w", "T2w"]
    with pytest.raises(UserError, match="--suffix: there is no scan DWI; there are FLAIR"):
        find_scans(places[:1], suffix="FLAIR,DWI")
    with pytest.raises(UserError, match=r"--suffix: .*_ce-GAD_T1w.nii fits T1w and T1w\[ce-GAD\]; tell"):
        find_scans(places[:1], suffix="T1w,T1w[ce-GAD]")
    with pytest.raises(UserError, match="--suffix=SWI,DWI: no such scan below .*; there are FLAIR, T1w, T2w"):
        find_scans(places[:1], suffix="SWI,DWI")


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


@pytest.mark.parametrize(
    "elements", [{"Modality": "CT"}, {"SeriesDescription": "localizer"}, {"PatientID": ""}]
)
def test_dicom_files_that_are_all_of_no_use_are_named_without_their_paths(elements, tmp_path):
    write_series(tmp_path / "scans" / "JOHN_DOE", leave_out=range(3, 25), **elements)
    with pytest.raises(UserError, match=r"--input: .*_[0-9a-f]{12} cannot be used: ") as error:
        find_scans((str(tmp_path / "scans"),))
    assert "JOHN_DOE" not in str(error.value)
    assert "IM00" not in str(error.value)


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


def test_a_file_without_a_subject_is_not_used(tmp_path):
    touch(tmp_path, "p7.nii", "q.nii")
    scans = find_scans((str(tmp_path),), subject_regex=r"p\d")
    assert [scan.subject for scan in scans] == ["p7", ""]
    assert scans[0].fault == ""
    assert "--subject_regex" in scans[1].fault
    with pytest.raises(UserError, match="--subject_regex"):
        find_scans((str(tmp_path),), subject_regex="(")


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


def test_files_that_are_given_themselves_are_told_apart_by_their_folders(tmp_path):
    touch(tmp_path, *(f"p{number}/imaging.nii.gz" for number in (1, 2, 3)))
    given = find_scans(tuple(str(tmp_path / f"p{number}" / "imaging.nii.gz") for number in (1, 2, 3)))
    below = find_scans((str(tmp_path),))
    assert [(scan.name, scan.subject) for scan in given] == [(scan.name, scan.subject) for scan in below]
    assert [scan.subject for scan in given] == ["p1", "p2", "p3"]


def test_files_that_are_given_themselves_are_chosen_by_their_contrasts(tmp_path):
    names = [f"sub-{n}_{kind}.nii" for n in (1, 2) for kind in ("FLAIR", "T1w", "ce-GAD_T1w")]
    given = tuple(str(touch(tmp_path, *names) / name) for name in names)
    assert names_of(find_scans(given, suffix="FLAIR")) == [names[0], names[3]]
    scans = find_scans(given, suffix="FLAIR,T1w[!ce]")
    assert [(scan.name, scan.suffix) for scan in scans] == [
        (f"sub-{n}_{kind}.nii", kind) for n in (1, 2) for kind in ("FLAIR", "T1w")
    ]
    with pytest.raises(UserError, match="--suffix=PD: no such scan below .*; there are FLAIR, T1w"):
        find_scans(given, suffix="PD")


def test_scans_and_masks_may_be_links_to_one_content(tmp_path):
    stored = touch(tmp_path, "annex/content") / "annex" / "content"
    names = [f"data/sub-{n}/anat/sub-{n}_FLAIR.nii" for n in (1, 2, 3)]
    names += [f"data/lesion/sub-{n}_mask.nii" for n in (1, 2, 3)]
    for path in (tmp_path / name for name in names):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(stored)
    data = str(tmp_path / "data")
    scans = find_scans(
        (data, data + "/sub-1", data + "/" + names[1].removeprefix("data/")), masks=data + "/lesion"
    )
    assert [scan.subject for scan in scans] == ["sub-1", "sub-2", "sub-3"]
    assert [scan.mask and scan.mask.name for scan in scans] == [f"sub-{n}_mask.nii" for n in (1, 2, 3)]


def test_a_folder_that_is_linked_belongs_to_every_subject_whose_name_it_bears(tmp_path):
    touch(tmp_path, "sub-1/ses-1/flair.nii", "sub-2/ses-2/flair.nii", "masks/x/sub-2_ses-2_mask.nii")
    (tmp_path / "sub-2" / "ses-1").symlink_to(tmp_path / "sub-1" / "ses-1")
    (tmp_path / "sub-2" / "up").symlink_to(tmp_path)
    (tmp_path / "twice").symlink_to(tmp_path / "sub-1")
    (tmp_path / "lesion").mkdir()
    (tmp_path / "lesion" / "y").symlink_to(tmp_path / "masks" / "x")
    scans = find_scans((str(tmp_path),), suffix="flair", masks="lesion")
    assert [(scan.name, scan.mask is not None) for scan in scans] == [
        ("sub-1/ses-1/flair.nii", False),
        ("sub-2/ses-1/flair.nii", False),
        ("sub-2/ses-2/flair.nii", True),
    ]


def test_subjects_are_judged_over_all_inputs_together(tmp_path):
    touch(tmp_path, *(f"{visit}/p{number}.nii" for visit in ("visit1", "visit2") for number in (1, 2)))
    scans = find_scans((str(tmp_path / "visit1"), str(tmp_path / "visit2")))
    assert [(scan.name, scan.subject) for scan in scans] == [("p1.nii", "p1"), ("p2.nii", "p2")] * 2
    touch(tmp_path, *(f"{patient}/flair.nii" for patient in ("anna", "bert")))
    scans = find_scans((str(tmp_path / "anna"), str(tmp_path / "bert")))
    assert [scan.subject for scan in scans] == ["anna", "bert"]
    touch(tmp_path, *(f"{site}/p{number}.nii" for site in ("siteA", "siteB") for number in (1, 2)))
    with pytest.raises(UserError, match=r"--subject_regex.* 4 subjects .* 2 subjects"):
        find_scans((str(tmp_path / "siteA"), str(tmp_path / "siteB")))
    scans = find_scans((str(tmp_path / "siteA"), str(tmp_path / "siteB")), subject_regex="^([^/]+/[^/.]+)")
    assert [scan.subject for scan in scans] == ["siteA_p1", "siteA_p2", "siteB_p1", "siteB_p2"]


def test_a_label_in_two_inputs_is_one_person_and_said_so(tmp_path):
    names = ("sub-1/anat/sub-1_T1w.nii", "sub-2/anat/sub-2_T1w.nii")
    first, second = touch(tmp_path / "a", *names), touch(tmp_path / "b", names[0])
    scans = find_scans((str(first), str(second)))
    assert [scan.subject for scan in scans] == ["sub-1", "sub-2", "sub-1"]
    assert [[warning.partition(":")[0] for warning in scan.warnings] for scan in scans] == [
        ["subject in several inputs"],
        [],
        ["subject in several inputs"],
    ]
    scans = find_scans((str(first), str(second)), subject_regex="^([ab]/sub-.)")
    assert [(scan.subject, scan.warnings) for scan in scans] == [
        ("a_sub-1", ()),
        ("a_sub-2", ()),
        ("b_sub-1", ()),
    ]


@pytest.mark.parametrize(
    ("first", "second", "subject"),
    [
        ("sub-01/anat/sub-01_T1w.nii", "sub-1/anat/sub-1_T1w.nii", "sub-01"),
        ("sub-0001_T1w.nii", "sub-01_T1w.nii", "sub-0001"),
        ("visit1/sub-P01/anat/sub-P01_T1w.nii", "visit2/sub-p01/anat/sub-p01_T1w.nii", "sub-P01"),
        ("sub-0-1/anat/sub-0-1_T1w.nii", "sub-0_1/anat/sub-0_1_T1w.nii", "sub-0-1"),
        ("extra/01_T1w.nii", "scans/sub-01/anat/sub-01_T1w.nii", "sub-01"),
        ("extra/sub01_T1w.nii", "scans/sub-01/anat/sub-01_T1w.nii", "sub-01"),
        ("extra/Subject_1_T1w.nii", "scans/sub-01/anat/sub-01_T1w.nii", "sub-01"),
        ("extra/SUB_1_T1w.nii", "scans/sub-01/anat/sub-01_T1w.nii", "sub-01"),
    ],
)
def test_names_that_differ_in_zeros_case_separators_and_sub_alone_are_one_person(
    first, second, subject, tmp_path
):
    touch(tmp_path, first, second, "scans/sub-2/anat/sub-2_T1w.nii")
    scans = {scan.name: scan for scan in find_scans((str(tmp_path),), suffix="T1w")}
    assert [scans[name].subject for name in (first, second)] == [subject] * 2
    ((warning,),) = [scan.warnings for scan in scans.values() if scan.warnings]
    assert warning.startswith("subjects alike: ")
    assert "are one person; --subject_regex" in warning
    told_apart = find_scans((str(tmp_path),), suffix="T1w", subject_regex=r"([^/]+)_T1w")
    assert len({scan.subject for scan in told_apart}) == 3
    ((warning,),) = [scan.warnings for scan in told_apart if scan.warnings]
    assert "count as two" in warning


def test_a_file_in_anothers_folder_is_left_out_by_name(tmp_path):
    touch(tmp_path, "sub-01/anat/sub-01_FLAIR.nii", "sub-01/anat/sub-02_FLAIR.nii")
    assert [scan.fault for scan in find_scans((str(tmp_path),))] == [
        "",
        "its folder and its name stand for different subjects",
    ]


@pytest.mark.parametrize("suffix", ["", "flair", "FLAIR"])
def test_folders_of_subjects_need_not_hold_names_of_bids(suffix, tmp_path):
    touch(tmp_path, *(f"sub-{number:02d}/flair.nii.gz" for number in (1, 2, 3)))
    scans = find_scans((str(tmp_path),), suffix=suffix)
    assert [scan.subject for scan in scans] == ["sub-01", "sub-02", "sub-03"]
    assert {scan.suffix.lower() for scan in scans} == {"flair"}
    assert not any(scan.fault for scan in scans)
    touch(tmp_path, *(f"sub-{number:02d}/t1.nii.gz" for number in (1, 2)))
    if suffix:
        assert len(find_scans((str(tmp_path),), suffix=suffix)) == 3
    else:
        with pytest.raises(UserError, match="--suffix: .* holds flair, t1; choose one"):
            find_scans((str(tmp_path),))


def test_scans_that_have_a_folder_of_a_subject_and_any_name_are_all_used(tmp_path):
    touch(tmp_path, "sub-1/a.nii", "sub-2/b.nii", "sub-3/sub-3.nii")
    assert [scan.fault for scan in find_scans((str(tmp_path),))] == ["", "", ""]


def test_beside_bids_names_others_are_left_out_by_name_unless_they_say_the_contrast(tmp_path):
    touch(tmp_path, "sub-1/anat/sub-1_FLAIR.nii", "sub-2/flair.nii", "sub-2/old.nii")
    scans = find_scans((str(tmp_path),))
    assert [bool(scan.fault) for scan in scans] == [False, False, True]
    assert "BIDS suffix" in scans[2].fault


def test_contrasts_that_are_mixed_in_any_folder_are_said_so(tmp_path):
    touch(tmp_path, "p1/t1.nii", "p1/flair.nii", "p2/x_FLAIR.nii", "p3/scan.nii")
    warnings = {scan.name: scan.warnings for scan in find_scans((str(tmp_path),), subject_regex="p.")}
    assert [name for name, warned in warnings.items() if warned] == [
        "p1/flair.nii",
        "p1/t1.nii",
        "p2/x_FLAIR.nii",
    ]
    assert warnings["p1/t1.nii"][0].startswith("contrasts mixed: there are FLAIR, flair, t1; --suffix")
    (tmp_path / "p1" / "t1.nii").unlink()
    assert not any(scan.warnings for scan in find_scans((str(tmp_path),), subject_regex="p."))


def test_contrasts_are_judged_over_all_inputs_together(tmp_path):
    touch(tmp_path, *(f"{kind}/sub-{n}/anat/sub-{n}_{kind}.nii" for kind in ("T2w", "T1w") for n in (1, 2)))
    touch(tmp_path, "others/p1_t2.nii", "others/p2_T2.nii")
    kinds = [str(tmp_path / kind) for kind in ("T2w", "T1w")]
    for inputs, count in ((kinds, 4), (kinds[:1], 0), ([kinds[0], str(tmp_path / "others")], 0)):
        mixed = [scan for scan in find_scans(tuple(inputs)) if any("mixed" in text for text in scan.warnings)]
        assert len(mixed) == count
    write_series(tmp_path / "T2w" / "dicom", SeriesDescription="t1_mprage", PatientID="x")
    scans = find_scans(tuple(kinds[:1]))
    assert {scan.warnings for scan in scans} == {
        ("contrasts mixed: there are T2w, t1-mprage; --suffix takes those named",)
    }
    assert len(find_scans(tuple(kinds[:1]), suffix="T2w")) == 2
    with pytest.raises(UserError, match="--series=flair: no DICOM series"):
        find_scans(tuple(kinds[:1]), suffix="T2w", series="flair")
    with pytest.raises(UserError, match="--suffix=T2w: no DICOM series"):
        find_scans((str(tmp_path / "T2w" / "dicom"),), suffix="T2w")


def test_dicom_descriptions_that_say_more_than_a_name_agree_with_it(tmp_path):
    touch(tmp_path, "sub-1/anat/sub-1_FLAIR.nii")
    write_series(tmp_path / "dicom", SeriesDescription="t2_flair_tra", PatientID="x")
    assert [scan.warnings for scan in find_scans((str(tmp_path),))] == [(), ()]
    write_series(tmp_path / "more", SeriesDescription="FLAIR 3D", PatientID="y", PatientName="B")
    scans = find_scans((str(tmp_path),), suffix="FLAIR")
    warning = "descriptions differ: FLAIR-3D, t2-flair-tra count as FLAIR; --series can choose"
    assert [scan.warnings for scan in scans] == [(), (warning,), (warning,)]


def test_files_left_for_their_capital_letters_are_mentioned(tmp_path):
    touch(tmp_path, "p1_FLAIR.nii", "p2_flair.nii", "p3_T1w.nii")
    (scan,) = find_scans((str(tmp_path),), suffix="FLAIR")
    assert scan.warnings[0].startswith(
        "spelled otherwise: 1 file(s) such as p2_flair.nii are not taken for FLAIR"
    )
    one, other = find_scans((str(tmp_path),), suffix="Flair")
    assert (one.warnings, other.warnings) == ((), ())


def test_a_contrast_has_one_label_however_inputs_and_dicom_spell_it(tmp_path):
    touch(tmp_path, "a/sub-1/anat/sub-1_FLAIR.nii", "b/sub-2/anat/sub-2_flair.nii", "c/p3_Flair.nii")
    write_series(tmp_path / "d", SeriesDescription="t2_flair", PatientID="x")
    inputs = tuple(str(tmp_path / name) for name in "abcd")
    for suffix in ("Flair", "flair"):
        scans = find_scans(inputs, suffix=suffix)
        assert [scan.suffix for scan in scans] == ["FLAIR"] * 4
        assert not any(scan.warnings for scan in scans)
    assert [scan.suffix for scan in find_scans(inputs[:2])] == ["FLAIR"] * 2


@pytest.mark.parametrize("separator", ["-", "_"])
def test_a_contrast_may_follow_a_hyphen(separator, tmp_path):
    for number in (1, 2):
        name = f"BraTS-GLI-{number:05d}-000"
        touch(tmp_path, *(f"{name}/{name}{separator}{contrast}.nii.gz" for contrast in ("t1n", "t2f", "seg")))
    scans = find_scans((str(tmp_path),), suffix="t2f")
    assert [scan.subject for scan in scans] == ["BraTS-GLI-00001-000", "BraTS-GLI-00002-000"]
    assert {scan.suffix for scan in scans} == {"t2f"}


def test_phase_real_and_imaginary_parts_are_left_out_by_name(tmp_path):
    parts = ("imag", "mag", "phase", "real")
    touch(tmp_path, *(f"sub-1/anat/sub-1_part-{part}_T2starw.nii" for part in parts))
    faults = [scan.fault for scan in find_scans((str(tmp_path),))]
    assert [bool(fault) for fault in faults] == [True, False, True, True]
    assert "phase image; only magnitudes" in faults[2]


@pytest.mark.parametrize(("name", "kind"), [("a.nrrd", "NRRD"), ("a.mha", "MetaImage"), ("a.nii.zip", "zip")])
def test_formats_that_cannot_be_read_are_named(name, kind, tmp_path):
    touch(tmp_path, name)
    with pytest.raises(UserError, match=f"--input: .*{name} cannot be used: .*{kind}.* convert it to NIfTI"):
        find_scans((str(tmp_path),))
    touch(tmp_path, "b.nii")
    assert [kind in scan.fault for scan in find_scans((str(tmp_path),))] == [True, False]


def test_a_folder_that_cannot_be_read_is_named(tmp_path, refuse_folder):
    touch(tmp_path, *(f"sub-0{number}/anat/sub-0{number}_FLAIR.nii" for number in (1, 2, 3)))
    refuse_folder("sub-02")
    scans = find_scans((str(tmp_path),), suffix="FLAIR")
    assert [scan.subject for scan in scans] == ["sub-01", "sub-02", "sub-03"]
    assert [scan.fault for scan in scans] == ["", "the folder cannot be read (Permission denied)", ""]
    with pytest.raises(UserError, match=r"--input: .*sub-02 cannot be used: .*Permission denied"):
        find_scans((str(tmp_path / "sub-02"),))


@pytest.mark.parametrize("has_series", [True, False])
def test_beside_dicom_a_folder_that_cannot_be_read_has_no_name(has_series, tmp_path, refuse_folder):
    write_series(tmp_path / "series", leave_out=range(3, 25)) if has_series else write_dicomdir(
        tmp_path / "x"
    )
    (tmp_path / "sub-DOE^JANE").mkdir()
    refuse_folder("sub-DOE^JANE")
    if not has_series:
        with pytest.raises(UserError, match="Permission denied") as error:
            find_scans((str(tmp_path),))
        assert "DOE" not in str(error.value)
        return
    folder, series = find_scans((str(tmp_path),), salt="s")
    assert folder.fault == "the folder cannot be read (Permission denied)"
    assert not series.fault
    assert folder.name.startswith("unreadable_")
    assert folder.name != find_scans((str(tmp_path),), salt="t")[0].name
    assert "DOE" not in repr((folder, series))


def test_a_name_that_is_not_utf_8_is_used_under_a_name_that_can_be_written(tmp_path):
    touch(tmp_path, "anna.nii")
    shutil.copy(tmp_path / "anna.nii", os.fsencode(tmp_path) + b"/J\xfcrgen.nii")
    (tmp_path / "masks").mkdir()
    shutil.copy(tmp_path / "anna.nii", os.fsencode(tmp_path) + b"/masks/J\xfcrgen_lesion.nii")
    scans = find_scans((str(tmp_path),), masks="masks")
    assert [(scan.name, scan.subject) for scan in scans] == [
        (r"J\xfcrgen.nii", r"J\xfcrgen"),
        ("anna.nii", "anna"),
    ]
    assert all(scan.path.exists() for scan in scans)
    assert scans[0].mask is not None
    assert scans[0].mask.exists()


def test_masks_within_the_input_or_beside_the_scans_are_no_scans(tmp_path):
    inside = touch(tmp_path / "inside", *("anna.nii", "bert.nii", "masks/anna_lesion.nii", "masks/bert.nii"))
    beside = touch(tmp_path / "beside", *("anna.nii", "bert.nii", "anna_lesion.nii", "bert_lesion.nii"))
    for folder, masks in ((inside, "masks"), (beside, "."), (beside, str(tmp_path))):
        scans = find_scans((str(folder),), masks=masks)
        assert names_of(scans) == ["anna.nii", "bert.nii"]
        assert all(scan.mask and scan.mask != scan.path for scan in scans)


def test_a_scan_without_a_mask_or_a_row_is_warned_of(tmp_path):
    write_bids(tmp_path, subjects=2, masks=True)
    shutil.rmtree(tmp_path / "derivatives" / "lesion" / "sub-01")
    (tmp_path / "participants.tsv").write_text("participant_id\tage\nsub-00\t40\n")
    first, second = find_scans((str(tmp_path),), masks="derivatives/lesion")
    assert first.warnings == ()
    assert [warning.partition(":")[0] for warning in second.warnings] == [
        "participant unknown",
        "mask missing",
    ]
