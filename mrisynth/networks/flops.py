"""Floating-point operations of the networks, counted from the shapes of their layers.

Counted with the fewest multiplications, resampling folded; a multiplication with its addition is two
operations. Activations, norms and other passes over the maps are not counted.
"""

from __future__ import annotations

from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of


def _convolution(pixels: int, kernel: int, inputs: int, outputs: int) -> int:
    return 2 * pixels * kernel * inputs * outputs


def _attention(resolution: int, channels: int) -> int:
    pixels = resolution**2
    keys = pixels // 4
    projections = 2 * pixels * channels * (2 * (channels // 8) + 2 * (channels // 2))
    return projections + 2 * pixels * keys * (channels // 8 + channels // 2)


def generator_operations(config: NetworkConfig, level: int) -> int:
    """Operations of one image through the generator at a level, without fading."""
    channels = config.feature_maps(SMALLEST_RESOLUTION)
    first_pixels = SMALLEST_RESOLUTION**2
    total = 2 * config.latent_size * first_pixels * channels + _convolution(
        first_pixels, 9, channels, channels
    )
    for below in range(level):
        resolution = resolution_of(below + 1)
        inputs, outputs = channels, config.feature_maps(resolution)
        total += _convolution(resolution**2, 4, inputs, outputs)
        total += _convolution(resolution**2, 9, outputs, outputs)
        channels = outputs
    resolution = resolution_of(level)
    total += _convolution(resolution**2, 1, channels, config.channels)
    attended = (r for r in config.attention_generator if r <= resolution)
    return total + sum(_attention(r, config.feature_maps(r)) for r in attended)


def discriminator_operations(config: NetworkConfig, level: int) -> int:
    """Operations of one image through the discriminator at a level, without fading."""
    resolution = resolution_of(level)
    total = _convolution(resolution**2, 1, config.channels, config.feature_maps(resolution))
    for above in range(level, 0, -1):
        resolution = resolution_of(above)
        inputs, outputs = config.feature_maps(resolution), config.feature_maps(resolution // 2)
        total += _convolution(resolution**2, 9, inputs, inputs)
        total += _convolution((resolution // 2) ** 2, 16, inputs, outputs)
    channels = config.feature_maps(SMALLEST_RESOLUTION)
    pixels = SMALLEST_RESOLUTION**2
    total += _convolution(pixels, 9, channels + 1, channels) + 2 * pixels * channels * channels + 2 * channels
    attended = (r for r in config.attention_discriminator if r <= resolution_of(level))
    return total + sum(_attention(r, config.feature_maps(r)) for r in attended)


def training_operations(config: NetworkConfig, level: int) -> int:
    """Operations that one real image costs in training.

    In passes' worth: the discriminator's step takes 1 generator pass, 3 discriminator passes, 4 for the
    backward passes of real and generated images, and 1 + 4 for the penalty's gradient and its own backward
    pass; the generator's step takes 1 + 2 generator and 1 + 1 discriminator passes.
    """
    generator, discriminator = generator_operations(config, level), discriminator_operations(config, level)
    return (1 + 3) * generator + (3 + 4 + 5 + 2) * discriminator
