import os

import pytest

from mrisynth.data.finding.file_search import fault_of_file, fault_of_part, walk
from tests.folders import touch


def found(folder):
    return [(path.relative_to(folder).as_posix(), fault) for path, fault in walk(folder, [])]


def test_a_link_back_up_does_not_go_on_for_ever(tmp_path):
    touch(tmp_path, "a/b.nii")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    assert found(tmp_path) == [("a/b.nii", "")]


def test_what_is_hidden_derived_or_of_another_kind_is_passed_over(tmp_path):
    touch(
        tmp_path,
        "a.NII",
        "b.nrrd",
        "c.txt",
        ".d.nii",
        ".e/f.nii",
        "derivatives/g.nii",
        "__MACOSX/i.nii",
        "h/derivatives.nii",
    )
    assert [name for name, _ in found(tmp_path)] == ["a.NII", "b.nrrd", "h/derivatives.nii"]


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_header_stands_for_a_pair(ending, tmp_path):
    touch(tmp_path, f"a.hdr{ending}", f"a.img{ending}", f"b.img{ending}", f"c.HDR{ending}", f"c.img{ending}")
    assert [name for name, _ in found(tmp_path)] == [f"a.hdr{ending}", f"b.img{ending}", f"c.HDR{ending}"]


def test_a_folder_that_cannot_be_read_has_its_reason(tmp_path, refuse_folder):
    touch(tmp_path, "a/b.nii", "c/d.nii")
    refuse_folder("a")
    assert found(tmp_path) == [("c/d.nii", ""), ("a", "the folder cannot be read (Permission denied)")]


def test_a_link_to_nowhere_is_a_fault_of_that_file(tmp_path):
    touch(tmp_path, "a.nii")
    (tmp_path / "b.nii").symlink_to(tmp_path / "gone.nii")
    assert [fault_of_file(path) for path, _ in walk(tmp_path, [])] == [
        "",
        "a broken link; is its content still to be fetched?",
    ]


def test_a_pipe_is_not_waited_for(tmp_path):
    touch(tmp_path, "a.nii")
    os.mkfifo(tmp_path / "b.nii")
    os.mkfifo(tmp_path / "IM0001")
    assert [fault_of_file(path) for path, _ in walk(tmp_path, [])] == ["", "not a regular file"]


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("sub-1_part-phase_T2starw.nii", "phase"),
        ("sub-1_part-imag_T2starw.nii", "imaginary"),
        ("sub-1_part-real_T2starw.nii", "real"),
        ("gre_ph.nii", "phase"),
        ("gre_imaginary.nii.gz", "imaginary"),
        ("sub-1_part-mag_T2starw.nii", ""),
        ("graph.nii", ""),
        ("bert_real.nii", ""),
    ],
)
def test_parts_of_complex_images_are_known_by_their_names(name, part):
    fault = fault_of_part(name)
    assert fault.startswith(f"its name says that it is a {part} image") if part else fault == ""
