import dataclasses

from mrisynth.data.preparing.duplicates import RepeatedScans, persons, same_voxels, warned
from mrisynth.data.storing.manifest import Manifest, Source


def source(name, subject, voxels, **fields):
    return Source(name=name, input="in", subject=subject, voxels_checksum=voxels, slices=9, **fields)


def test_a_subjects_second_copy_of_the_same_voxels_is_left_out():
    repeated = RepeatedScans()
    first, again, other, third = (
        repeated.left_out(source(*fields))
        for fields in (("a.nii", "p", "1"), ("a.nii.gz", "p", "1"), ("b.nii", "q", "1"), ("c.nii", "p", "2"))
    )
    assert (first.skipped, other.skipped, third.skipped) == ("", "", "")
    assert again.skipped == "its voxels are those of a.nii"
    assert again.slices == 0


def test_what_cannot_be_used_is_no_copy():
    repeated = RepeatedScans()
    broken = [source(name, "p", "", skipped="broken") for name in "ab"]
    assert [repeated.left_out(each) for each in broken] == broken
    assert same_voxels(broken) == []


def test_files_of_one_name_in_two_inputs_are_compared():
    repeated = RepeatedScans()
    assert repeated.left_out(source("a.nii", "p", "1")).skipped == ""
    assert repeated.left_out(source("a.nii", "p", "1", session="other input")).skipped != ""


def test_subjects_of_the_same_voxels_stand_together_and_are_warned_of():
    sources = [source("a", "p", "1"), source("b", "q", "1"), source("c", "r", "2"), source("d", "q", "2")]
    sources += [source("e", "s", "3"), source("f", "t", "3", skipped="broken")]
    assert set(same_voxels(sources)) == {frozenset("pq"), frozenset("qr")}
    kinds = [[warning.partition(":")[0] for warning in each.warnings] for each in warned(sources)]
    assert kinds == [["same voxels"]] * 4 + [[]] * 2
    assert "b of q" in warned(sources)[0].warnings[0]


def test_subjects_of_the_same_image_stand_together_and_are_warned_of():
    sources = [source("a", "p", "1"), source("b", "q", "2"), source("c", "r", "3"), source("d", "r", "4")]
    pairs = [(0, 1), (2, 3)]
    assert same_voxels(sources, pairs) == [frozenset("pq")]
    found = [warnings for (warnings,) in (each.warnings for each in warned(sources, pairs))]
    assert [warning.split(":")[0] for warning in found] == ["same image"] * 4
    assert "b of q" in found[0]
    assert ["same side" in warning for warning in found] == [True, True, False, False]


def test_voxels_count_in_whatever_channel_they_are():
    def session(name, subject, *voxels):
        others = {label: {"voxels_checksum": value} for label, value in zip("ab", voxels[1:], strict=False)}
        return source(name, subject, voxels[0], others=others)

    sources = [session("1", "p", "x", "y"), session("2", "q", "z", "v", "y"), session("3", "r", "v", "v")]
    sources += [session("4", "s", "u", "u"), session("5", "t", "w")]
    assert set(same_voxels(sources)) == {frozenset("pq"), frozenset("qr")}
    found = [each.warnings for each in warned(sources)]
    assert [len(warnings) for warnings in found] == [1, 1, 1, 0, 0]
    assert found[0][0].startswith("same voxels: 2 or a channel beside it of q has them, too; both subjects")


def test_subjects_who_share_scans_in_a_row_are_one_person():
    sources = [source("a", "p", "1"), source("b", "q", "1"), source("c", "q", "2"), source("d", "r", "3")]
    sources += [source("e", "s", "4"), source("f", "t", "5", skipped="broken")]
    manifest = Manifest("1", {}, ("image",), "axial", "", (4,), 256.0, {}, {}, tuple(sources))
    assert persons(dataclasses.replace(manifest, sources=(sources[0], sources[3]))) == {"p": "p", "r": "r"}
    found = persons(dataclasses.replace(manifest, same_images=((2, 3),)))
    assert found.keys() == set("pqrs")
    assert found["p"] == found["q"] == found["r"] != found["s"]
