"""Features of images: the numbers from which distances between images, and sets of images, are computed."""

from __future__ import annotations

import functools
import os
import pathlib
from collections.abc import Callable, Collection
from typing import Protocol, TypeVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.errors import UserError
from mrisynth.tensorflow_paths import literal_folder

SMALLEST_RESOLUTION = 16
ORIENTATIONS = 4
FILTER_SIZE = 7
FILTER_SIGMA = 1.3
"""Standard deviation of the filters' envelope in pixels."""
FILTER_FREQUENCY = 1 / 3
"""Cycles per pixel that filters respond to most: the middle of an octave, which the next level halves."""
LAYOUT_GRID = 8
ENERGY_GRID = 4
GRAY_PER_UNIT = 64
KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")

_CHUNK_PIXELS = 2**20

T = TypeVar("T")


class FeatureExtractor(Protocol):
    """What turns images into features.

    Attributes:
        name: What the features are, in words, for reports.
        has_fixed_filters: Whether they are of filters, which have not learned to bear shifts and noise.
    """

    name: str
    has_fixed_filters: bool

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of gray-value images [N, H, H], one row an image, [N, D].

        Raises:
            UserError: If the array is no such images or the extractor cannot take them.
        """
        ...

    def mirrored(self, images: NDArray[np.uint8], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of images mirrored left to right, [N, D], given those of the images as they are."""
        ...


class ScatteringFeatures:
    """Layout and texture by wavelets, after Bruna and Mallat 2013, with nothing learned.

    The default, because it is the same on every machine and every data set: nothing is downloaded, no weights
    learned from photographs decide what counts as alike in MR images, and numbers from different data sets
    and years rest on one definition. Networks trained on images see more of what things are; see
    `load_features`.

    An image's features are, in this order:

    - means of 8x8 blocks, in units of 64 gray values, row by row: 64;
    - for each octave of a pyramid of 2x2 means, from the full size down to 16x16: the local amplitude at four
      orientations (0, 45, 90 and 135 degrees), as the modulus of 7x7 quadrature filters at 1/3 cycle per
      pixel, in gray values, averaged over the orientations on a 4x4 grid, row by row (16), and over the image
      for each orientation (4);
    - with each octave but the coarsest, after those: the second layer, the same filters on the next octave of
      the four amplitudes, by how far the second orientation is turned from the first (4).

    Of all amplitudes x it is log(1 + x), which makes equal ratios equal distances and leaves noise of less
    than a gray value alone. That is 180 numbers at 256x256, 132 at 64x64. Borders are mirrored.
    """

    name = "wavelet scattering in two layers (nothing learned, nothing downloaded)"
    has_fixed_filters = True

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of images.

        Args:
            images: uint8 [N, H, H], H a power of two from 16 on.

        Returns:
            [N, 60 + 24 * octaves], octaves being log2(H) - 3.

        Raises:
            UserError: If the array is no such images or there are none.
        """
        images = np.asarray(images)
        _check(images)
        size = images.shape[1]
        if size < SMALLEST_RESOLUTION or size & (size - 1):
            raise UserError(
                f"images are {size} pixels wide; scattering takes powers of two from {SMALLEST_RESOLUTION} on"
            )
        with tf.device("CPU"):  # GPUs may round products to 10 bits.
            scatter = _scatter.get_concrete_function(tf.TensorSpec([None, size, size], tf.uint8))
            return _compute_in_chunks(scatter, images, _CHUNK_PIXELS // size**2)

    def mirrored(self, images: NDArray[np.uint8], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of mirrored images: those of the images in another order."""
        return features[:, _mirrored_order(images.shape[1])]


def channel_features(extractor: FeatureExtractor, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Features of images [N, H, H, C], those of one channel after those of the other, [N, C * D]."""
    return np.concatenate([extractor(channel) for channel in np.moveaxis(images, -1, 0)], axis=1)


def load_features(path: str | os.PathLike[str]) -> FeatureExtractor:
    """A user's own network as feature extractor, as one trained on RadImageNet.

    It gets images with values in [-1, 1], resized bilinearly to the size its input is fixed to, if it is, and
    repeated over its channels, 1 or 3 (3 if it leaves that open). Networks that expect other values must
    convert them in their first layer. Outputs are features [N, D], or maps [N, h, w, D], which are averaged
    over space.

    Args:
        path: A SavedModel's folder, of which the signature serving_default is used, else the first one, else
            the object itself; or a Keras model's .keras or .h5 file.

    Returns:
        The extractor; calling it raises UserError if the model cannot take the images, or yields anything but
        finite features.

    Raises:
        UserError: If there is no model there, or not one with an image as its only input.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise UserError(f"--features={path} is not there; give a SavedModel's folder or a .keras or .h5 file")
    is_folder = path.is_dir() and any(path.glob("saved_model.pb*"))
    if not is_folder and not (path.is_file() and path.suffix in KERAS_SUFFIXES):
        raise UserError(
            f"--features={path} is not a model; give a SavedModel's folder or a .keras or .h5 file"
        )
    try:
        model, inputs = _load_saved_model(path) if is_folder else _load_keras_model(path)
    except Exception as error:  # Whatever a damaged file or a foreign layer provokes.
        raise UserError(f"--features={path} cannot be loaded: {_first_line(error)}") from error
    return _ModelFeatures(path, model, inputs)


# ------------------------------------------------------------------------------------------- scattering


@functools.cache
def oriented_filters() -> NDArray[np.float32]:
    """Quadrature filters, [7, 7, 1, 8]: the even ones of the four orientations, then the odd ones.

    They do not respond to a constant, and to a wave of amplitude 1 at their frequency with 1.
    """
    reach = FILTER_SIZE // 2
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    envelope = np.exp(-(x**2 + y**2) / (2 * FILTER_SIGMA**2))
    evens, odds = [], []
    for angle in np.arange(ORIENTATIONS) * np.pi / ORIENTATIONS:
        phase = 2 * np.pi * FILTER_FREQUENCY * (x * np.cos(angle) + y * np.sin(angle))
        even, odd = envelope * np.cos(phase), envelope * np.sin(phase)
        even -= envelope * (even.sum() / envelope.sum())
        evens.append(even / np.sum(even * np.cos(phase)))
        odds.append(odd / np.sum(odd * np.sin(phase)))
    return np.stack(evens + odds, axis=-1)[:, :, None].astype(np.float32)


@functools.cache
def _paired_filters() -> NDArray[np.float32]:
    """The filters at the four pixels of a 2x2 block, [8, 8, 1, 32]: even or odd, then pixel, orientation.

    A convolution with stride 2 that yields 32 channels takes half the time of one that yields 8 everywhere.
    """
    filters = oriented_filters().reshape(FILTER_SIZE, FILTER_SIZE, 2, ORIENTATIONS)
    paired = np.zeros((FILTER_SIZE + 1, FILTER_SIZE + 1, 2, 2, 2, ORIENTATIONS), np.float32)
    for row, column in np.ndindex(2, 2):
        paired[row : row + FILTER_SIZE, column : column + FILTER_SIZE, :, row, column] = filters
    return paired.reshape(FILTER_SIZE + 1, FILTER_SIZE + 1, 1, -1)


@tf.function(autograph=False)
def _scatter(images: tf.Tensor) -> tf.Tensor:
    """The features of `ScatteringFeatures`, uint8 [N, H, H] -> float32 [N, D]."""
    images = tf.cast(images, tf.float32)[..., None]
    features = [_pool(images, LAYOUT_GRID) / GRAY_PER_UNIT]
    while images.shape[1] >= SMALLEST_RESOLUTION:
        amplitudes = _halved_amplitudes(images)
        images = tf.nn.avg_pool2d(images, 2, 2, "VALID")
        cells = tf.reshape(_pool(amplitudes, ENERGY_GRID), [-1, ENERGY_GRID**2, ORIENTATIONS])
        energies = [tf.reduce_mean(cells, axis=2), tf.reduce_mean(cells, axis=1)]
        if images.shape[1] >= SMALLEST_RESOLUTION:
            energies.append(_second_layer(amplitudes))
        features.extend(map(tf.math.log1p, energies))
    return tf.concat(features, axis=1)


@functools.cache
def _mirrored_order(size: int) -> NDArray[np.intp]:
    """Where the features of an image stand among those of its mirror image."""
    turned = [0, 3, 2, 1]  # 45 and 135 degrees change places.
    parts, start = [_flipped_grid(LAYOUT_GRID)], LAYOUT_GRID**2
    while size >= SMALLEST_RESOLUTION:
        size //= 2
        octave = [_flipped_grid(ENERGY_GRID), ENERGY_GRID**2 + np.array(turned)]
        if size >= SMALLEST_RESOLUTION:
            octave.append(ENERGY_GRID**2 + ORIENTATIONS + np.array(turned))
        parts.append(start + np.concatenate(octave))
        start += len(parts[-1])
    return np.concatenate(parts)


def _flipped_grid(grid: int) -> NDArray[np.intp]:
    return np.arange(grid**2).reshape(grid, grid)[:, ::-1].ravel()


def _halved_amplitudes(images: tf.Tensor) -> tf.Tensor:
    """2x2 means of the local amplitude at each orientation, [N, H, H, 1] -> [N, H / 2, H / 2, 4]."""
    reach = FILTER_SIZE // 2
    padded = tf.pad(images, [[0, 0], [reach, reach], [reach, reach], [0, 0]], "SYMMETRIC")
    even, odd = tf.split(tf.nn.conv2d(padded, _paired_filters(), 2, "VALID"), 2, axis=-1)
    return tf.add_n(tf.split(tf.sqrt(even**2 + odd**2), 4, axis=-1)) / 4


def _second_layer(amplitudes: tf.Tensor) -> tf.Tensor:
    """Mean amplitude of amplitudes, by the angle between both orientations: [N, H, H, 4] -> [N, 4]."""
    size = amplitudes.shape[1]
    separate = tf.reshape(tf.transpose(amplitudes, [0, 3, 1, 2]), [-1, size, size, 1])
    means = tf.reshape(
        tf.reduce_mean(_halved_amplitudes(separate), axis=(1, 2)), [-1, ORIENTATIONS, ORIENTATIONS]
    )
    turned = [tf.roll(means[:, first], -first, axis=1) for first in range(ORIENTATIONS)]
    return tf.add_n(turned) / ORIENTATIONS


def _pool(images: tf.Tensor, grid: int) -> tf.Tensor:
    """Means over the cells of a grid, row by row, [N, H, H, C] -> [N, grid * grid * C].

    Over the rows of the cells first and then over the columns, which is many times as fast as over both.
    """
    size, channels = images.shape[1], images.shape[3]
    rows = tf.reduce_mean(tf.reshape(images, [-1, grid, size // grid, size * channels]), axis=2)
    cells = tf.reduce_mean(tf.reshape(rows, [-1, grid, grid, size // grid, channels]), axis=3)
    return tf.reshape(cells, [-1, grid * grid * channels])


# ------------------------------------------------------------------------------------------- own networks

_Model = Callable[[tf.Tensor], object]


class _ModelFeatures:
    """A loaded network and how images are made to suit it."""

    has_fixed_filters = False

    def __init__(self, path: pathlib.Path, model: _Model, inputs: tf.TensorSpec) -> None:
        self._path = path
        shape = inputs.shape.as_list() if inputs.shape.rank is not None else [None] * 4
        if len(shape) != 4 or shape[0] is not None or shape[3] not in (None, 1, 3):
            raise UserError(
                f"--features={path} takes {shape}; use a model that takes any number of images at once, "
                "[None, h, w, 1 or 3]"
            )
        if not inputs.dtype.is_floating:
            raise UserError(f"--features={path} takes {inputs.dtype.name}; use a model that takes float32")
        self._size, self._channels, self._dtype = shape[1:3], shape[3] or 3, inputs.dtype
        size = "x".join(map(str, self._size)) if all(self._size) else "their own size"
        self.name = f"network {path.name}, on images in [-1, 1] at {size}"
        # AutoGraph would rewrite a UserError's sentence.
        self._compute = tf.function(
            lambda images: self._as_features(model(self._prepare(images))), autograph=False
        )

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = np.asarray(images)
        _check(images)
        height, width = self._size_for(images)
        # A convolutional network needs some dozens of times its input.
        step = _CHUNK_PIXELS // (height * width)
        try:
            compute = self._compute.get_concrete_function(tf.TensorSpec([None, *images.shape[1:]], tf.uint8))
            features = _compute_in_chunks(compute, images, step)
        except (ValueError, TypeError, tf.errors.InvalidArgumentError) as error:
            raise UserError(
                f"--features={self._path} cannot take images [N, {height}, {width}, {self._channels}]; use a "
                "model whose input is of that shape or fixed to one of its own"
            ) from error
        if not np.isfinite(features).all():
            raise UserError(
                f"--features={self._path} yields features that are not finite; use a model that takes images "
                "with values in [-1, 1]"
            )
        return features

    def mirrored(self, images: NDArray[np.uint8], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Features of mirrored images, computed anew."""
        return self(images[:, :, ::-1])

    def _size_for(self, images: NDArray[np.uint8] | tf.Tensor) -> tuple[int, int]:
        return tuple(own or given for own, given in zip(self._size, images.shape[1:3], strict=True))

    def _prepare(self, images: tf.Tensor) -> tf.Tensor:
        """Gray values [N, H, H] to the model's input, [N, h, w, C] in [-1, 1]."""
        images = tf.cast(images, tf.float32)[..., None] / 127.5 - 1
        # Without antialiasing, shrinking to less than half would leave pixels out.
        images = tf.image.resize(images, self._size_for(images), "bilinear", antialias=True)
        return tf.cast(tf.repeat(images, self._channels, axis=-1), self._dtype)

    def _as_features(self, outputs: object) -> tf.Tensor:
        """A model's outputs to features [N, D]."""
        (features, *others) = tf.nest.flatten(outputs)
        if others or features.shape.rank not in (2, 4):
            shapes = ", ".join(str(output.shape) for output in (features, *others))
            raise UserError(
                f"--features={self._path} yields {shapes}; use a model with one output, [N, D] or "
                "[N, h, w, D]"
            )
        features = tf.cast(features, tf.float32)
        return features if features.shape.rank == 2 else tf.reduce_mean(features, axis=(1, 2))


def _load_saved_model(path: pathlib.Path) -> tuple[_Model, tf.TensorSpec]:
    """A SavedModel as a function of its one input, and what it takes."""
    with literal_folder(path) as folder:
        loaded = tf.saved_model.load(str(folder))
    if loaded.signatures:
        name = "serving_default" if "serving_default" in loaded.signatures else next(iter(loaded.signatures))
        key, inputs = _only(loaded.signatures[name].structured_input_signature[1].items())
        # A signature alone would not keep its variables alive.
        return lambda images: loaded.signatures[name](**{key: images}), inputs
    if not callable(loaded):
        raise ValueError("it has neither signatures nor a __call__")
    traced = loaded.__call__.concrete_functions[0]
    return loaded, _only(traced.structured_input_signature[0])


def _load_keras_model(path: pathlib.Path) -> tuple[_Model, tf.TensorSpec]:
    """A Keras model as a function of its one input, and what it takes."""
    model = keras.models.load_model(str(path), compile=False)
    inputs = _only(model.inputs)
    return lambda images: model(images, training=False), tf.TensorSpec(inputs.shape, inputs.dtype)


def _only(inputs: Collection[T]) -> T:
    """The one of a model's inputs."""
    if len(inputs) != 1:
        raise ValueError(f"it has {len(inputs)} inputs, and only images are given")
    return next(iter(inputs))


# ---------------------------------------------------------------------------------------------- all of them


def _check(images: NDArray[np.generic]) -> None:
    if images.dtype != np.uint8 or images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise UserError(
            f"images are {images.dtype} {list(images.shape)}; features are of gray values, uint8 [N, H, H]"
        )
    if not len(images):
        raise UserError("features are of at least 1 image, not 0")


def _compute_in_chunks(
    compute: Callable[[tf.Tensor], tf.Tensor], images: NDArray[np.uint8], step: int
) -> NDArray[np.float32]:
    """Features of all images, some at a time."""
    features = []
    with screen.Bar("computing features", len(images), unit="images") as bar:
        for start in range(0, len(images), max(1, step)):
            chunk = images[start : start + max(1, step)]
            features.append(np.asarray(compute(tf.constant(chunk))))
            bar.update(len(chunk))
    return np.concatenate(features)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
