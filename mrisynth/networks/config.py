"""The size of the networks, as arithmetic without TensorFlow.

A level counts doublings from the smallest map: level 0 is 4x4, level 6 is 256x256.
"""

from __future__ import annotations

import dataclasses

from mrisynth.errors import UserError

SMALLEST_RESOLUTION = 4
ATTENTION_CHANNELS = 8
"""The fewest that self-attention can divide by eight."""

DEFAULT_ATTENTION = (32, 64)
"""Resolutions whose maps attend where a model has self-attention; [ABS] does not say which."""


def resolution_of(level: int) -> int:
    """The resolution (pixels along an axis) of a level: 4 * 2^level."""
    return SMALLEST_RESOLUTION * 2**level


def level_of(resolution: int) -> int:
    """The level of a resolution.

    Raises:
        ValueError: If the resolution is not 4 times a power of two.
    """
    level = max(resolution // SMALLEST_RESOLUTION, 1).bit_length() - 1
    if resolution_of(level) != resolution:
        raise ValueError(f"{resolution} is not 4 times a power of two")
    return level


def feature_maps(resolution: int, fmap_base: int, fmap_max: int) -> int:
    """Number of channels at a resolution: min(fmap_base / 2^(log2(resolution) - 1), fmap_max) ([PG])."""
    return max(1, min(2 * fmap_base // resolution, fmap_max))


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Size of the generator and the discriminator.

    Attributes:
        resolution: Pixels along an edge; 4 times a power of two.
        channels: Of an image; 1 for MR magnitude images.
        rank: Number of spatial axes of an image: 2 for slices, 3 for volumes.
        latent_size: Length of a latent.
        fmap_base: Channels at r x r: min(2 * fmap_base / r, fmap_max).
        fmap_max: Most channels at any resolution.
        attention_generator: Resolutions whose maps get self-attention in the generator.
        attention_discriminator: The same for the discriminator.
        fused_resampling: Fold up- and downsampling into the convolutions.
        bilinear_resampling: Resample maps bilinearly, against checkerboards.
        noise_inputs: Add noise to the maps of the generator, for texture that means nothing.

    Raises:
        UserError: If a value makes no network, naming the flag.
    """

    resolution: int = 256
    channels: int = 1
    rank: int = 2
    latent_size: int = 512
    fmap_base: int = 8192
    fmap_max: int = 512
    attention_generator: tuple[int, ...] = ()
    attention_discriminator: tuple[int, ...] = ()
    fused_resampling: bool = True
    bilinear_resampling: bool = False
    noise_inputs: bool = False

    def __post_init__(self) -> None:
        try:
            level_of(self.resolution)
        except ValueError as error:
            raise UserError(
                f"--resolution={self.resolution} is not 4 times a power of two; use 8, 16, 32, 64, 128 or 256"
            ) from error
        for name in ("latent_size", "fmap_base", "fmap_max"):
            if getattr(self, name) < 1:
                raise UserError(f"--{name}={getattr(self, name)} must be at least 1")
        self._check_attention("attention_generator")
        self._check_attention("attention_discriminator")

    def _check_attention(self, name: str) -> None:
        available = self.resolutions
        for resolution in getattr(self, name):
            if resolution not in available:
                raise UserError(
                    f"--{name} asks for attention at {resolution}, but a network with "
                    f"--resolution={self.resolution} has maps of {', '.join(map(str, available))} only"
                )
            if self.feature_maps(resolution) < ATTENTION_CHANNELS:
                raise UserError(
                    f"--{name} asks for attention at {resolution}, where there are only "
                    f"{self.feature_maps(resolution)} channels; attention needs {ATTENTION_CHANNELS}, so "
                    "raise --fmap_base or --fmap_max"
                )

    @property
    def top_level(self) -> int:
        """The level of the full resolution."""
        return level_of(self.resolution)

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Every resolution from 4 to the full one."""
        return tuple(resolution_of(level) for level in range(self.top_level + 1))

    def feature_maps(self, resolution: int) -> int:
        """Number of channels at a resolution."""
        return feature_maps(resolution, self.fmap_base, self.fmap_max)
