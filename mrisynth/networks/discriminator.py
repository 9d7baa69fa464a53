"""The discriminator: images in, scores out, at any resolution it holds ([PG] table 2)."""

from __future__ import annotations

from collections.abc import Sequence
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
from mrisynth.networks.base import ProgressiveNetwork, fade, is_fading
from mrisynth.networks.config import SMALLEST_RESOLUTION, NetworkConfig, resolution_of


class _DownBlock(Layer):
    """One resolution of the discriminator: perhaps attention, then two convolutions, the second halving."""

    def __init__(
        self, filters: int, next_filters: int, attention: bool, fused_resampling: bool, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        policy = self.dtype_policy.name
        self.attention = SelfAttention(dtype=policy, name="attention") if attention else None
        self.convolution = EqualizedConvolution(filters, dtype=policy, name="convolution")
        self.convolution_down = EqualizedConvolution(
            next_filters,
            resampling="down",
            fused_resampling=fused_resampling,
            dtype=policy,
            name="convolution_down",
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
    """The 4x4 block: minibatch standard deviation, convolution, two dense layers, one score a sample."""

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
        self.dense.build((None, SMALLEST_RESOLUTION**nd_ops.RANK * filters))
        self.score.build((None, filters))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        maps = inputs if self.attention is None else self.attention(inputs)
        maps = self.convolution(self.minibatch_deviation(maps))
        features = self.dense(tf.reshape(maps, [tf.shape(maps)[0], self.dense.kernel.shape[0]]))
        return self.score(features)[:, 0]


@keras.saving.register_keras_serializable(package="mrisynth")
class Discriminator(ProgressiveNetwork):
    """Scores images: the higher, the more real (a Wasserstein critic, unbounded).

    A 1x1 convolution from the image; for every halving two convolutions, the second followed by 2x2 means
    before its bias and leaky ReLU; at 4x4 minibatch standard deviation, a convolution and two dense layers.
    Self-attention stands at a block's input. Arguments: see `ProgressiveNetwork`.

    Call arguments:
        images: [N, r, r, channels] with r = 4 * 2^level, in [-1, 1].
        level: The images' level; the full resolution if None.
        alpha: Weight of the level's own block beside the halved image, 0 to 1.

    Returns:
        Scores [N], float32.

    Example:
        >>> Discriminator(resolution=64, fmap_base=1024, fmap_max=64)(tf.zeros([8, 64, 64, 1])).shape
        TensorShape([8])

    Reference: [PG] section 2 and table 2; attention as in models (b), (c) and (d) of [ABS].
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        policy = self.dtype_policy.name
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
            space = (resolution_of(level),) * nd_ops.RANK
            from_image.build((None, *space, self.channels))
            block.build((None, *space, self.feature_maps(level)))
        self.built = True

    def _make_block(self, level: int, policy: str) -> _DownBlock | _LastBlock:
        name = f"block_{resolution_of(level)}"
        attention = self.has_attention(level)
        filters = self.feature_maps(level)
        if level == 0:
            return _LastBlock(filters, attention, dtype=policy, name=name)
        return _DownBlock(
            filters, self.feature_maps(level - 1), attention, self.fused_resampling, dtype=policy, name=name
        )

    @classmethod
    def from_network_config(cls, config: NetworkConfig, **kwargs: Any) -> Discriminator:
        """The discriminator that a configuration describes."""
        return cls(**cls._arguments(config), attention_resolutions=config.attention_discriminator, **kwargs)

    def call(self, images: tf.Tensor, level: int | None = None, alpha: float | tf.Tensor = 1.0) -> tf.Tensor:
        level = self.top_level if level is None else level
        maps = self.blocks[level](self.image_layers[level](images)) if level else self.image_layers[0](images)
        if level > 0 and is_fading(alpha):
            low = self.image_layers[level - 1](nd_ops.average_pool(images))
            maps = fade(low, maps, alpha)
        for block in reversed(self.blocks[1 : max(level, 1)]):
            maps = block(maps)
        return self.blocks[0](maps)
