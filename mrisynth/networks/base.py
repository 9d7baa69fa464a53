"""What the generator and the discriminator share: sizes, configuration, fades."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from mrisynth.data.labels import UNCONDITIONAL, LabelSchema
from mrisynth.layers.base import Layer, tensorflow_variable
from mrisynth.networks.config import NetworkConfig, feature_maps, level_of, resolution_of

_RESAMPLING = ("fused_resampling", "bilinear_resampling")
_SIZES = (
    *("resolution", "channels", "latent_size", "fmap_base", "fmap_max", *_RESAMPLING),
    *("noise_inputs", "rank"),
)


def sizes_of(described: ProgressiveNetwork | NetworkConfig) -> dict[str, Any]:
    """The sizes that networks and configurations name alike, by their names."""
    return {name: getattr(described, name) for name in _SIZES}


def fade(low: tf.Tensor, high: tf.Tensor, alpha: float | tf.Tensor) -> tf.Tensor:
    """(1 - alpha) * low + alpha * high, in the dtype of the tensors ([PG] figure 2)."""
    alpha = tf.cast(alpha, high.dtype)
    return low + alpha * (high - low)


def is_one(weight: float | tf.Tensor) -> bool:
    """Whether a weight is the Python number 1, so that nothing has to be computed for it.

    A traced weight may have any value, so that one trace does for all of them.
    """
    return not tf.is_tensor(weight) and weight == 1


class ProgressiveNetwork(keras.Model):
    """A network that holds the weights of every resolution and is called at one level.

    Args:
        resolution: Of the full-size image, in pixels along every axis: 4 times a power of two.
        channels: Of an image.
        latent_size: Length of a latent.
        fmap_base: Channels at resolution r are min(2 * fmap_base / r, fmap_max).
        fmap_max: See fmap_base.
        attention_resolutions: Resolutions whose maps get self-attention.
        fused_resampling: Whether resampling is folded into the convolutions.
        bilinear_resampling: Whether maps are resampled bilinearly.
        noise_inputs: Whether noise is added to the maps of a generator; a discriminator has none.
        rank: Number of spatial axes: 2 for slices, 3 for volumes.
        label_schema: The labels that calls may be given; none for an unconditional network.
        **kwargs: For `keras.Model`, such as dtype="mixed_bfloat16".

    Attributes:
        top_level: The level of the full resolution; level 0 is 4x4.
        blocks: One layer a level, from 4x4 up.
        image_layers: One 1x1 convolution a level, to or from the image.
        label_layers: What takes labels; none in an unconditional network.

    Raises:
        ValueError: If the resolution is not 4 times a power of two, the rank neither 2 nor 3, or attention is
            asked for at a resolution that the network has not.
    """

    blocks: Sequence[Any]
    image_layers: Sequence[Any]
    label_layers: Sequence[Any]

    def __init__(
        self,
        resolution: int = 256,
        channels: int = 1,
        latent_size: int = 512,
        fmap_base: int = 8192,
        fmap_max: int = 512,
        attention_resolutions: Sequence[int] = (),
        fused_resampling: bool = True,
        bilinear_resampling: bool = False,
        noise_inputs: bool = False,
        rank: int = 2,
        label_schema: LabelSchema = UNCONDITIONAL,
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
        self.bilinear_resampling = bilinear_resampling
        self.noise_inputs = noise_inputs
        self.rank = rank
        self.label_schema = label_schema
        self.top_level = level_of(resolution)
        if rank not in (2, 3):
            raise ValueError(f"a network has rank 2, for slices, or 3, for volumes, not {rank}")
        unknown = set(self.attention_resolutions) - {resolution_of(i) for i in range(self.top_level + 1)}
        if unknown:
            raise ValueError(f"a {resolution}x{resolution} network has no maps of {sorted(unknown)}")
        self._make_layers(self.dtype_policy.name)
        self.built = True

    def _make_layers(self, policy: str) -> None:
        """Makes and builds `blocks`, `image_layers` and, after all of these, `label_layers`."""
        raise NotImplementedError

    def _label_layers_at(self, level: int) -> list[Layer]:
        """Those of `label_layers` that a call at a level depends on."""
        return list(self.label_layers)

    def _input_shape(self, level: int) -> tuple[int, ...]:
        """The shape of one input at a level."""
        raise NotImplementedError

    def __call__(
        self, inputs: tf.Tensor, level: int | None = None, alpha: float | tf.Tensor = 1.0, **others: Any
    ) -> tf.Tensor:
        """Calls the network; Keras takes only tensors by position, level and alpha may come so, too.

        Raises:
            ValueError: If there is no such level, or the inputs or the labels do not have its shape.
        """
        level = self.top_level if level is None else level
        if level not in range(self.top_level + 1):
            raise ValueError(
                f"there is no level {level}: a network of resolution {self.resolution} has levels 0 to "
                f"{self.top_level}"
            )
        _check_shape(
            f"inputs of the {type(self).__name__} at level {level}", inputs, self._input_shape(level)
        )
        if others.get("labels") is not None:
            _check_shape("labels", others["labels"], (self.label_schema.width,))
        return super().__call__(inputs, level=level, alpha=alpha, **others)

    def _known_or_unknown(self, labels: tf.Tensor | None, inputs: tf.Tensor) -> tf.Tensor:
        """Labels in float32, all of them unknown where none are given: [N, width]."""
        if labels is None:
            return tf.zeros([tf.shape(inputs)[0], self.label_schema.width])
        return tf.cast(labels, tf.float32)

    def space(self, level: int) -> tuple[int, ...]:
        """The spatial shape of the maps and images at a level."""
        return (resolution_of(level),) * self.rank

    def feature_maps(self, level: int) -> int:
        """Number of channels at a level."""
        return feature_maps(resolution_of(level), self.fmap_base, self.fmap_max)

    def resampling_options(self) -> dict[str, bool]:
        """How convolutions that double or halve the resolution do so, as `EqualizedConvolution` takes it."""
        return {name: getattr(self, name) for name in _RESAMPLING}

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
        """The variables that a call at this level, 0 for 4x4, depends on, in a fixed order.

        While a level is being faded in, the level below still speaks to images.
        """
        layers = [*self.blocks[: level + 1], self.image_layers[level]]
        if fading and level > 0:
            layers.append(self.image_layers[level - 1])
        layers += self._label_layers_at(level)
        return [variable for layer in layers for variable in layer.trainable_variables]

    def named_variables(self) -> dict[str, tf.Variable]:
        """Every variable by a name that is the same in every version of Keras: the layout of checkpoints."""
        return {
            f"{layer.name}/{index:02d}_{variable.name.split(':')[0]}": tensorflow_variable(variable)
            for layer in (*self.blocks, *self.image_layers, *self.label_layers)
            for index, variable in enumerate(layer.trainable_variables)
        }

    def export(self, filepath: str | os.PathLike[str]) -> None:
        """Writes the network at its full resolution as a SavedModel, with one function `serve`.

        `serve` takes inputs and, where the network has any, labels. What `mrisynth.export` writes has seeds,
        truncation and a model card beside.

        Args:
            filepath: Folder of the SavedModel.
        """
        signature = [tf.TensorSpec([None, *self._input_shape(self.top_level)])]
        if self.label_schema.width:
            signature.append(tf.TensorSpec([None, self.label_schema.width]))

        def serve(inputs: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
            return self(inputs, labels=labels)

        archive = keras.export.ExportArchive()
        archive.track(self)
        archive.add_endpoint("serve", serve, signature)
        archive.write_out(os.fspath(filepath))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "dtype": self.dtype_policy.name,
            **sizes_of(self),
            "attention_resolutions": list(self.attention_resolutions),
            "label_schema": self.label_schema.to_json(),
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> ProgressiveNetwork:
        return cls(**{**config, "label_schema": LabelSchema.from_json(config.get("label_schema", ()))})


def _check_shape(what: str, tensor: Any, expected: tuple[int, ...]) -> None:
    """Refuses a tensor, a batch, whose samples do not have the expected shape as far as it is known."""
    shape = getattr(tensor, "shape", None)
    if shape is not None and not tf.TensorShape([None, *expected]).is_compatible_with(shape):
        wanted = ", ".join(map(str, ("N", *expected)))
        raise ValueError(f"{what} have the shape [{wanted}], not {list(shape)}")
