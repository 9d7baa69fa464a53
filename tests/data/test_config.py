import math

import pytest

from mrisynth.data.config import PreparationConfig
from mrisynth.data.reading.planes import Plane
from mrisynth.data.reading.resampling import Interpolation
from mrisynth.errors import UserError


def test_one_path_is_as_good_as_several_and_choices_are_named_by_their_texts(tmp_path):
    config = PreparationConfig(input=tmp_path, output=tmp_path / "data", plane="coronal")
    assert config.input == (str(tmp_path),)
    assert config.plane is Plane.CORONAL
    assert config.interpolation is Interpolation.LINEAR
    assert config == PreparationConfig(input=(str(tmp_path),), output=tmp_path / "data", plane=Plane.CORONAL)


def test_every_resolution_down_to_four_is_stored():
    assert PreparationConfig("scans", "data", resolution=64).resolutions == (64, 32, 16, 8, 4)
    assert PreparationConfig("scans", "data", resolution=4).resolutions == (4,)


def test_settings_are_what_decides_the_contents():
    config = PreparationConfig("scans", "data", num_workers=3, strict=True)
    assert config.settings() == PreparationConfig("scans", "elsewhere").settings()
    assert config.settings()["plane"] == "axial"
    assert config.workers == 3
    assert PreparationConfig("scans", "data").workers >= 1


@pytest.mark.parametrize(
    ("setting", "flag"),
    [
        ({"resolution": 48}, "--resolution"),
        ({"resolution": 2}, "--resolution"),
        ({"plane": "tilted"}, "--plane"),
        ({"suffix": "FLAIR,T1w[ce"}, "--suffix"),
        ({"channels": "FLAIR,T1w[ce"}, "--channels has"),
        ({"channels": "FLAIR,mask:lesion"}, "--channels=FLAIR,mask:lesion needs --masks"),
        ({"channels": "FLAIR,T1w", "suffix": "FLAIR"}, "--channels=FLAIR,T1w: with --suffix"),
        ({"allow_missing": True}, "--allow_missing is about --channels"),
        ({"interpolation": "nearest"}, "--interpolation"),
        ({"voxel_size": 0.0}, "--voxel_size"),
        ({"voxel_size": math.nan}, "--voxel_size"),
        ({"field_of_view": 1.0}, "--field_of_view"),
        ({"intensity_percentiles": (99.0, 1.0)}, "--intensity_percentiles"),
        ({"intensity_percentiles": (1.0, 101.0)}, "--intensity_percentiles"),
        ({"min_head_fraction": 1.5}, "--min_head_fraction"),
        ({"holdout": 1.0}, "--holdout"),
        ({"volume_index": -1}, "--volume_index"),
        ({"num_workers": -1}, "--num_workers"),
        ({"input": ()}, "--input"),
        ({"output": ""}, "--output"),
    ],
)
def test_wrong_settings_are_refused_by_the_name_of_their_flag(setting, flag):
    with pytest.raises(UserError, match=flag):
        PreparationConfig(**{"input": ("scans",), "output": "data", **setting})
