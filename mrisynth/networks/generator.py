"""The generator: latents in, images out, at any resolution it holds ([PG] table 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers import EqualizedConvolution, EqualizedDense, NoiseInput, PixelNorm, SelfAttention, nd_ops
from mrisynth.layers.base import Layer
from mrisynth.layers.noise import noise_weights
from mrisynth.networks.base import ProgressiveNetwork, fade, is_one, sizes_of
from mrisynth.networks.conditioning import LabelEmbedding, modulate
from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of

_FIRST_GAIN = math.sqrt(2) / 4
_LABEL_PACE = 0.3
"""How fast the layers that labels come in by learn, beside those of the latent: the same few labels move them
again and again, where no latent comes twice, and what labels learn first latents never do."""


class _GeneratorBlock(Layer):
    """One resolution of the generator: two convolutions, pixel norm after each, perhaps attention at the end.

    The first block starts from latents with a dense layer, to whose product another can be added; the others
    double the resolution. What modulates a block, [N, 4 filters], is a gain and a bias for every channel
    after its first pixel norm and the same after its second. Noise, if any, comes in between the two
    convolutions, so that the second can place it.
    """

    def __init__(
        self,
        filters: int,
        first_rank: int | None,
        attention: bool,
        noise: bool,
        resampling_options: Mapping[str, bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        if first_rank is not None:
            self.entry = EqualizedDense(
                filters, SMALLEST_RESOLUTION, first_rank, gain=_FIRST_GAIN, dtype=policy, name="dense"
            )
        else:
            self.entry = EqualizedConvolution(
                filters, resampling="up", **resampling_options, dtype=policy, name="convolution_up"
            )
        self.convolution = EqualizedConvolution(filters, dtype=policy, name="convolution")
        self.pixel_norm = PixelNorm(dtype=policy)
        self.attention = SelfAttention(dtype=policy, name="attention") if attention else None
        self.noise_input = NoiseInput(dtype=policy, name="noise_input") if noise else None

    def build(self, input_shape: Any) -> None:
        self.entry.build(input_shape)
        map_shape = self.entry.compute_output_shape(input_shape)
        self.convolution.build(map_shape)
        if self.attention is not None:
            self.attention.build(map_shape)
        if self.noise_input is not None:
            self.noise_input.build(map_shape)
        self.built = True

    def call(
        self,
        inputs: tf.Tensor,
        added: tf.Tensor | None = None,
        modulation: tf.Tensor | None = None,
        noise: tf.Tensor | None = None,
    ) -> tf.Tensor:
        first, second = (None, None) if modulation is None else tf.split(modulation, 2, axis=-1)
        maps = self.entry(inputs) if added is None else self.entry(inputs, added=added)
        maps = modulate(self.pixel_norm(maps), first)
        if self.noise_input is not None:
            maps = self.noise_input(maps, weights=noise)
        maps = modulate(self.pixel_norm(self.convolution(maps)), second)
        return maps if self.attention is None else self.attention(maps)


@keras.saving.register_keras_serializable(package="mrisynth")
class Generator(ProgressiveNetwork):
    """Turns latents into images.

    Pixel norm on the latent, dense to 4x4, convolution; then for every doubling nearest-neighbor (or
    bilinear) upsampling and two convolutions, each followed by leaky ReLU and pixel norm; a linear 1x1
    convolution to the image.

    Labels are embedded and join the latent in the first dense layer, as 0.3 of it; and they predict a
    gain and a bias for every channel after every pixel norm of a block, starting at zero. A generator of
    which every label is unknown is the unconditional one.

    Args:
        resolution: Of the full-size image, in pixels along every axis: 4 times a power of two.
        channels: Of an image.
        latent_size: Length of a latent.
        fmap_base: Channels at resolution r are min(2 * fmap_base / r, fmap_max).
        fmap_max: See fmap_base.
        attention_resolutions: Resolutions whose maps get self-attention.
        fused_resampling: Whether resampling is folded into the convolutions: the same function, faster.
        bilinear_resampling: Whether maps are resampled bilinearly, against checkerboards ([SG1]).
        noise_inputs: Whether noise, which follows from the latent, is added to the maps of every block but
            the first ([SG1] section 3.2).
        rank: Number of spatial axes: 2 for slices, 3 for volumes.
        label_schema: The labels that calls may be given; none for an unconditional generator.
        **kwargs: For `keras.Model`, such as dtype="mixed_bfloat16".

    Call arguments:
        latents: [N, latent_size], drawn from N(0, I); their length does not matter, only their direction.
        level: The level to generate at; the full resolution if None.
        alpha: Weight of the level's own image beside the upsampled one of the level below, 0 to 1.
        truncation: Moves the first dense layer's output this part of the way from its mean over all latents:
            1 leaves it, 0 makes every image the same but for noise. The mean is that layer's bias, since
            normalized latents are symmetric about 0, so scaling them is all it takes. Labels and noise are
            not part of that mean.
        labels: [N, label_schema.width], as the schema encodes them; all unknown if None.
        label_weight: Weight of all that labels add, 0 to 1, which training raises slowly; at 0 the generator
            is the unconditional one.

    Returns:
        Images [N, r, r, channels], of rank 3 [N, r, r, r, channels], with r = 4 * 2^level, float32, about -1
        to 1 (linear: not clipped).

    Example:
        >>> Generator(resolution=64, fmap_base=1024, fmap_max=64)(tf.random.normal([8, 512])).shape
        TensorShape([8, 64, 64, 1])

    Reference: [PG] section 2 and table 2; attention as in model (d) of [ABS].
    """

    def _make_layers(self, policy: str) -> None:
        self.latent_norm = PixelNorm(dtype="float32", name="latent_norm")
        self.blocks: Sequence[_GeneratorBlock] = [
            _GeneratorBlock(
                self.feature_maps(level),
                first_rank=self.rank if level == 0 else None,
                attention=self.has_attention(level),
                noise=self.noise_inputs and level > 0,
                resampling_options=self.resampling_options(),
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
            shape = (None, *self.space(level), self.feature_maps(level))
            to_image.build(shape)
        self.label_layers: Sequence[Layer] = (
            self._make_label_layers(policy) if self.label_schema.width else []
        )

    def _make_label_layers(self, policy: str) -> list[Layer]:
        """The embedding, its part of the first dense layer, and what predicts every block's modulation."""
        size = self.latent_size

        def linear(name: str, units: int, **kwargs: Any) -> EqualizedDense:
            layer = EqualizedDense(units, use_bias=False, activate=False, dtype=policy, name=name, **kwargs)
            layer.build((None, size))
            return layer

        embedding = LabelEmbedding(self.label_schema, size, dtype="float32", name="label_embedding")
        embedding.build((None, self.label_schema.width))
        filters = [self.feature_maps(level) for level in range(self.top_level + 1)]
        return [
            embedding,
            linear(
                "label_input",
                filters[0],
                spatial_size=SMALLEST_RESOLUTION,
                rank=self.rank,
                gain=_LABEL_PACE * _FIRST_GAIN,
            ),
            *(
                linear(
                    f"label_modulation_{resolution_of(level)}",
                    4 * count,
                    gain=_LABEL_PACE,
                    starts_at_zero=True,
                )
                for level, count in enumerate(filters)
            ),
        ]

    def _label_layers_at(self, level: int) -> list[Layer]:
        return list(self.label_layers[: 2 + level + 1])

    def _input_shape(self, level: int) -> tuple[int, ...]:
        return (self.latent_size,)

    @classmethod
    def from_network_config(cls, config: NetworkConfig, **kwargs: Any) -> Generator:
        """The generator that a configuration describes."""
        return cls(**sizes_of(config), attention_resolutions=config.attention_generator, **kwargs)

    def network_config(self) -> NetworkConfig:
        """The configuration that describes the generator; of a discriminator it knows nothing."""
        return NetworkConfig(**sizes_of(self), attention_generator=self.attention_resolutions)

    def call(
        self,
        latents: tf.Tensor,
        level: int | None = None,
        alpha: float | tf.Tensor = 1.0,
        truncation: float | tf.Tensor = 1.0,
        labels: tf.Tensor | None = None,
        label_weight: float | tf.Tensor = 1.0,
    ) -> tf.Tensor:
        level = self.top_level if level is None else level
        maps = self.latent_norm(latents)
        if not is_one(truncation):
            maps = truncation * maps
        added, *modulations = self._label_terms(labels, latents, level, label_weight)
        noise = noise_weights(latents) if self.noise_inputs else None
        low = maps
        for block, modulation in zip(self.blocks[: level + 1], modulations, strict=True):
            low, maps = maps, block(maps, added=added, modulation=modulation, noise=noise)
            added = None
        images = tf.cast(self.image_layers[level](maps), tf.float32)
        if level > 0 and not is_one(alpha):
            low_images = tf.cast(self.image_layers[level - 1](low), tf.float32)
            images = fade(nd_ops.upsample(low_images), images, alpha)
        return images

    def _label_terms(
        self, labels: tf.Tensor | None, latents: tf.Tensor, level: int, weight: float | tf.Tensor
    ) -> list[tf.Tensor | None]:
        """What labels add in the first dense layer, and the modulation of every block up to a level."""
        if not self.label_schema.width:
            return [None] * (1 + level + 1)
        embed, *linear_layers = self._label_layers_at(level)
        embedding = embed(self._known_or_unknown(labels, latents))
        terms = [linear(embedding) for linear in linear_layers]
        return terms if is_one(weight) else [tf.cast(weight, term.dtype) * term for term in terms]
