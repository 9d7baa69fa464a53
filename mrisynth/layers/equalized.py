"""Convolution and dense layers with the equalized learning rate ([PG] section 4.1).

Weights are stored as drawn from N(0, 1) and multiplied by gain / sqrt(fan_in) whenever they are applied, so
that an optimizer that normalizes its steps, as Adam does, moves all layers at the same relative speed.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from mrisynth.layers import nd_ops, resampling
from mrisynth.layers.activation import leaky_relu
from mrisynth.layers.base import Layer

HE_GAIN = math.sqrt(2.0)
_RESAMPLINGS = ("none", "up", "down")


class _Equalized(Layer):
    """What the equalized layers share: weights at run time, bias, activation.

    Args:
        units: Number of output channels.
        gain: Numerator of the run-time scale; sqrt(2) after [PG], 1 before a linear output.
        use_bias: Whether to add a bias, one value a channel, starting at 0 and not scaled.
        activate: Whether a leaky rectifier follows.
        **kwargs: For `keras.layers.Layer`.
    """

    def __init__(self, units: int, gain: float, use_bias: bool, activate: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.gain = gain
        self.use_bias = use_bias
        self.activate = activate

    def _add_weights(self, kernel_shape: tuple[int, ...], zeros: bool = False) -> None:
        self.scale = self.gain / math.sqrt(math.prod(kernel_shape[:-1]))
        initializer = "zeros" if zeros else keras.initializers.RandomNormal(stddev=1.0)
        self.kernel = self.add_float32_weight("kernel", kernel_shape, initializer)
        self.bias = self.add_float32_weight("bias", (self.units,), "zeros") if self.use_bias else None

    def equalized_kernel(self) -> tf.Tensor:
        """The weights as applied, in float32."""
        return tf.convert_to_tensor(self.kernel) * self.scale

    def _finish(self, outputs: tf.Tensor) -> tf.Tensor:
        """Adds the bias and applies the activation."""
        if self.bias is not None:
            outputs = tf.nn.bias_add(outputs, tf.cast(tf.convert_to_tensor(self.bias), outputs.dtype))
        return leaky_relu(outputs) if self.activate else outputs

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "gain": self.gain,
            "use_bias": self.use_bias,
            "activate": self.activate,
        }


@keras.saving.register_keras_serializable(package="mrisynth")
class EqualizedConvolution(_Equalized):
    """A convolution with the equalized learning rate, optionally with resampling folded in.

    Args:
        filters: Number of output channels.
        kernel_size: Width of the kernel along every spatial axis.
        resampling: "up" doubles the resolution before the convolution by nearest neighbor, "down" halves it
            afterwards by means over blocks of two (bias and activation come after the pooling, as in the
            official default).
        fused_resampling: Whether resampling is folded into the convolution: the same function, faster.
        bilinear_resampling: Whether resampling is bilinear in place of by nearest neighbor and by means.
        gain: See `mrisynth.layers.equalized`.
        use_bias: Whether to add a bias.
        activate: Whether a leaky rectifier (slope 0.2) follows.
        **kwargs: For `keras.layers.Layer`, such as dtype="mixed_bfloat16".

    Call arguments:
        inputs: [N, *space, C_in].

    Returns:
        [N, *space', filters] in the compute dtype.

    Example:
        >>> EqualizedConvolution(64, resampling="down")(tf.zeros([8, 32, 32, 128])).shape
        TensorShape([8, 16, 16, 64])

    Reference: [PG] section 4.1; fan_in is the kernel's size times C_in, of a folded convolution too.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        resampling: str = "none",
        fused_resampling: bool = True,
        bilinear_resampling: bool = False,
        gain: float = HE_GAIN,
        use_bias: bool = True,
        activate: bool = True,
        **kwargs: Any,
    ) -> None:
        if resampling not in _RESAMPLINGS:
            raise ValueError(f"resampling must be one of {', '.join(_RESAMPLINGS)}, not '{resampling}'")
        super().__init__(filters, gain, use_bias, activate, **kwargs)
        self.kernel_size = kernel_size
        self.resampling = resampling
        self.fused_resampling = fused_resampling
        self.bilinear_resampling = bilinear_resampling

    def build(self, input_shape: Any) -> None:
        self._add_weights((*(self.kernel_size,) * (len(input_shape) - 2), int(input_shape[-1]), self.units))
        self.built = True

    def equalized_kernel(self) -> tf.Tensor:
        kernel = super().equalized_kernel()
        resamples_bilinearly = self.bilinear_resampling and self.resampling != "none"
        return resampling.blur(kernel) if resamples_bilinearly else kernel

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        kernel = self.equalized_kernel()
        if self.resampling == "up":
            outputs = resampling.convolve_up(inputs, kernel, self.fused_resampling)
        elif self.resampling == "down":
            outputs = resampling.convolve_down(inputs, kernel, self.fused_resampling)
        else:
            outputs = nd_ops.convolve(inputs, tf.cast(kernel, inputs.dtype))
        return self._finish(outputs)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        factor = {"up": 2, "down": 0.5, "none": 1}[self.resampling]
        space = (None if size is None else int(size * factor) for size in input_shape[1:-1])
        return (input_shape[0], *space, self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "filters": self.units,
            "kernel_size": self.kernel_size,
            "resampling": self.resampling,
            "fused_resampling": self.fused_resampling,
            "bilinear_resampling": self.bilinear_resampling,
        }


@keras.saving.register_keras_serializable(package="mrisynth")
class EqualizedDense(_Equalized):
    """A dense layer with the equalized learning rate.

    Args:
        units: Number of outputs; of channels where they make a map.
        spatial_size: If given, the outputs are reshaped to a map this wide along every spatial axis, and the
            bias is one value a channel.
        rank: Number of spatial axes of such a map.
        gain: See `mrisynth.layers.equalized`.
        use_bias: Whether to add a bias.
        activate: Whether a leaky rectifier (slope 0.2) follows.
        starts_at_zero: Whether the weights start at 0 instead of drawn from N(0, 1).
        **kwargs: For `keras.layers.Layer`, such as dtype="mixed_bfloat16".

    Call arguments:
        inputs: [N, inputs].
        added: What is added to the product before bias and activation, in the shape of the outputs, or None.
            The product of a second layer without a bias makes this one layer on both inputs joined.

    Returns:
        [N, units], or [N, *space, units], in the compute dtype.

    Example:
        >>> EqualizedDense(1, gain=1.0, activate=False)(tf.zeros([8, 512])).shape
        TensorShape([8, 1])

    Reference: [PG] section 4.1; fan_in is the number of inputs.
    """

    def __init__(
        self,
        units: int,
        spatial_size: int | None = None,
        rank: int = 2,
        gain: float = HE_GAIN,
        use_bias: bool = True,
        activate: bool = True,
        starts_at_zero: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(units, gain, use_bias, activate, **kwargs)
        self.spatial_size = spatial_size
        self.rank = rank
        self.starts_at_zero = starts_at_zero
        self._space = () if spatial_size is None else (spatial_size,) * rank

    def build(self, input_shape: Any) -> None:
        outputs = math.prod(self._space) * self.units
        self._add_weights((int(input_shape[-1]), outputs), zeros=self.starts_at_zero)
        self.built = True

    def call(self, inputs: tf.Tensor, added: tf.Tensor | None = None) -> tf.Tensor:
        inputs = tf.cast(inputs, self.compute_dtype)
        outputs = tf.matmul(inputs, tf.cast(self.equalized_kernel(), inputs.dtype))
        outputs = tf.reshape(outputs, [-1, *self._space, self.units])
        return self._finish(outputs if added is None else outputs + added)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self._space, self.units)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "spatial_size": self.spatial_size,
            "rank": self.rank,
            "starts_at_zero": self.starts_at_zero,
        }
