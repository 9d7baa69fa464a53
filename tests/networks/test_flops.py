import dataclasses

from mrisynth.networks import NetworkConfig
from mrisynth.networks.flops import (
    activations,
    discriminator_operations,
    generator_operations,
    largest_activation,
    training_operations,
)


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


def test_bilinear_resampling_widens_the_kernels_that_resample():
    config = NetworkConfig(resolution=8, latent_size=2, fmap_base=8, fmap_max=3)
    bilinear = dataclasses.replace(config, bilinear_resampling=True)
    # 6x6 in place of 4x4, of which a pixel of the doubled map sees a quarter.
    more = 2 * 64 * (9 - 4) * 3 * 2
    assert generator_operations(bilinear, 1) - generator_operations(config, 1) == more
    more = 2 * 16 * (36 - 16) * 2 * 3
    assert discriminator_operations(bilinear, 1) - discriminator_operations(config, 1) == more
    assert generator_operations(bilinear, 0) == generator_operations(config, 0)


def test_attention_adds_its_own_operations():
    without = NetworkConfig(resolution=8, fmap_max=16)
    config = NetworkConfig(resolution=8, fmap_max=16, attention_discriminator=(8,))
    # 64 pixels, 16 keys: projections to 2, 2 and 8 channels and back, logits, weighted sum.
    extra = 64 * 16 * (2 + 2 + 8) + 64 * 8 * 16 + 64 * 16 * 2 + 64 * 16 * 8
    assert discriminator_operations(config, 1) - discriminator_operations(without, 1) == 2 * extra
    assert discriminator_operations(config, 0) == discriminator_operations(without, 0)


def test_volumes_have_more_of_everything_along_the_third_axis():
    config = NetworkConfig(resolution=8, rank=3, latent_size=2, fmap_base=8, fmap_max=3)
    generator = 2 * 64 * 3 + 64 * 27 * 3 * 3 + 512 * 8 * 3 * 2 + 512 * 27 * 2 * 2 + 512 * 2
    assert generator_operations(config, 1) == 2 * generator
    discriminator = 512 * 2 + 512 * 27 * 2 * 2 + 64 * 64 * 2 * 3 + 64 * 27 * 4 * 3 + 64 * 3 * 3 + 3
    assert discriminator_operations(config, 1) == 2 * discriminator
    without = NetworkConfig(resolution=8, rank=3, fmap_max=16)
    attends = NetworkConfig(resolution=8, rank=3, fmap_max=16, attention_generator=(8,))
    # 512 voxels, 64 keys.
    extra = 512 * 16 * (2 + 2 + 8) + 512 * 8 * 16 + 512 * 64 * 2 + 512 * 64 * 8
    assert generator_operations(attends, 1) - generator_operations(without, 1) == 2 * extra


def test_activations_by_hand():
    config = NetworkConfig(resolution=8, fmap_base=8, fmap_max=3)
    # Channels: 3 at 4x4, 2 at 8x8; two maps in each of two blocks, one of either network.
    assert activations(config, 0) == 4 * 16 * 3
    assert activations(config, 1) == 4 * (16 * 3 + 64 * 2)
    volumes = NetworkConfig(resolution=8, rank=3, fmap_base=8, fmap_max=3)
    assert activations(volumes, 1) == 4 * (64 * 3 + 512 * 2)


def test_attention_adds_a_table_of_pixels_by_pooled_pixels():
    without = NetworkConfig(resolution=8, fmap_max=16)
    config = NetworkConfig(resolution=8, fmap_max=16, attention_discriminator=(8,), attention_generator=(8,))
    assert activations(config, 1) - activations(without, 1) == 2 * 64 * 16
    assert activations(config, 0) == activations(without, 0)
    # 64 pixels of 16 channels are as many values as the table has.
    assert largest_activation(config, 8) == largest_activation(without, 8) == 64 * 16
    volumes = NetworkConfig(resolution=8, rank=3, fmap_max=16, attention_generator=(8,))
    assert largest_activation(volumes, 8) == 512 * 64
