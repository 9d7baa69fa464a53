"""The discriminator: images in, scores out, at any resolution it holds ([PG] table 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers import (
    EqualizedConvolution,
    EqualizedDense,
    MinibatchStandardDeviation,
    SelfAttention,
    nd_ops,
)
from mrisynth.layers.base import Layer
from mrisynth.networks.base import ProgressiveNetwork, fade, is_one, sizes_of
from mrisynth.networks.conditioning import LabelProjection
from mrisynth.networks.config import NetworkConfig, resolution_of


class _DownBlock(Layer):
    """One resolution of the discriminator: perhaps attention, then two convolutions, the second halving."""

    def __init__(
        self,
        filters: int,
        next_filters: int,
        attention: bool,
        resampling_options: Mapping[str, bool],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        self.attention = SelfAttention(dtype=policy, name="attention") if attention else None
        self.convolution = EqualizedConvolution(filters, dtype=policy, name="convolution")
        self.convolution_down = EqualizedConvolution(
            next_filters, resampling="down", **resampling_options, dtype=policy, name="convolution_down"
        )

    def build(self, input_shape: Any) -> None:
        if self.attention is not None:
            self.attention.build(input_shape)
        self.convolution.build(input_shape)
        self.convolution_down.build(input_shape)
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        maps = inputs if self.attention is None else self.attention(inputs)
        return self.convolution_down(self.convolution(maps))


class _LastBlock(Layer):
    """The 4x4 block: minibatch standard deviation, convolution, two dense layers, one score a sample.

    Returns the scores [N] and the features that they are made of, [N, filters].
    """

    def __init__(self, filters: int, attention: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        self.attention = SelfAttention(dtype=policy, name="attention") if attention else None
        self.minibatch_deviation = MinibatchStandardDeviation(dtype=policy)
        self.convolution = EqualizedConvolution(filters, dtype=policy, name="convolution")
        self.dense = EqualizedDense(filters, dtype=policy, name="dense")
        self.score = EqualizedDense(1, gain=1.0, activate=False, dtype="float32", name="score")

    def build(self, input_shape: Any) -> None:
        if self.attention is not None:
            self.attention.build(input_shape)
        shape = self.minibatch_deviation.compute_output_shape(input_shape)
        self.convolution.build(shape)
        filters = self.convolution.units
        self.dense.build((None, math.prod(input_shape[1:-1]) * filters))
        self.score.build((None, filters))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        maps = inputs if self.attention is None else self.attention(inputs)
        maps = self.convolution(self.minibatch_deviation(maps))
        features = self.dense(tf.reshape(maps, [tf.shape(maps)[0], self.dense.kernel.shape[0]]))
        return self.score(features)[:, 0], features


@keras.saving.register_keras_serializable(package="mrisynth")
class Discriminator(ProgressiveNetwork):
    """Scores images: the higher, the more real (unbounded).

    A 1x1 convolution from the image; for every halving two convolutions, the second followed by 2x2 means
    (or bilinear halving) before its bias and leaky ReLU; at 4x4 minibatch standard deviation, a convolution
    and two dense layers. Self-attention stands at a block's input.

    Labels add to the score how well they fit the last hidden layer ([PD]), starting at zero. A discriminator
    of which every label is unknown is the unconditional one.

    Args:
        resolution: Of the full-size image, in pixels along every axis: 4 times a power of two.
        channels: Of an image.
        latent_size: Length of a latent of the generator that it judges; without effect.
        fmap_base: Channels at resolution r are min(2 * fmap_base / r, fmap_max).
        fmap_max: See fmap_base.
        attention_resolutions: Resolutions whose maps get self-attention.
        fused_resampling: Whether resampling is folded into the convolutions: the same function, faster.
        bilinear_resampling: Whether maps are resampled bilinearly, against checkerboards ([SG1]).
        noise_inputs: Of use to a generator alone.
        rank: Number of spatial axes: 2 for slices, 3 for volumes.
        label_schema: The labels that calls may be given; none for an unconditional discriminator.
        **kwargs: For `keras.Model`, such as dtype="mixed_bfloat16".

    Call arguments:
        images: [N, r, r, channels], of rank 3 [N, r, r, r, channels], with r = 4 * 2^level, in [-1, 1].
        level: The images' level; the full resolution if None.
        alpha: Weight of the level's own block beside the halved image, 0 to 1.
        labels: [N, label_schema.width], as the schema encodes them; all unknown if None. Or several rows for
            every image, [M * N, width], those of all images before the second ones, at the price of one.
        label_weight: Weight of what the labels add, 0 to 1, which training raises slowly.

    Returns:
        Scores [N], float32; [M * N] of as many rows of labels.

    Example:
        >>> Discriminator(resolution=64, fmap_base=1024, fmap_max=64)(tf.zeros([8, 64, 64, 1])).shape
        TensorShape([8])

    Reference: [PG] section 2 and table 2; attention as in models (b), (c) and (d) of [ABS].
    """

    def _make_layers(self, policy: str) -> None:
        self.blocks: Sequence[_DownBlock | _LastBlock] = [
            self._make_block(level, policy) for level in range(self.top_level + 1)
        ]
        self.image_layers: Sequence[EqualizedConvolution] = [
            EqualizedConvolution(
                self.feature_maps(level), 1, dtype=policy, name=f"from_image_{resolution_of(level)}"
            )
            for level in range(self.top_level + 1)
        ]
        for level, (block, from_image) in enumerate(zip(self.blocks, self.image_layers, strict=True)):
            from_image.build((None, *self.space(level), self.channels))
            block.build((None, *self.space(level), self.feature_maps(level)))
        self.label_layers: Sequence[LabelProjection] = []
        if self.label_schema.width:
            projection = LabelProjection(self.label_schema, dtype="float32", name="label_projection")
            projection.build((None, self.feature_maps(0)))
            self.label_layers = [projection]

    def _make_block(self, level: int, policy: str) -> _DownBlock | _LastBlock:
        name = f"block_{resolution_of(level)}"
        attention = self.has_attention(level)
        filters = self.feature_maps(level)
        if level == 0:
            return _LastBlock(filters, attention, dtype=policy, name=name)
        next_filters, options = self.feature_maps(level - 1), self.resampling_options()
        return _DownBlock(filters, next_filters, attention, options, dtype=policy, name=name)

    def _input_shape(self, level: int) -> tuple[int, ...]:
        return (*self.space(level), self.channels)

    @classmethod
    def from_network_config(cls, config: NetworkConfig, **kwargs: Any) -> Discriminator:
        """The discriminator that a configuration describes."""
        return cls(**sizes_of(config), attention_resolutions=config.attention_discriminator, **kwargs)

    def call(
        self,
        images: tf.Tensor,
        level: int | None = None,
        alpha: float | tf.Tensor = 1.0,
        labels: tf.Tensor | None = None,
        label_weight: float | tf.Tensor = 1.0,
    ) -> tf.Tensor:
        level = self.top_level if level is None else level
        maps = self.blocks[level](self.image_layers[level](images)) if level else self.image_layers[0](images)
        if level > 0 and not is_one(alpha):
            low = self.image_layers[level - 1](nd_ops.average_pool(images))
            maps = fade(low, maps, alpha)
        for block in reversed(self.blocks[1 : max(level, 1)]):
            maps = block(maps)
        scores, features = self.blocks[0](maps)
        for projection in self.label_layers:
            labels = self._known_or_unknown(labels, images)
            rows = tf.shape(labels)[0] // tf.shape(images)[0]
            fits = projection(tf.tile(features, [rows, 1]), labels=labels)
            scores = tf.tile(scores, [rows]) + label_weight * fits
        return scores
