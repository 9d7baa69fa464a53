"""An embedding that is learned from a data set's own slices, to find copies that were changed a good deal.

Small networks learn without labels (NT-Xent, Chen et al. 2020; for copies of medical images Dar et al.
2024, arXiv 2402.01054): two changed views of a training slice are to be near each other, and far from slices
of other subjects. Views are changed as copies may be: they are mirrored, moved, turned, enlarged, warped
smoothly, blurred, and of other brightness, contrast and noise.
"""

from __future__ import annotations

import math
import pathlib
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.atomic_io import file_aside
from mrisynth.privacy import alignment
from mrisynth.privacy.distances import FeatureDistance
from mrisynth.privacy.searches import ReferenceImages, without_masks
from mrisynth.training.config import Precision
from mrisynth.training.strategies import dtype_policy

STEPS = 1500
"""Steps that each network is trained for, whatever the size of the data set."""

_VERSION = 2
"""To be raised with every change to what is learned, so that embeddings that are kept are learned anew."""

_NETWORKS = 2
"""So many are learned one by one: what one takes for a likeness by chance, the others do not."""
_SIZE = 32
_BATCH = 128
_WIDTH = 16
_OUTPUTS = 64
_TEMPERATURE = 0.05
_LEARNING_RATE = 2e-3
_GRAY_PER_UNIT = 40
_AT_A_TIME = 64
_VARIANTS = (
    (0.0, 1.0, 0.0),
    (math.radians(7), 1.0, 0.7),
    (math.radians(-7), 1.0, 0.7),
    (0.0, 1.05, 0.7),
    (0.0, 1 / 1.05, 0.7),
    (0.0, 1.10, 0.7),
    (0.0, 1 / 1.10, 0.7),
    (0.0, 1.0, 2.0),
)
"""How images are turned, how much larger a part of them is taken, and how they are sharpened.

What is turned or enlarged is interpolated, which blurs it.
"""


# How far views are changed at most. Sizes are parts of the width.
_TURN = math.radians(12)
_ENLARGEMENT = 0.17
_SHIFT = 1 / 14
_WARP = 1 / 26
_WARP_KNOTS = 5
_BLURS = 2
_CONTRAST = 0.25
_BRIGHTNESS = 0.2
_NOISE = 0.1
_BINOMIAL = (0.25, 0.5, 0.25)


class EmbeddingDistance(FeatureDistance):
    """Squared distance of what a learned network makes of images, mirrored, turned, enlarged or sharpened.

    It finds copies and has no figures of its own: each further figure is a further chance that the verdict on
    images that copy nothing is not "no sign of copying".

    Args:
        networks: Each makes points of images, float32 [N, S, S, 1] -> [N, D].
    """

    name = "embedding"
    title = "By learned embedding"
    axis = "squared distance between embedded images"
    has_figures = False

    def __init__(self, networks: Sequence[keras.Model]) -> None:
        def embed(images: tf.Tensor) -> tf.Tensor:
            size, detail = images.shape[1], images - _blur(images)
            sides = [
                _sample(images + sharpened * detail, *_turned(size, angle, scale, side))
                for angle, scale, sharpened in _VARIANTS
                for side in (1.0, -1.0)
            ]
            changed = tf.concat(sides, axis=0)[..., tf.newaxis]
            points = [tf.math.l2_normalize(network(changed, training=False), axis=1) for network in networks]
            joined = tf.concat(points, axis=1) / math.sqrt(len(points))
            return tf.transpose(tf.reshape(joined, [len(sides), -1, joined.shape[1]]), [1, 0, 2])

        self._embed = tf.function(embed, autograph=False, jit_compile=False, reduce_retracing=True)

    def _describe(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Points of norm 1, the first of the images as they are; uint8 [N, H, H] -> [N, V, D]."""
        prepared = _prepare(images)
        starts = range(0, len(images), _AT_A_TIME)
        return np.concatenate([self._embed(prepared[start : start + _AT_A_TIME]).numpy() for start in starts])


def learn(real: ReferenceImages) -> EmbeddingDistance:
    """Distances by the embedding of a data set, which is kept beside it and learned only once.

    Args:
        real: The data set; what is learned depends on its training slices and on nothing else.

    Returns:
        The measure of distance. Where the embedding cannot be kept, that is said on the screen.
    """
    images = without_masks(real.training.images, real.channels)
    size = images.shape[1]
    small = _prepare(images[:1, ..., 0]).shape[1]
    networks = [_network(small, number) for number in range(_NETWORKS)]
    kept, key = real.folder and _place(real.folder, size), _key(real.fingerprint, size)
    if kept and _restore(networks, kept, key):
        return EmbeddingDistance(networks)
    prepared = np.concatenate([_prepare(channel) for channel in np.moveaxis(images, -1, 0)])
    _, subjects = np.unique(real.training.subjects, return_inverse=True)
    _train(networks, prepared, np.tile(subjects, images.shape[-1]))
    if kept:
        _keep(networks, kept, key)
    return EmbeddingDistance(networks)


def is_kept(folder: pathlib.Path, fingerprint: str | None, size: int) -> bool:
    """Whether the embedding of a data set was learned already, and is kept beside it.

    Args:
        folder: Where the data set lies.
        fingerprint: The data set's.
        size: Pixels along an edge of an image.
    """
    return _kept_weights(_place(folder, size), _key(fingerprint, size)) is not None


def _place(folder: pathlib.Path, size: int) -> pathlib.Path:
    return folder / f"embedding-r{size:04d}.npz"


def _key(fingerprint: str | None, size: int) -> str:
    return f"{_VERSION} {fingerprint} {size} {STEPS}"


def _restore(networks: Sequence[keras.Model], path: pathlib.Path, key: str) -> bool:
    """Gives networks the weights that were kept for them, if there are any that fit."""
    weights = _kept_weights(path, key)
    try:
        if weights is not None:
            parts = np.split(np.arange(len(weights)), len(networks))
            for network, of_it in zip(networks, parts, strict=True):
                network.set_weights([weights[number] for number in of_it])
    except Exception:  # Whatever a damaged file provokes; the weights are made again.
        return False
    return weights is not None


def _kept_weights(path: pathlib.Path, key: str) -> list[NDArray] | None:
    """The weights that are kept under a key; None where there are none."""
    try:
        with np.load(path, allow_pickle=False) as file:
            if str(file["key"]) != key:
                return None
            return [file[str(number)] for number in range(len(file.files) - 1)]
    except Exception:  # Whatever a damaged file provokes; the weights are made again.
        return None


def _keep(networks: Sequence[keras.Model], path: pathlib.Path, key: str) -> None:
    every = [weight for network in networks for weight in network.get_weights()]
    weights = {str(number): weight for number, weight in enumerate(every)}
    try:
        with file_aside(path) as file:
            np.savez(file, key=key, **weights)
    except OSError as error:
        screen.say(
            f"The learned embedding cannot be kept in {path.parent} ({error.strerror}); it is learned again "
            "whenever copies are looked for."
        )


def _prepare(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images of 32x32 at most with one darkest gray, 0, and one contrast, 1; [N, H, H] -> [N, S, S]."""
    small = alignment.standardize(alignment.thumbnails(images)).astype(np.float32) / _GRAY_PER_UNIT
    factor = max(1, small.shape[1] // _SIZE)
    size = small.shape[1] // factor
    return small.reshape(-1, size, factor, size, factor).mean((2, 4))


# ------------------------------------------------------------------------------------------------ learning


def _network(size: int, number: int) -> keras.Model:
    """One of the networks, its weights drawn from fixed seeds; float32 [N, size, size, 1] -> [N, 64]."""
    policy = dtype_policy(Precision.AUTO)
    inputs = values = keras.Input((size, size, 1))
    for block in range(4):
        values = keras.layers.Conv2D(
            _WIDTH * 2**block,
            3,
            strides=min(block + 1, 2),
            padding="same",
            kernel_initializer=keras.initializers.HeNormal(seed=5 * number + block),
            dtype=policy,
        )(values)
        values = keras.layers.GroupNormalization(8, dtype=policy)(values)
        values = keras.layers.Activation("relu", dtype=policy)(values)
    initializer = keras.initializers.HeNormal(seed=5 * number + 4)
    outputs = keras.layers.Dense(_OUTPUTS, kernel_initializer=initializer, dtype="float32")
    return keras.Model(inputs, outputs(keras.layers.Flatten(dtype="float32")(values)))


def _train(networks: Sequence[keras.Model], images: NDArray[np.float32], subjects: NDArray[np.intp]) -> None:
    """Trains the networks on prepared slices [N, S, S] of subjects [N], the same way each time."""
    random = np.random.RandomState(0)
    for place in screen.counted(range(STEPS * len(networks)), "learning to see changed copies"):
        network, number = divmod(place, STEPS)
        if not number:
            step = _make_step(networks[network])
        chosen = random.permutation(len(images))[:_BATCH]
        step(tf.constant(images[chosen]), tf.constant(subjects[chosen]), tf.constant(number))


def _make_step(network: keras.Model) -> tf.types.experimental.GenericFunction:
    """A step of training, of slices [N, S, S], whose they are, [N], and the number of the step."""
    optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, STEPS))

    @tf.function(autograph=False, jit_compile=False)
    def step(batch: tf.Tensor, of: tf.Tensor, number: tf.Tensor) -> None:
        views = tf.concat([change(batch, 2 * number), change(batch, 2 * number + 1)], axis=0)
        with tf.GradientTape() as tape:
            loss = contrastive_loss(network(views[..., tf.newaxis], training=True), tf.tile(of, [2]))
        variables = network.trainable_variables
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step


def contrastive_loss(points: tf.Tensor, subjects: tf.Tensor) -> tf.Tensor:
    """How surprising it is that each view belongs to the other view of its slice (NT-Xent).

    Args:
        points: Of the first views, then of the second ones, [2 N, D]; their lengths do not matter.
        subjects: Whose they are, [2 N]. Other slices of the same subject are not told apart.

    Returns:
        The mean cross-entropy over all views.
    """
    points = tf.math.l2_normalize(tf.cast(points, tf.float32), axis=1)
    count = tf.shape(points)[0]
    others = tf.math.floormod(tf.range(count) + count // 2, count)
    partner = tf.range(count)[tf.newaxis] == others[:, tf.newaxis]
    same = subjects[:, tf.newaxis] == subjects[tf.newaxis]
    likeness = tf.matmul(points, points, transpose_b=True) / _TEMPERATURE
    likeness = tf.where(same & ~partner, -np.inf, likeness)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(others, likeness))


def change(images: tf.Tensor, seed: tf.Tensor | int) -> tf.Tensor:
    """Views of images, each changed in its own way; float32 [N, S, S] -> [N, S, S].

    The same seed gives the same views.
    """
    count, size = tf.shape(images)[0], images.shape[1]

    def draw(purpose: int, shape: Sequence[int | tf.Tensor] = (1, 1), least: float = -1.0) -> tf.Tensor:
        return tf.random.stateless_uniform([count, *shape], [seed, purpose], least, 1.0)

    images = _sample(images, *_places(draw, size))
    blurred = [images]
    for _ in range(_BLURS):
        blurred.append(_blur(blurred[-1]))
    which = tf.cast(draw(0, (), 0.0) * len(blurred), tf.int32)
    images = tf.gather(tf.stack(blurred, axis=1), which, batch_dims=1)
    noise = tf.random.stateless_normal(tf.shape(images), [seed, 1]) * _NOISE * draw(2, least=0.0)
    return images * tf.exp(_CONTRAST * draw(3)) + _BRIGHTNESS * draw(4) + noise


def _places(draw, size: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the pixels of views are taken from: rows and columns, each [N, size, size]."""
    rows, columns = _turned(size, _TURN * draw(6), tf.exp(_ENLARGEMENT * draw(7)), tf.sign(draw(5)))

    def moved(purpose: int) -> tf.Tensor:
        knots = draw(purpose, (_WARP_KNOTS, _WARP_KNOTS, 1))
        warp = _WARP * size * tf.image.resize(knots, [size, size], "bicubic")[..., 0]
        return warp + _SHIFT * size * draw(purpose + 1)

    return rows + moved(9), columns + moved(11)


def _turned(
    size: int, angle: tf.Tensor | float, scale: tf.Tensor | float, side: tf.Tensor | float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where pixels of images turned around their center are taken from: rows and columns, [N, S, S] each.

    Scale is how much larger the part that is taken is than the image; side, -1 for mirrored and 1 for not.
    """
    center = (size - 1) / 2
    steps = tf.range(size, dtype=tf.float32) - center
    rows, columns = steps[tf.newaxis, :, tf.newaxis], steps[tf.newaxis, tf.newaxis] * side
    sine, cosine = scale * tf.sin(angle), scale * tf.cos(angle)
    return cosine * rows - sine * columns + center, sine * rows + cosine * columns + center


def _sample(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Values of images [N, S, S] between their pixels, bilinearly; 0 outside of them."""
    size = images.shape[1]
    width = size + 2
    flat = tf.reshape(tf.pad(images, [[0, 0], [1, 1], [1, 1]]), [-1, width * width])
    rows, columns = (tf.clip_by_value(each + 1, 0.0, size + 1.0) for each in (rows, columns))
    above, before = (tf.minimum(tf.floor(each), size) for each in (rows, columns))
    down, right = rows - above, columns - before
    first = tf.broadcast_to(tf.cast(above * width + before, tf.int32), tf.shape(images))

    def corner(offset: int) -> tf.Tensor:
        return tf.gather(flat, first + offset, batch_dims=1)

    upper = (1 - right) * corner(0) + right * corner(1)
    lower = (1 - right) * corner(width) + right * corner(width + 1)
    return (1 - down) * upper + down * lower


def _blur(images: tf.Tensor) -> tf.Tensor:
    """Smooths images [N, S, S] with a binomial filter, standard deviation 0.7 pixels."""
    padded = tf.pad(images, [[0, 0], [1, 1], [1, 1]], "SYMMETRIC")[..., tf.newaxis]
    kernel = np.outer(_BINOMIAL, _BINOMIAL).astype(np.float32)[..., np.newaxis, np.newaxis]
    return tf.nn.conv2d(padded, kernel, 1, "VALID")[..., 0]
