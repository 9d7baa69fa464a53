"""The small networks that images are tried out on.

[UN] is Ronneberger et al. 2015, U-Net, arXiv 1505.04597.
"""

from __future__ import annotations

import keras

_WIDTHS = (16, 32, 64)
_SLOPE = 0.1


def u_net(resolution: int, channels: int, dtype: str = "float32") -> keras.Model:
    """A U-Net of three levels ([UN]), with 16, 32 and 64 channels.

    Args:
        resolution: Pixels along an edge of an image, a multiple of 4.
        channels: Channels of an image.
        dtype: Policy of what is computed in, such as "mixed_bfloat16".

    Returns:
        From images [N, r, r, channels] to logits, float32 [N, r, r, 1].
    """
    inputs = keras.Input((resolution, resolution, channels))
    *outer, innermost = _WIDTHS
    features, skipped = inputs, []
    for width in outer:
        features = _two_convolutions(features, width, dtype)
        skipped.append(features)
        features = keras.layers.MaxPooling2D(dtype=dtype)(features)
    features = _two_convolutions(features, innermost, dtype)
    for width in reversed(outer):
        enlarged = keras.layers.Conv2DTranspose(width, 2, strides=2, dtype=dtype)(features)
        together = keras.layers.Concatenate(dtype=dtype)([skipped.pop(), enlarged])
        features = _two_convolutions(together, width, dtype)
    return keras.Model(inputs, keras.layers.Conv2D(1, 1, dtype="float32")(features))


def classifier(resolution: int, channels: int, categories: int, dtype: str = "float32") -> keras.Model:
    """A convolutional network of four halvings, with 16 to 64 channels, and a mean over what is left.

    Makes logits [N, categories] of images [N, r, r, channels], r at least 16; dtype as of `u_net`.
    """
    inputs = keras.Input((resolution, resolution, channels))
    features = inputs
    for width in (*_WIDTHS, _WIDTHS[-1]):
        features = _two_convolutions(features, width, dtype)
        features = keras.layers.MaxPooling2D(dtype=dtype)(features)
    features = keras.layers.GlobalAveragePooling2D(dtype=dtype)(features)
    return keras.Model(inputs, keras.layers.Dense(categories, dtype="float32")(features))


def _two_convolutions(features: keras.KerasTensor, width: int, dtype: str) -> keras.KerasTensor:
    for _ in range(2):
        features = keras.layers.Conv2D(width, 3, padding="same", dtype=dtype)(features)
        features = keras.layers.LeakyReLU(_SLOPE, dtype=dtype)(features)
    return features
