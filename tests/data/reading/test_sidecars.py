import json
import math

import pytest

from mrisynth.data.reading.sidecars import slice_thickness


@pytest.mark.parametrize(
    "name", ["a.b_FLAIR.nii.gz", "a.b_FLAIR.nii", "a.b_FLAIR.mgz", "a.b_FLAIR.img", "a.b_FLAIR.nii.bz2"]
)
def test_the_thickness_is_that_of_the_json_of_the_scans_name(name, tmp_path):
    (tmp_path / "a.b_FLAIR.json").write_text('{"SliceThickness": 2.5, "SpacingBetweenSlices": 3}')
    (tmp_path / "a.json").write_text('{"SliceThickness": 9}')
    assert slice_thickness(tmp_path / name) == 2.5


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", "not JSON", '{"SliceThickness": "thin"}', '{"SliceThickness": [2]}'),
        *(json.dumps({"SliceThickness": value}) for value in (0, -3, None, math.nan, math.inf)),
    ],
)
def test_what_says_nothing_usable_is_no_thickness(text, tmp_path):
    assert slice_thickness(tmp_path / "scan.nii.gz") is None
    (tmp_path / "scan.json").write_text(text)
    assert slice_thickness(tmp_path / "scan.nii.gz") is None
    (tmp_path / "other.json").write_bytes(b"\xff\xfe")
    assert slice_thickness(tmp_path / "other.nii") is None
