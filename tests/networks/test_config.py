import pytest

from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig, feature_maps, level_of, resolution_of
from mrisynth.networks.flops import discriminator_operations, generator_operations, training_operations


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


def test_operations_by_hand():
    config = NetworkConfig(resolution=8, latent_size=2, fmap_base=8, fmap_max=3)
    # Channels: 3 at 4x4, 2 at 8x8. Multiplications of the generator: dense, convolution, up (folded),
    # convolution, to image.
    generator = 2 * 16 * 3 + 16 * 9 * 3 * 3 + 64 * 4 * 3 * 2 + 64 * 9 * 2 * 2 + 64 * 2
    assert generator_operations(config, 1) == 2 * generator
    # Discriminator: from image, convolution, down (folded), convolution on 3 + 1 channels, dense, score.
    discriminator = 64 * 2 + 64 * 9 * 2 * 2 + 16 * 16 * 2 * 3 + 16 * 9 * 4 * 3 + 16 * 3 * 3 + 3
    assert discriminator_operations(config, 1) == 2 * discriminator
    assert training_operations(config, 1) == 2 * (4 * generator + 14 * discriminator)


def test_attention_adds_its_own_operations():
    without = NetworkConfig(resolution=8, fmap_max=16)
    config = NetworkConfig(resolution=8, fmap_max=16, attention_discriminator=(8,))
    # 64 pixels, 16 keys: projections to 2, 2 and 8 channels and back, logits, weighted sum.
    extra = 64 * 16 * (2 + 2 + 8) + 64 * 8 * 16 + 64 * 16 * 2 + 64 * 16 * 8
    assert discriminator_operations(config, 1) - discriminator_operations(without, 1) == 2 * extra
    assert discriminator_operations(config, 0) == discriminator_operations(without, 0)
