"""A release as a whole: deterministic, going on after a break, extended, refused."""

import json
import os
import pathlib
import shutil

import numpy as np
import pytest
from PIL import Image

from mrisynth.errors import UserError
from mrisynth.release import release as module
from mrisynth.release.formats import FORMATS
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.generators import Sampler, open_export
from tests.folders import contents
from tests.untrained_exports import write_card

BLOCK = 64


class Broken(Exception):
    pass


@pytest.fixture
def break_off(monkeypatch):
    """Lets the n-th block of images end the work."""

    def break_off(blocks):
        draw, calls = Sampler.draw, []

        def broken(self, *arguments):
            calls.append(arguments)
            if len(calls) > blocks:
                raise Broken
            return draw(self, *arguments)

        monkeypatch.setattr(Sampler, "draw", broken)

    return break_off


def test_a_model_that_copies_is_released_only_with_the_flag_that_says_so(release, judged, tmp_path):
    with pytest.raises(UserError, match=r'"copies found".*--release_despite_copies'):
        release(saved_model=judged("copies found"), count=2)
    assert not (tmp_path / "out").exists()
    said = release(saved_model=judged("copies found"), count=2, release_despite_copies=True)
    assert "released all the same, with --release_despite_copies" in str(said)


def test_narrowed_images_are_said_not_to_be_those_that_were_evaluated(release, judged):
    whole, narrowed = (
        release(f"{part}", saved_model=judged("no sign of copying"), count=1, truncation=part)
        for part in (1.0, 0.5)
    )
    assert "The evaluation did not look at images" not in str(whole)
    assert "The evaluation did not look at images" in str(narrowed)


def test_files_of_one_release_never_say_two_verdicts(release, judged, tmp_path):
    release(saved_model=judged("inconclusive"), count=2)
    written = contents(tmp_path / "out")
    for now in (judged("no sign of copying"), judged("inconclusive", report="d" * 64)):
        with pytest.raises(UserError, match="another verdict on copying than the model's card does now"):
            release(saved_model=now, count=3)
    assert contents(tmp_path / "out") == written
    assert release(saved_model=judged("inconclusive"), count=3).drawn == 1


@pytest.mark.parametrize("form", ["nifti", "png"])
def test_the_disk_has_all_of_an_image_before_it_gets_its_name(form, release, monkeypatch, tmp_path):
    on_disk, named = set(), []
    sync, replace = os.fsync, pathlib.Path.replace

    def noted_sync(descriptor):
        on_disk.add(os.fstat(descriptor).st_ino)
        sync(descriptor)

    def checked_replace(self, target):
        parts = [part for part in (self, *self.rglob("*")) if part.is_file()]
        assert parts
        assert {part.stat().st_ino for part in parts} <= on_disk, parts
        named.append(target)
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(pathlib.Path, "replace", checked_replace)
    release(format=form, count=3)
    assert sum("syn00000" in path.name for path in named) == {"nifti": 3, "png": 6}[form]


def test_blocks_are_of_a_moderate_size():
    assert [module.block_size(r) for r in (16, 64, 256, 1024)] == [64, 32, 2, 1]


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_command_gives_the_same_bytes(form, release, tmp_path):
    for name in ("one", "two"):
        said = release(name, format=form)
        assert (said.images, said.drawn, said.dropped) == (70, 70, 0)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")
    assert not list((tmp_path / "one").rglob(".*"))


@pytest.mark.parametrize("form", FORMATS)
def test_broken_off_and_gone_on_is_as_if_never_broken_off(form, release, tmp_path, break_off, monkeypatch):
    release("whole", format=form, count=3 * BLOCK - 10)
    with monkeypatch.context():
        break_off(1)
        with pytest.raises(Broken):
            release(format=form, count=3 * BLOCK - 10)
    monkeypatch.undo()
    assert not (tmp_path / "out" / "README.md").exists()
    said = release(format=form, count=3 * BLOCK - 10)
    assert said.drawn == 2 * BLOCK - 10
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("channels", [None, ("image", "lesion mask")])
@pytest.mark.parametrize("form", FORMATS)
def test_a_larger_count_extends(form, channels, release, several, sampler, tmp_path):
    model = several(*channels) if channels else sampler
    release("whole", format=form, count=100, sampler=model)
    for count in (10, 70, 100):
        said = release(format=form, count=count, sampler=model)
        assert said.images == count
    assert said.drawn == 30
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize("form", FORMATS)
def test_a_release_that_is_being_extended_stays_whole(form, release, tmp_path, break_off):
    release(format=form, count=BLOCK)
    before = contents(tmp_path / "out")
    break_off(0)
    with pytest.raises(Broken):
        release(format=form, count=2 * BLOCK)
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in before} == before


def test_a_finished_release_says_so_and_draws_nothing(release, break_off):
    assert "70 images, 70 of them new" in str(release())
    break_off(0)
    assert "70 images, nothing left to do" in str(release())


def test_an_image_missing_in_the_middle_is_drawn_again(release, tmp_path):
    release("whole")
    release()
    folder = tmp_path / "out" / "sub-syn000033"
    for path in (folder / "anat").iterdir():
        path.unlink()
    (folder / "anat").rmdir()
    folder.rmdir()
    release()
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({"seed": 3}, {"seed": 5}, "holds a release with --seed=3, not 5; give another folder"),
        ({}, {"truncation": 0.5}, "--truncation=1.0, not 0.5"),
        ({}, {"format": "npy"}, "--format=nifti, not npy"),
        ({"format": "png"}, {"format": "png", "bits": 16}, "--bits=8, not 16"),
        ({}, {"suffix": "T1w"}, "--suffix=T2w, not T1w"),
        ({}, {"count": 60}, "--count=60 is less than the 70 images that .* already holds"),
    ],
)
def test_another_release_in_the_same_folder_is_refused(first, second, message, release, tmp_path):
    release(**first)
    before = contents(tmp_path / "out")
    with pytest.raises(UserError, match=message):
        release(**second)
    assert contents(tmp_path / "out") == before


def test_other_weights_are_another_release(release, bare, model, tmp_path):
    release()
    other = tmp_path / "heads"
    shutil.copytree(model, other)
    (other / "1" / "variables" / "more").write_text("")
    (other / "1" / "saved_model.pb").write_bytes((model / "1" / "saved_model.pb").read_bytes() + b"\x0a\x00")
    with pytest.raises(UserError, match="was drawn from other weights"):
        release(saved_model=other)


@pytest.mark.parametrize("content", ["", "[]", '{"Name": "a study"}'])
def test_a_folder_of_other_files_is_left_alone(content, release, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "dataset_description.json").write_text(content)
    with pytest.raises(UserError, match="holds other files than a release"):
        release()
    (tmp_path / "out" / "dataset_description.json").rename(tmp_path / "out" / "notes.txt")
    with pytest.raises(UserError, match="holds other files than a release"):
        release()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_damaged_release_is_named(release, tmp_path):
    release()
    (tmp_path / "out/sub-syn000002/anat/sub-syn000002_T2w.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        release(count=80)


@pytest.mark.parametrize(
    ("form", "name", "content", "message"),
    [
        ("png", "images/syn000002.json", None, "it lacks images/syn000002.json"),
        ("npy", "images.npy", None, "it lacks images.npy"),
        ("npy", "images.npy", b"", "images.npy is no array"),
        ("npy", "seeds.npy", b"x", "seeds.npy is no array"),
    ],
)
def test_what_is_damaged_in_a_release_is_named(form, name, content, message, release, tmp_path):
    release(format=form, count=3)
    path = tmp_path / "out" / name
    path.unlink() if content is None else path.write_bytes(content)
    for count in (3, 4):
        with pytest.raises(
            UserError, match=rf"--output=.*out is damaged \({message}\); delete what is damaged"
        ):
            release(format=form, count=count)


def test_too_few_images_for_their_seeds_are_named(release, tmp_path):
    release(format="npy", count=3)
    path = tmp_path / "out" / "images.npy"
    np.save(path, np.load(path)[:2])
    with pytest.raises(UserError, match="images.npy has 2 images of 3 seeds"):
        release(format="npy", count=3)


def test_truncation_narrows_the_images(release, tmp_path, draw):
    for truncation in (1.0, 0.5):
        release(f"{truncation}", format="npy", truncation=truncation)
    spreads = [np.load(tmp_path / name / "images.npy").std(axis=0).mean() for name in ("1.0", "0.5")]
    assert spreads[1] < 0.8 * spreads[0]
    expected = (draw(0, 70, 0.5) + 1) * 500 - 50
    np.testing.assert_allclose(np.load(tmp_path / "0.5" / "images.npy"), expected, atol=0.01)


def test_the_seed_in_the_json_draws_the_image_again_alone(release, tmp_path, draw):
    release(format="png", bits=16, seed=1000, truncation=0.7)
    path = tmp_path / "out" / "images" / "syn000041.json"
    described = json.loads(path.read_text())
    assert described["Seed"] == 1040
    again = draw(described["Seed"], 1, described["Truncation"])[0]
    gray = np.asarray(Image.open(path.with_suffix(".png"))).astype(int)
    # Half a gray value, and what rounding of float32 can do.
    np.testing.assert_allclose(gray, (again + 1) * 32767.5, atol=0.6)


def test_without_a_card_sizes_are_assumed_and_it_is_said(release, bare, tmp_path):
    release(saved_model=bare, format="png", count=1)
    described = json.loads((tmp_path / "out" / "images" / "syn000001.json").read_text())
    assert described["PixelSpacing"] == [16, 16]
    assert described["IntensityRange"] == [-1, 1]
    assert described["SizesAndUnits"].startswith("assumed")
    assert "assumed" in (tmp_path / "out" / "README.md").read_text()


def test_a_damaged_card_is_named(release, bare, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(bare, folder / "1")
    write_card(folder / "1", "{")
    with pytest.raises(UserError, match=r"model_card\.json"):
        release(saved_model=folder)


def asked_of(folder):
    """The labels that the JSON of every image names, in their order."""
    return [json.loads(path.read_text())["Labels"] for path in sorted(folder.rglob("sub-*_*.json"))]


def test_images_have_their_seeds_labels_whatever_was_drawn_before(release, conditional, tmp_path):
    release("whole", saved_model=conditional, count=BLOCK + 6)
    for count in (5, BLOCK + 6):
        release(saved_model=conditional, count=count)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    values = open_export(conditional).labels.values(0, BLOCK + 6)
    rows = [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]
    assert asked_of(tmp_path / "out") == rows


def test_what_is_asked_for_makes_another_release(release, conditional, tmp_path):
    t1 = (Condition.read("suffix=T1w"), Condition.read("sex="))
    release(saved_model=conditional, count=3, conditions=t1)
    for row in asked_of(tmp_path / "out"):
        assert (row["suffix"], row["participant/sex"]) == ("T1w", None)
        assert -40 <= row["position_mm"] <= 40
    with pytest.raises(
        UserError, match=r"holds a release with --condition=\['suffix=T1w', 'sex='\], not \[\]"
    ):
        release(saved_model=conditional, count=4)
    assert release(saved_model=conditional, count=4, conditions=t1).drawn == 1


def test_what_a_model_cannot_be_asked_for_leaves_no_folder(release, conditional, model, tmp_path):
    for saved_model, text in ((conditional, "suffix=PD"), (conditional, "position_mm=90"), (model, "age=3")):
        with pytest.raises(UserError, match="--condition"):
            release(saved_model=saved_model, count=2, conditions=(Condition.read(text),))
    assert not (tmp_path / "out").exists()
    forced = (Condition.read("position_mm=90"),)
    assert release(saved_model=conditional, count=2, conditions=forced, force=True).drawn == 2
