"""tools/prepare_data.py in this process; tests/data/test_prepare.py has what is done with scans."""

import re

from mrisynth.data import read_manifest
from tests.programs import call, check_refusal

PROGRAM = "tools/prepare_data.py"
SMALL = ["--voxel_size=5", "--field_of_view=160", "--resolution=16", "--num_workers=1"]


def test_it_says_what_it_has_prepared(small_dataset, tmp_path):
    scans = small_dataset.parent / "scans"
    ended = call(PROGRAM, f"--input={scans}", f"--output={tmp_path / 'data'}", *SMALL, "--holdout=0.3")
    assert ended.returncode == 0, ended.stderr
    splits = read_manifest(tmp_path / "data").splits
    train, heldout, left_out, files, sheet = ended.stdout.splitlines()
    assert train == f"train: {splits['train'].slices} slices of {len(splits['train'].subjects)} subjects"
    assert (
        heldout == f"heldout: {splits['heldout'].slices} slices of {len(splits['heldout'].subjects)} subjects"
    )
    assert re.fullmatch(r"slices left out: \d+ .*", left_out)
    assert files == "files: 8 used, 0 skipped"
    assert sheet == f"see {tmp_path / 'data'}/contact_sheet.png"


def test_without_a_heldout_side_it_says_what_cannot_be_measured(small_dataset, tmp_path):
    scans = small_dataset.parent / "scans"
    ended = call(PROGRAM, f"--input={scans}", f"--output={tmp_path / 'data'}", *SMALL, "--holdout=0")
    assert "no subject is held out, so memorization cannot be measured; raise --holdout" in ended.stdout


def test_faults_are_one_sentence(tmp_path):
    check_refusal(call(PROGRAM), "--input needs at least one folder or file of scans")
    check_refusal(call(PROGRAM, f"--input={tmp_path}", f"--output={tmp_path / 'out'}"), "--input")
    assert list(tmp_path.iterdir()) == []
