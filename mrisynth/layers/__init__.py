"""The layers of a progressive GAN."""

from mrisynth.layers.attention import SelfAttention
from mrisynth.layers.equalized import EqualizedConvolution, EqualizedDense
from mrisynth.layers.normalization import MinibatchStandardDeviation, PixelNorm

__all__ = [
    "EqualizedConvolution",
    "EqualizedDense",
    "MinibatchStandardDeviation",
    "PixelNorm",
    "SelfAttention",
]
