"""tools/prepare_data.py in this process; tests/data/preparing/test_prepare.py has what is done with scans."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from mrisynth.cli.prepare import few_subjects, groups_in_words, summary
from mrisynth.data import read_manifest
from mrisynth.data.conditions.groups import LabelGroups
from tests.programs import ROOT, call, check_refusal

PROGRAM = "tools/prepare_data.py"
SMALL = ["--voxel_size=5", "--field_of_view=160", "--resolution=16", "--num_workers=1"]


def test_it_says_what_it_has_prepared(small_dataset, tmp_path):
    scans = small_dataset.parent / "scans"
    ended = call(PROGRAM, f"--input={scans}", f"--output={tmp_path / 'data'}", *SMALL, "--holdout=0.3")
    assert ended.returncode == 0, ended.stderr
    splits = read_manifest(tmp_path / "data").splits
    train, heldout, few, left_out, slices, files, sheet = ended.stdout.splitlines()
    assert train == f"train: {splits['train'].slices} slices of {len(splits['train'].subjects)} subjects"
    assert (
        heldout == f"heldout: {splits['heldout'].slices} slices of {len(splits['heldout'].subjects)} subjects"
    )
    assert re.fullmatch(r"6 training and 2 held-out subjects are too few .*; \d+ and \d+ would do\.", few)
    assert re.fullmatch(r"slices left out: \d+ .*", left_out)
    assert slices == "slices: as acquired in 8 of 8 files, 5 mm thick"
    assert files == "files: 8 used, 0 skipped"
    assert sheet == f"see {tmp_path / 'data'}/contact_sheet.png"


def test_it_says_which_slices_were_acquired_and_how_thick_they_are(small_dataset):
    manifest = read_manifest(small_dataset)
    lengths = [(True, 3.0), (True, 4.0), (False, 1.0), *[(True, 3.3)] * 5]
    sources = [
        dataclasses.replace(source, acquired=acquired, slice_thickness_mm=length)
        for source, (acquired, length) in zip(manifest.sources, lengths, strict=True)
    ]
    said = summary(dataclasses.replace(manifest, sources=tuple(sources)), "DATA")
    words = "slices: as acquired in 7 of 8 files, 3 to 4 mm thick; interpolated in 1 of 8 files, 1 mm thick"
    assert words in said.splitlines()


def test_it_shows_which_subjects_share_labels_and_what_comes_together(small_dataset):
    manifest = read_manifest(small_dataset)
    sources = [
        dataclasses.replace(
            source,
            suffix="T2w" if number < 4 else "FLAIR",
            participant={"site": "B" if number < 4 else "A", "code": f"x{number}", "age": str(40 + number)},
        )
        for number, source in enumerate(manifest.sources)
    ]
    said = summary(dataclasses.replace(manifest, sources=tuple(sources)), "DATA").splitlines()
    table = said[said.index("subjects by label:") + 1 :][:3]
    assert [row.split() for row in table[:1]] == [["suffix", "site", "train", "heldout"]]
    assert {tuple(row.split()[:2]) for row in table[1:]} == {("FLAIR", "A"), ("T2w", "B")}
    assert sum(int(number) for row in table[1:] for number in row.split()[2:]) == 8
    assert "confounded: suffix and site say the same of every scan (FLAIR: A, T2w: B)" in said
    assert "no conditions, since they identify people: code" in said


def test_a_table_has_no_more_than_twelve_rows():
    subjects = {(f"site {number}",): (2, 1) for number in range(15)}
    said = groups_in_words(LabelGroups(("site",), subjects, ("a",) * 20, ()))
    assert said[-13:] == ["  and 3 more combinations", *["confounded: a"] * 12]
    assert len(said) == 2 + 12 + 1 + 12


def test_it_counts_files_by_what_they_are_warned_of(small_dataset):
    manifest = read_manifest(small_dataset)
    warnings = [("orientation unknown: a guess", "mask missing: none"), (), ("orientation unknown: another",)]
    sources = [
        dataclasses.replace(source, name=f"{number}.nii", warnings=warning)
        for number, (source, warning) in enumerate(zip(manifest.sources, warnings, strict=False))
    ]
    said = summary(dataclasses.replace(manifest, sources=tuple(sources)), "DATA").splitlines()
    assert "2 of 3 files: orientation unknown (0.nii: a guess)" in said
    assert "1 of 3 files: mask missing (0.nii: none)" in said


def test_without_a_heldout_side_it_says_what_cannot_be_measured(small_dataset, tmp_path):
    scans = small_dataset.parent / "scans"
    ended = call(
        PROGRAM,
        f"--input={scans}",
        f"--output={tmp_path / 'data'}",
        *SMALL,
        "--holdout=0",
        "--intensity_percentiles=0,99",
    )
    assert read_manifest(tmp_path / "data").settings["intensity_percentiles"] == (0.0, 99.0)
    assert "no subject is held out, so memorization cannot be measured; raise --holdout" in ended.stdout


def test_subjects_held_out_by_a_file_of_names(small_dataset, tmp_path):
    scans = small_dataset.parent / "scans"
    names = sorted(path.name for path in scans.glob("sub-*"))
    file = tmp_path / "heldout, all.txt"
    file.write_text(f"{names[1]}\n\n  {names[4]} \n")
    found = []
    for given in (file, ",".join([names[4], names[1]])):
        output = tmp_path / str(len(found))
        ended = call(PROGRAM, f"--input={scans}", f"--output={output}", *SMALL, f"--holdout_subjects={given}")
        assert ended.returncode == 0, ended.stderr
        found.append(read_manifest(output))
        assert found[-1].splits["heldout"].subjects == (names[1], names[4])
    assert found[0].fingerprint == found[1].fingerprint
    file.write_text("\n")
    refused = call(PROGRAM, f"--input={scans}", f"--output={tmp_path}/x", f"--holdout_subjects={file}")
    check_refusal(refused, "has no name in it")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--input needs at least one folder or file of scans"),
        (["--input=HERE"], "--output"),
        (["--input=HERE", "--output=HERE/out"], "--input"),
        (["--input=HERE", "--output=HERE/out", "--resolution=100"], "--resolution"),
        (["--input=HERE", "--output=HERE/out", "--intensity_percentiles=a,b"], "--intensity_percentiles"),
        (["--input=HERE/nowhere", "--output=HERE/out"], "nowhere"),
    ],
)
def test_faults_are_one_sentence(flags, message, tmp_path):
    check_refusal(call(PROGRAM, *(flag.replace("HERE", str(tmp_path)) for flag in flags)), message)
    assert list(tmp_path.iterdir()) == []


def test_it_does_without_tensorflow(small_dataset, tmp_path):
    program = "import sys\nsys.modules['tensorflow'] = None\nfrom mrisynth.cli.prepare import main\nmain()\n"
    scans, output = small_dataset.parent / "scans", tmp_path / "data"
    flags = [f"--input={scans}", f"--output={output}", *SMALL, "--holdout=0.3"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", program, *flags], env=environment, check=True, capture_output=True)
    assert read_manifest(output).splits == read_manifest(small_dataset).splits


def test_too_few_subjects_are_said_where_they_are():
    assert few_subjects(200, 60, 0.2) == []
    assert "it takes several subjects" in few_subjects(1, 0, 0.2)[0]
    assert "raise --holdout" in few_subjects(5, 0, 0.0)[0]
    assert "all of them share scans" in few_subjects(5, 0, 0.2)[0]
    (sentence,) = few_subjects(5, 2, 0.2)
    needed = [int(number) for number in re.findall(r"(\d+) and (\d+) would do", sentence)[0]]
    assert few_subjects(*needed, 0.2) == []
