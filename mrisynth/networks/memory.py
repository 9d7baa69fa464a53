"""Parameters and memory of the networks, counted from the shapes of their layers.

Arithmetic without TensorFlow, as `mrisynth.networks.operations`, with which it shares the shapes.
"""

from __future__ import annotations

from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of

_FLOAT32_BYTES = 4
_VALUE_BYTES = {"float32": 4, "mixed_bfloat16": 2}
_OPTIMIZER_SLOTS = 2


def _weights(kernel: int, inputs: int, outputs: int) -> int:
    return kernel * inputs * outputs + outputs


def _attention_weights(channels: int) -> int:
    return 2 * channels * (channels // 8 + channels // 2) + 1


def _generator_block_weights(config: NetworkConfig, level: int) -> int:
    resolution = resolution_of(level)
    channels = config.feature_maps(resolution)
    if level == 0:
        entry = SMALLEST_RESOLUTION**2 * config.latent_size * channels + channels
    else:
        entry = _weights(9, config.feature_maps(resolution // 2), channels)
    attention = _attention_weights(channels) if resolution in config.attention_generator else 0
    return entry + _weights(9, channels, channels) + attention


def _discriminator_block_weights(config: NetworkConfig, level: int) -> int:
    resolution = resolution_of(level)
    channels = config.feature_maps(resolution)
    attention = _attention_weights(channels) if resolution in config.attention_discriminator else 0
    if level > 0:
        down = _weights(9, channels, config.feature_maps(resolution // 2))
        return attention + _weights(9, channels, channels) + down
    dense = _weights(SMALLEST_RESOLUTION**2, channels, channels)
    return attention + _weights(9, channels + 1, channels) + dense + _weights(1, channels, 1)


def _spoken_levels(level: int, fading: bool) -> range:
    """The levels whose layers to or from images a call uses."""
    return range(level - 1 if fading and level > 0 else level, level + 1)


def generator_parameters(config: NetworkConfig, level: int, fading: bool = False) -> int:
    """Weights of the generator that a call at a level depends on.

    Args:
        config: Size of the network.
        level: 0 for 4x4.
        fading: Whether the level is being faded in.
    """
    blocks = sum(_generator_block_weights(config, below) for below in range(level + 1))
    channels = (config.feature_maps(resolution_of(spoken)) for spoken in _spoken_levels(level, fading))
    return blocks + sum(_weights(1, count, config.channels) for count in channels)


def discriminator_parameters(config: NetworkConfig, level: int, fading: bool = False) -> int:
    """Weights of the discriminator that a call at a level depends on; arguments as `generator_parameters`."""
    blocks = sum(_discriminator_block_weights(config, below) for below in range(level + 1))
    channels = (config.feature_maps(resolution_of(spoken)) for spoken in _spoken_levels(level, fading))
    return blocks + sum(_weights(1, config.channels, count) for count in channels)
