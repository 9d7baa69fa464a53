"""What the generator and the discriminator share: sizes, configuration, fades."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers.base import tensorflow_variable
from mrisynth.networks.config import NetworkConfig, feature_maps, level_of, resolution_of


def fade(low: tf.Tensor, high: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
    """(1 - alpha) * low + alpha * high, in the dtype of the tensors ([PG] figure 2)."""
    alpha = tf.cast(alpha, high.dtype)
    return low + alpha * (high - low)


def is_fading(alpha: float | tf.Tensor) -> bool:
    """Whether a blend has to be computed: always, unless alpha is the Python number 1.

    A traced alpha means a fade, so that there is one trace for fading and one for stable.
    """
    return tf.is_tensor(alpha) or alpha != 1


class ProgressiveNetwork(keras.Model):
    """A network that holds the weights of every resolution and is called at one level.

    Args:
        resolution: Of the full-size image, in pixels: 4 times a power of two.
        channels: Of an image.
        latent_size: Length of a latent.
        fmap_base: Channels at resolution r are min(2 * fmap_base / r, fmap_max).
        fmap_max: See fmap_base.
        attention_resolutions: Resolutions whose maps get self-attention.
        fused_resampling: Whether resampling is folded into the convolutions.
        **kwargs: For `keras.Model`, such as dtype="mixed_bfloat16".

    Attributes:
        blocks: One layer a level, from 4x4 up.
        image_layers: One 1x1 convolution a level, to or from the image.

    Raises:
        ValueError: If the resolution is not 4 times a power of two, or attention is asked for at a
            resolution that the network has not.
    """

    blocks: Sequence[Any]
    image_layers: Sequence[Any]

    def __init__(
        self,
        resolution: int = 256,
        channels: int = 1,
        latent_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        attention_resolutions: Sequence[int] = (),
        fused_resampling: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.resolution = resolution
        self.channels = channels
        self.latent_size = latent_size
        self.fmap_base = fmap_base
        self.fmap_max = fmap_max
        self.attention_resolutions = tuple(attention_resolutions)
        self.fused_resampling = fused_resampling
        self.top_level = level_of(resolution)
        unknown = set(self.attention_resolutions) - {resolution_of(i) for i in range(self.top_level + 1)}
        if unknown:
            raise ValueError(f"a {resolution}x{resolution} network has no maps of {sorted(unknown)}")

    def __call__(
        self, inputs: tf.Tensor, level: int | None = None, alpha: float | tf.Tensor = 1.0, **others: Any
    ) -> tf.Tensor:
        """Calls the network; Keras takes only tensors by position, level and alpha may come so, too."""
        return super().__call__(inputs, level=level, alpha=alpha, **others)

    def feature_maps(self, level: int) -> int:
        """Number of channels at a level."""
        return feature_maps(resolution_of(level), self.fmap_base, self.fmap_max)

    def has_attention(self, level: int) -> bool:
        """Whether the maps of a level get self-attention."""
        return resolution_of(level) in self.attention_resolutions

    def attention_gammas(self) -> dict[int, Any]:
        """The weight gamma of every self-attention, by resolution."""
        return {
            resolution_of(level): block.attention.gamma
            for level, block in enumerate(self.blocks)
            if block.attention is not None
        }

    def trainable_variables_at(self, level: int, fading: bool) -> list[Any]:
        """The variables that a call at this level depends on, in a fixed order.

        Args:
            level: 0 for 4x4.
            fading: Whether the level is being faded in, so that the level below still speaks to images.
        """
        layers = [*self.blocks[: level + 1], self.image_layers[level]]
        if fading and level > 0:
            layers.append(self.image_layers[level - 1])
        return [variable for layer in layers for variable in layer.trainable_variables]

    def named_variables(self) -> dict[str, tf.Variable]:
        """Every variable by a name that is the same in every version of Keras: the layout of checkpoints."""
        return {
            f"{layer.name}/{index:02d}_{variable.name.split(':')[0]}": tensorflow_variable(variable)
            for layer in (*self.blocks, *self.image_layers)
            for index, variable in enumerate(layer.trainable_variables)
        }

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dtype": self.dtype_policy.name,
            "resolution": self.resolution,
            "channels": self.channels,
            "latent_size": self.latent_size,
            "fmap_base": self.fmap_base,
            "fmap_max": self.fmap_max,
            "attention_resolutions": list(self.attention_resolutions),
            "fused_resampling": self.fused_resampling,
        }

    @classmethod
    def _arguments(cls, config: NetworkConfig) -> dict[str, Any]:
        return {
            "resolution": config.resolution,
            "channels": config.channels,
            "latent_size": config.latent_size,
            "fmap_base": config.fmap_base,
            "fmap_max": config.fmap_max,
            "fused_resampling": config.fused_resampling,
        }
