"""Parameters and memory of the networks, counted from the shapes of their layers.

Arithmetic without TensorFlow, as `mrisynth.networks.flops`, with which it shares the shapes.
"""

from __future__ import annotations

from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of

_FLOAT32_BYTES = 4
_VALUE_BYTES = {"float32": 4, "mixed_bfloat16": 2}
_OPTIMIZER_SLOTS = 2

# Fitted; see `training_bytes`. A discriminator's maps (and weights: kernels as applied, their gradients, and
# both once more in the penalty) are alive so many times over at the peak, as are the tables of attention.
_PROCESS_BYTES = 95e6
_MAPS_ALIVE = 9.0
_DISCRIMINATOR_TABLES_ALIVE = 12.0
_GENERATOR_TABLES_ALIVE = 4.0
_WEIGHTS_ALIVE = 9.5


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


def _attention_values(config: NetworkConfig, resolution: int) -> int:
    """Projections with their pooled keys and values, what was attended to, and the sum."""
    channels = config.feature_maps(resolution)
    projected = channels // 8 + channels // 2
    return resolution**2 * (2 * projected + channels) + resolution**2 // 4 * projected


def discriminator_values(config: NetworkConfig, level: int) -> int:
    """Values in the maps that one image makes in the discriminator, from the image's map to the last."""
    full, smallest = resolution_of(level), SMALLEST_RESOLUTION
    total = full**2 * config.feature_maps(full)
    total += smallest**2 * (2 * config.feature_maps(smallest) + 1) + config.feature_maps(smallest)
    for resolution in map(resolution_of, range(level + 1)):
        pixels, halved = resolution**2, config.feature_maps(resolution // 2)
        if resolution > smallest:
            total += pixels * config.feature_maps(resolution) + pixels // 4 * halved
        if resolution in config.attention_discriminator:
            total += _attention_values(config, resolution)
    return total


def _table_values(attended: tuple[int, ...], level: int) -> int:
    """Values in the attention tables of one image: every pixel by every pooled pixel."""
    return sum(r**2 * (r**2 // 4) for r in attended if r <= resolution_of(level))


def largest_activation_bytes(config: NetworkConfig, resolution: int) -> int:
    """Bytes of the largest float32 tensor that one image makes in the generator.

    It is a table of attention, or the last map: with the channels of the one before it, if it is resampled
    outside the convolution.

    Args:
        config: Size of the network.
        resolution: That images are generated at.
    """
    tables = (r**2 * (r**2 // 4) for r in config.attention_generator if r <= resolution)
    # Pixels grow faster than channels shrink, so the last map is the largest.
    before = resolution if config.fused_resampling else max(1, resolution // 2)
    return _FLOAT32_BYTES * max(resolution**2 * config.feature_maps(before), *tables, 0)


def state_bytes(config: NetworkConfig) -> int:
    """Bytes of all that a run keeps: both networks, the average, two slots a weight in the optimizers."""
    generator = generator_parameters(config, config.top_level)
    discriminator = discriminator_parameters(config, config.top_level)
    slots = _OPTIMIZER_SLOTS * (generator + discriminator)
    return _FLOAT32_BYTES * (2 * generator + discriminator + slots)


def training_bytes(config: NetworkConfig, level: int, images: int, dtype_policy: str) -> int:
    """Estimated peak memory of training at a level, in bytes, of all that comes to a process for it.

    The peak is in the discriminator's step, which holds the maps of real, generated and interpolated images,
    the penalty's gradient at each of them, and what its own derivative needs; or, with attention in the
    generator alone, in the generator's step. How many times over they are alive at once was fitted to
    measurements: the growth of a process's resident memory over three steps on two cores of a CPU, without
    XLA, in 52 runs of 16x16 to 256x256, 4 to 64 images, 64 to 512 channels, with and without attention,
    fades and folded resampling, in both precisions, under TensorFlow 2.15 and 2.21. The estimate was 0.82 to
    1.26 of the measurement; the same run measured again differs by up to a fifth. Nothing was measured on a
    GPU, where convolutions may take work space of their own.

    Args:
        config: Size of the networks.
        level: 0 for 4x4.
        images: On one device.
        dtype_policy: "float32" or "mixed_bfloat16".
    """
    values = _MAPS_ALIVE * _VALUE_BYTES[dtype_policy] * discriminator_values(config, level)
    tables = _FLOAT32_BYTES * max(
        _DISCRIMINATOR_TABLES_ALIVE * _table_values(config.attention_discriminator, level),
        _GENERATOR_TABLES_ALIVE * _table_values(config.attention_generator, level),
    )
    weights = _WEIGHTS_ALIVE * _FLOAT32_BYTES * discriminator_parameters(config, level)
    return round(_PROCESS_BYTES + state_bytes(config) + weights + images * (values + tables))
