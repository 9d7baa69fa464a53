import pytest

from mrisynth.errors import UserError
from mrisynth.release.config import ReleaseConfig
from mrisynth.sampling.conditions import Condition


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "--count=0 must be at least 1"),
        ({"seed": -1}, "--seed=-1 must be at least 0 and less than 2"),
        ({"seed": 2**53}, "less than 2"),
        ({"truncation": 0.0}, "--truncation=0.0 must be more than 0 and at most 1"),
        ({"truncation": 1.5}, "--truncation=1.5"),
        ({"bits": 16}, "--bits is for --format=png, not for --format=nifti"),
        ({"format": "png", "bits": 12}, "--bits=12 is not one of 8, 16"),
        ({"format": "mha"}, "--format=mha is not one of .*nifti"),
        ({"format": "npy", "suffix": "T1w"}, "--suffix is for --format=nifti"),
        (
            {"suffix": "T1w", "conditions": (Condition("suffix", "FLAIR"),)},
            "--suffix=T1w would name images otherwise than --condition=suffix=FLAIR asks",
        ),
        ({"suffix": "flair"}, "--suffix=flair is not what BIDS calls .* T1w, T2w"),
    ],
)
def test_impossible_settings_are_one_sentence(settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        ReleaseConfig(**{"saved_model": tmp_path, "output": tmp_path, "count": 1, **settings})
