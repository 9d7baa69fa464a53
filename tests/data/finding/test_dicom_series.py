import os
import re

import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, generate_uid

from mrisynth.data.finding.dicom_series import find_series, look_at, salted
from mrisynth.data.finding.wanted_contrasts import wanted_contrasts
from mrisynth.errors import UserError
from tests.data.dicom_files import CONFIDENTIAL, secrets_of, write_series

FEW = range(3, 25)
"""Slices to leave out for a series of three."""


def found(folder, suffix="", **choice):
    """The series below a folder."""
    files = [look_at(path, folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    return find_series([file for file in files if file], "salt", wanted_contrasts(suffix), **choice)


def test_series_are_put_together_by_uid_wherever_their_files_lie(tmp_path):
    uid, study = generate_uid(), generate_uid()
    for number in range(3):
        others = set(range(25)) - {number}
        place = tmp_path / f"part{number}"
        write_series(place, leave_out=others, SeriesInstanceUID=uid, StudyInstanceUID=study)
    write_series(tmp_path / "part0" / "another", leave_out=FEW, StudyInstanceUID=study)
    write_series(
        tmp_path / "part1",
        leave_out=FEW,
        name="of_another_{}",
        SeriesInstanceUID=uid,
        PatientID="2",
        PatientName="B",
    )
    series = found(tmp_path)
    assert [len(one.files) for one in series] == [3, 3, 3]
    assert len({one.name for one in series}) == 3
    assert len({one.subject for one in series}) == 2
    assert not any(one.fault or one.warnings for one in series)


def test_names_tell_nothing_but_are_the_same_with_the_same_salt(tmp_path):
    secret = CONFIDENTIAL["PatientID"]
    paths = write_series(
        tmp_path / secret, leave_out=FEW, SeriesDescription=f"FLAIR Mustermann, {secret} 1964-08-12 ax"
    )
    (one,) = found(tmp_path)
    shown = repr((one.name, one.subject, one.session, one.suffix, one.fault, one.warnings)).casefold()
    assert not [secret for secret in secrets_of(paths) if secret.casefold() in shown]
    assert "mustermann" not in shown
    assert "FLAIR" in one.suffix
    assert one.subject == f"sub-{salted('salt', secret)}" != f"sub-{salted('', secret)}"
    assert one == found(tmp_path)[0]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"suffix": "FLAIR"}, ["Ax FLAIR", "T2FLAIR_tra"]),
        ({"suffix": "T1"}, ["T1w"]),
        ({"suffix": "t1w"}, ["T1w"]),
        ({"series": "^ax"}, ["Ax FLAIR", "AX T10"]),
        ({"series": "flair$", "suffix": "FLAIR"}, ["Ax FLAIR"]),
    ],
)
def test_a_word_or_a_regular_expression_chooses_by_description(choice, expected, tmp_path):
    for number, description in enumerate(("Ax FLAIR", "T2FLAIR_tra", "T1w", "AX T10", "FLAIRED up")):
        write_series(tmp_path / str(number), leave_out=range(1, 25), SeriesDescription=description)
    series = found(tmp_path, **choice)
    descriptions = sorted(look_at(one.files[0], tmp_path).header.description for one in series)
    assert descriptions == sorted(expected)
    if "suffix" in choice:
        assert {one.suffix for one in series} == {choice["suffix"]}


def test_each_of_several_words_is_the_contrast_of_its_series(tmp_path):
    for number, description in enumerate(("Ax FLAIR", "T1w tra", "T1w T2 localizer", "PD")):
        write_series(tmp_path / str(number), leave_out=range(1, 25), SeriesDescription=description)
    series = found(tmp_path, suffix="flair,T1w,T2")
    shown = {look_at(one.files[0], tmp_path).header.description: one.suffix for one in series}
    assert shown == {"Ax FLAIR": "flair", "T1w tra": "T1w", "T1w T2 localizer": "T1w"}
    assert {one.suffix for one in found(tmp_path, suffix="flair,T1w", series="^ax|^pd")} == {"flair"}
    write_series(tmp_path / "both", leave_out=range(1, 25), SeriesDescription="T2 FLAIR")
    with pytest.raises(UserError, match="--suffix: the DICOM series T2-FLAIR fits T2 and FLAIR"):
        found(tmp_path, suffix="T2,FLAIR")


def test_a_choice_is_asked_for_where_there_is_one(tmp_path):
    for number, description in enumerate(("FLAIR", "T1w", "localizer")):
        write_series(tmp_path / str(number), leave_out=FEW, SeriesDescription=description)
    with pytest.raises(UserError, match=r"--series: .* FLAIR, T1w;"):
        found(tmp_path)
    with pytest.raises(UserError, match=r"--suffix=PD: .* FLAIR, T1w, localizer$"):
        found(tmp_path, suffix="PD")
    with pytest.raises(UserError, match="--series is not a regular expression"):
        found(tmp_path, series="(")


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"SeriesDescription": "3-plane Loc"}, "localizer"),
        ({"SeriesDescription": "AAHead_Scout"}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER", "M"]}, "localizer"),
        ({"ImageType": ["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "ND"]}, "derived map"),
        ({"ImageType": ["DERIVED", "PRIMARY", "T1 MAP", "NONE"]}, "derived map"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived map"),
        ({"SeriesDescription": "ep2d_diff_ADC"}, "derived map"),
        ({"SeriesDescription": "relCBF"}, "derived map"),
        ({"ImageType": ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"]}, "derived map"),
        ({"SeriesDescription": "fMRI_rest tmaxed"}, ""),
        ({"SeriesDescription": "T2_map"}, "derived map"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "phase"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"]}, "phase"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"]}, "phase, real"),
        ({"Modality": "CT"}, "not of MR .modality CT"),
        ({"Rows": 0, "Modality": "SR"}, "no images"),
        ({"encoding": DeflatedExplicitVRLittleEndian}, "deflated"),
        ({"PatientID": ""}, "without a PatientID; --subject_regex"),
        ({"SeriesDescription": "t1_mpr_sag_p2_iso local"}, ""),
        ({"SeriesDescription": "MPRAGE FA 15 block"}, ""),
        ({"ImageType": ["DERIVED", "PRIMARY", "M", "NORM"]}, ""),
    ],
)
def test_what_is_no_scan_is_left_out_by_name(elements, reason, tmp_path):
    write_series(tmp_path, leave_out=FEW, **elements)
    (one,) = found(tmp_path)
    assert re.search(reason, one.fault) if reason else one.fault == ""
    assert bool(one.warnings) == (elements.get("ImageType", [""])[0] == "DERIVED")


def test_the_subject_can_be_found_in_the_path_instead(tmp_path):
    for name in ("p1/a", "p1/b", "p2/a"):
        write_series(tmp_path / name, leave_out=FEW, PatientID="ANONYMOUS")
    assert len({one.subject for one in found(tmp_path)}) == 1
    subjects = [one.subject for one in found(tmp_path, subject_of=lambda name: name.split("/")[0])]
    assert len(subjects) == 3
    assert len(set(subjects)) == 2
    assert not any("p1" in subject for subject in subjects)
    assert "--subject_regex finds no subject" in found(tmp_path, subject_of=lambda name: "")[0].fault


def test_one_id_of_several_persons_is_warned_about(tmp_path):
    write_series(tmp_path / "a", leave_out=FEW, PatientID="1", PatientName="A^B")
    write_series(tmp_path / "b", leave_out=FEW, PatientID="1", PatientName="a b", PatientSex="F")
    assert not any(one.warnings for one in found(tmp_path))
    write_series(tmp_path / "c", leave_out=FEW, PatientID="1", PatientBirthDate="20000101")
    write_series(tmp_path / "d", leave_out=FEW, PatientID="2", PatientBirthDate="20010101")
    warned = [len(one.files) for one in found(tmp_path) if "patient unsure:" in "".join(one.warnings)]
    assert len(warned) == 3


@pytest.mark.parametrize(
    ("person", "count"),
    [
        ({"PatientName": "doe, Jane"}, 2),
        ({"PatientBirthDate": "19000101"}, 0),
        ({"PatientName": "DOE^JOAN"}, 0),
        ({"PatientID": ""}, 0),
    ],
)
def test_two_ids_of_one_name_and_birth_date_are_warned_about(person, count, tmp_path):
    one = {"PatientName": "DOE^JANE", "PatientBirthDate": "19640812"}
    write_series(tmp_path / "a", leave_out=FEW, PatientID="1", **one)
    write_series(tmp_path / "b", leave_out=FEW, **{"PatientID": "2", **one, **person})
    write_series(tmp_path / "c", leave_out=FEW, PatientID="3", **{**one, "PatientName": "ANONYMOUS"})
    write_series(tmp_path / "d", leave_out=FEW, PatientID="4", **{**one, "PatientName": "ANONYMOUS"})
    warnings = [warning for series in found(tmp_path) for warning in series.warnings]
    assert warnings == count * [
        "patient unsure: another PatientID has the same name and birth date; they count as two subjects"
    ]
    assert not any(series.warnings for series in found(tmp_path, subject_of=lambda name: "a"))


def test_two_ids_that_look_alike_are_warned_about(tmp_path):
    for number, patient in enumerate(("A-012", "a 12", "A120")):
        write_series(tmp_path / str(number), leave_out=FEW, PatientID=patient, PatientName="")
    warnings = [warning for series in found(tmp_path) for warning in series.warnings]
    assert [warning.split(";")[0] for warning in warnings] == 2 * [
        "patient unsure: another PatientID differs in zeros, case or separators alone"
    ]


@pytest.mark.parametrize(
    ("leave_out", "elements", "warning"),
    [
        ([*FEW, 0], {}, "2 images of its series are numbered from 2 to 3"),
        ([*FEW, 1], {}, "2 images of its series are numbered from 1 to 3"),
        (FEW, {"ImagesInAcquisition": 4}, "3 images of the 4 that were acquired"),
        (FEW, {"ImagesInAcquisition": 3}, ""),
        (FEW, {"InstanceNumber": None}, ""),
        (FEW, {"InstanceNumber": 1}, ""),
    ],
)
def test_missing_slices_are_warned_about_as_far_as_headers_tell(leave_out, elements, warning, tmp_path):
    write_series(tmp_path, leave_out=leave_out, **elements)
    (one,) = found(tmp_path)
    assert [text.startswith("slices missing: ") for text in one.warnings] == [True] * bool(warning)
    assert warning in "".join(one.warnings)


def test_damaged_files_have_a_name_of_their_own_and_cast_doubt_on_their_folder(tmp_path):
    paths = write_series(tmp_path / "JOHN_DOE", leave_out=FEW)
    write_series(tmp_path / "other", leave_out=FEW)
    paths[2].write_bytes(paths[2].read_bytes()[:300])
    (tmp_path / "JOHN_DOE" / "secret.dcm").write_bytes(b"")
    damaged, *series = sorted(found(tmp_path), key=lambda one: one.fault, reverse=True)
    assert damaged.fault.startswith("2 DICOM file(s) of one folder have no header")
    assert not re.search("JOHN|secret|IM00", damaged.name)
    assert sorted(len(one.warnings) for one in series) == [0, 1]


def test_an_image_that_is_there_twice_counts_once(tmp_path):
    paths = write_series(tmp_path / "a", leave_out=FEW)
    for path in paths:
        (tmp_path / f"copy_of_{path.name}").write_bytes(path.read_bytes())
    (one,) = found(tmp_path)
    assert len(one.files) == 3
    warning = ("copies left out: 3 of its files hold an image that another one holds",)
    assert one.warnings == warning
    files = [look_at(path, tmp_path) for path in sorted(tmp_path.rglob("*IM*"))]
    assert [one.warnings for one in find_series([*files, *files], "salt")] == [warning]
    assert [one.warnings for one in find_series([*files[:3], *files[:3]], "salt")] == [()]


def test_without_uids_the_folder_says_what_belongs_together(tmp_path):
    for name in ("a", "b"):
        write_series(tmp_path / name, leave_out=FEW, SeriesInstanceUID="", StudyInstanceUID="")
    assert [len(one.files) for one in found(tmp_path)] == [3, 3]


def test_what_is_no_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    (tmp_path / "gone.dcm").symlink_to(tmp_path / "nowhere")
    looked = [look_at(path, tmp_path) for path in sorted(tmp_path.iterdir())]
    assert [file and file.name for file in looked] == [None, "gone.dcm", None]
