"""The layers of a progressive GAN."""

from mrisynth.keras_backend import require_tensorflow

require_tensorflow()

from mrisynth.layers.attention import SelfAttention  # noqa: E402  (before Keras is imported)
from mrisynth.layers.equalized import EqualizedConvolution, EqualizedDense  # noqa: E402
from mrisynth.layers.noise import NoiseInput  # noqa: E402
from mrisynth.layers.normalization import MinibatchStandardDeviation, PixelNorm  # noqa: E402

__all__ = [
    "EqualizedConvolution",
    "EqualizedDense",
    "MinibatchStandardDeviation",
    "NoiseInput",
    "PixelNorm",
    "SelfAttention",
]
