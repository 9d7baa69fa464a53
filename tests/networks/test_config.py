import pytest

from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig, feature_maps, level_of, resolution_of


def test_feature_maps_are_those_of_the_paper():
    expected = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    assert {r: feature_maps(r, 8192, 512) for r in expected} == expected


def test_levels():
    assert [resolution_of(level) for level in range(7)] == [4, 8, 16, 32, 64, 128, 256]
    assert [level_of(resolution_of(level)) for level in range(7)] == list(range(7))


@pytest.mark.parametrize("resolution", [0, 2, 3, 5, 48, 100, -4])
def test_impossible_resolutions_name_the_flag(resolution):
    with pytest.raises(UserError, match="--resolution=.*use 8, 16"):
        NetworkConfig(resolution=resolution)


@pytest.mark.parametrize("name", ["attention_generator", "attention_discriminator"])
def test_attention_names_the_flag_and_the_maps_there_are(name):
    with pytest.raises(UserError, match=f"--{name} .*maps of 4, 8, 16 only"):
        NetworkConfig(resolution=16, **{name: (32,)})
    with pytest.raises(UserError, match=f"--{name} .*4 channels; attention needs 8"):
        NetworkConfig(resolution=16, fmap_max=4, **{name: (16,)})
