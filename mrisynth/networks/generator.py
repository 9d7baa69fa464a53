"""The generator: latents in, images out, at any resolution it holds ([PG] table 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers import EqualizedConvolution, EqualizedDense, PixelNorm, SelfAttention, nd_ops
from mrisynth.layers.base import Layer
from mrisynth.networks.base import ProgressiveNetwork, fade, is_fading
from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of


class _GeneratorBlock(Layer):
    """One resolution of the generator: two convolutions, pixel norm after each, perhaps attention at the end.

    The first block starts from latents with a dense layer; the others double the resolution.
    """

    def __init__(
        self, filters: int, first: bool, attention: bool, fused_resampling: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        if first:
            self.entry = EqualizedDense(
                filters, SMALLEST_RESOLUTION, gain=math.sqrt(2) / 4, dtype=policy, name="dense"
            )
        else:
            self.entry = EqualizedConvolution(
                filters,
                resampling="up",
                fused_resampling=fused_resampling,
                dtype=policy,
                name="convolution_up",
            )
        self.convolution = EqualizedConvolution(filters, dtype=policy, name="convolution")
        self.pixel_norm = PixelNorm(dtype=policy)
        self.attention = SelfAttention(dtype=policy, name="attention") if attention else None

    def build(self, input_shape: Any) -> None:
        self.entry.build(input_shape)
        map_shape = self.entry.compute_output_shape(input_shape)
        self.convolution.build(map_shape)
        if self.attention is not None:
            self.attention.build(map_shape)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        maps = self.pixel_norm(self.entry(inputs))
        maps = self.pixel_norm(self.convolution(maps))
        return maps if self.attention is None else self.attention(maps)


@keras.saving.register_keras_serializable(package="mrisynth")
class Generator(ProgressiveNetwork):
    """Turns latents into images.

    Pixel norm on the latent, dense to 4x4, convolution; then for every doubling nearest-neighbor upsampling
    and two convolutions, each followed by leaky ReLU and pixel norm; a linear 1x1 convolution to the image.
    Arguments: see `ProgressiveNetwork`.

    Call arguments:
        latents: [N, latent_size], drawn from N(0, I); their length does not matter, only their direction.
        level: The level to generate at; the full resolution if None.
        alpha: Weight of the level's own image beside the upsampled one of the level below, 0 to 1.
        truncation: Moves the first dense layer's output this part of the way from its mean over all latents:
            1 leaves it, 0 makes every image the same. The mean is that layer's bias, since normalized latents
            are symmetric about 0, so scaling them is all it takes.

    Returns:
        Images [N, r, r, channels] with r = 4 * 2^level, float32, about -1 to 1 (linear: not clipped).

    Example:
        >>> Generator(resolution=64, fmap_base=1024, fmap_max=64)(tf.random.normal([8, 512])).shape
        TensorShape([8, 64, 64, 1])

    Reference: [PG] section 2 and table 2; attention as in model (d) of [ABS].
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy = self.dtype_policy.name
        self.latent_norm = PixelNorm(dtype="float32", name="latent_norm")
        self.blocks: Sequence[_GeneratorBlock] = [
            _GeneratorBlock(
                self.feature_maps(level),
                first=level == 0,
                attention=self.has_attention(level),
                fused_resampling=self.fused_resampling,
                dtype=policy,
                name=f"block_{resolution_of(level)}",
            )
            for level in range(self.top_level + 1)
        ]
        self.image_layers: Sequence[EqualizedConvolution] = [
            EqualizedConvolution(
                self.channels,
                1,
                gain=1.0,
                activate=False,
                dtype=policy,
                name=f"to_image_{resolution_of(level)}",
            )
            for level in range(self.top_level + 1)
        ]
        shape: tuple[int | None, ...] = (None, self.latent_size)
        for level, (block, to_image) in enumerate(zip(self.blocks, self.image_layers, strict=True)):
            block.build(shape)
            shape = (None, *(resolution_of(level),) * nd_ops.RANK, self.feature_maps(level))
            to_image.build(shape)
        self.built = True

    @classmethod
    def from_network_config(cls, config: NetworkConfig, **kwargs: Any) -> Generator:
        """The generator that a configuration describes."""
        return cls(**cls._arguments(config), attention_resolutions=config.attention_generator, **kwargs)

    def network_config(self) -> NetworkConfig:
        """The configuration that describes the generator; of a discriminator it knows nothing."""
        return NetworkConfig(
            resolution=self.resolution,
            channels=self.channels,
            latent_size=self.latent_size,
            fmap_base=self.fmap_base,
            fmap_max=self.fmap_max,
            attention_generator=self.attention_resolutions,
            fused_resampling=self.fused_resampling,
        )

    def call(
        self,
        latents: tf.Tensor,
        level: int | None = None,
        alpha: float | tf.Tensor = 1.0,
        truncation: float | tf.Tensor = 1.0,
    ) -> tf.Tensor:
        level = self.top_level if level is None else level
        maps = self.latent_norm(latents)
        if tf.is_tensor(truncation) or truncation != 1:
            maps = truncation * maps
        for block in self.blocks[:level]:
            maps = block(maps)
        low = maps
        maps = self.blocks[level](maps)
        images = tf.cast(self.image_layers[level](maps), tf.float32)
        if level > 0 and is_fading(alpha):
            low_images = tf.cast(self.image_layers[level - 1](low), tf.float32)
            images = fade(nd_ops.upsample(low_images), images, alpha)
        return images
