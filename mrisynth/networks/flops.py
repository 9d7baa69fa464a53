"""Floating-point operations and activations of the networks, counted from the shapes of their layers.

Operations are counted with the fewest multiplications, resampling folded; a multiplication with its addition
is two operations. Nonlinearities, norms and other passes over the maps are not counted.
"""

from __future__ import annotations

from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of


def _convolution(config: NetworkConfig, resolution: int, kernel: int, inputs: int, outputs: int) -> int:
    """Operations of a convolution whose maps are `resolution` and whose kernel is `kernel` wide."""
    return 2 * (resolution * kernel) ** config.rank * inputs * outputs


def _resampled(config: NetworkConfig, resolution: int, inputs: int, outputs: int) -> int:
    """Operations of a convolution between maps of `resolution` and of twice that, in either direction."""
    return _convolution(config, resolution, 6 if config.bilinear_resampling else 4, inputs, outputs)


def _attention(config: NetworkConfig, resolution: int) -> int:
    channels = config.feature_maps(resolution)
    pixels = resolution**config.rank
    keys = pixels // 2**config.rank
    projections = 2 * pixels * channels * (2 * (channels // 8) + 2 * (channels // 2))
    return projections + 2 * pixels * keys * (channels // 8 + channels // 2)


def generator_operations(config: NetworkConfig, level: int) -> int:
    """Operations of one image through the generator at a level, without fading."""
    resolution = SMALLEST_RESOLUTION
    channels = config.feature_maps(resolution)
    total = 2 * config.latent_size * resolution**config.rank * channels
    total += _convolution(config, resolution, 3, channels, channels)
    for above in range(1, level + 1):
        resolution = resolution_of(above)
        inputs, channels = channels, config.feature_maps(resolution)
        total += _resampled(config, resolution // 2, inputs, channels)
        total += _convolution(config, resolution, 3, channels, channels)
    total += _convolution(config, resolution, 1, channels, config.channels)
    return total + sum(_attention(config, r) for r in config.attention_generator if r <= resolution)


def discriminator_operations(config: NetworkConfig, level: int) -> int:
    """Operations of one image through the discriminator at a level, without fading."""
    resolution = resolution_of(level)
    total = _convolution(config, resolution, 1, config.channels, config.feature_maps(resolution))
    for above in range(level, 0, -1):
        resolution = resolution_of(above)
        inputs, outputs = config.feature_maps(resolution), config.feature_maps(resolution // 2)
        total += _convolution(config, resolution, 3, inputs, inputs)
        total += _resampled(config, resolution // 2, inputs, outputs)
    channels = config.feature_maps(SMALLEST_RESOLUTION)
    total += _convolution(config, SMALLEST_RESOLUTION, 3, channels + 1, channels)
    total += 2 * SMALLEST_RESOLUTION**config.rank * channels * channels + 2 * channels
    attended = (r for r in config.attention_discriminator if r <= resolution_of(level))
    return total + sum(_attention(config, r) for r in attended)


def training_operations(config: NetworkConfig, level: int) -> int:
    """Operations that one real image costs in training.

    In passes' worth: the discriminator's step takes 1 generator pass, 3 discriminator passes, 4 for the
    backward passes of real and generated images, and 1 + 4 for the penalty's gradient and its own backward
    pass; the generator's step takes 1 + 2 generator and 1 + 1 discriminator passes.
    """
    generator, discriminator = generator_operations(config, level), discriminator_operations(config, level)
    return (1 + 3) * generator + (3 + 4 + 5 + 2) * discriminator


def activations(config: NetworkConfig, level: int) -> int:
    """Values in the maps that one image makes in both networks: what the memory of training grows with.

    Every block of either network makes two maps, and attention a table of every pixel by every pooled pixel.
    """
    resolutions = [resolution_of(below) for below in range(level + 1)]
    attended = (*config.attention_generator, *config.attention_discriminator)
    maps = sum(2 * 2 * r**config.rank * config.feature_maps(r) for r in resolutions)
    return maps + sum(_attention_table(config, r) for r in attended if r in resolutions)


def largest_activation(config: NetworkConfig, resolution: int) -> int:
    """Values in the largest tensor that one image of a resolution makes in the generator.

    It is a table of attention, or the last map: with the channels of the one before it, if it is resampled
    outside the convolution.
    """
    tables = (_attention_table(config, r) for r in config.attention_generator if r <= resolution)
    # Pixels grow faster than channels shrink, so the last map is the largest.
    before = resolution if config.fused_resampling else max(1, resolution // 2)
    return max(resolution**config.rank * config.feature_maps(before), *tables, 0)


def _attention_table(config: NetworkConfig, resolution: int) -> int:
    return resolution**config.rank * (resolution // 2) ** config.rank
