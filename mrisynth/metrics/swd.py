"""Sliced Wasserstein distance between the patches of two sets of images ([PG] section 5).

How alike two sets of images are, scale by scale. Images are taken apart into the levels of a Laplacian
pyramid; of each level, random 7x7 patches are points in 49 dimensions; the two clouds of points are compared
by their projections on random directions. Small numbers at fine levels mean the same texture and sharpness,
at the coarsest the same layout.
"""

from __future__ import annotations

import concurrent.futures
import functools
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth import screen
from mrisynth.cores import available_cores
from mrisynth.errors import UserError
from mrisynth.metrics.registry import MOST_IMAGES, Comparison, Direction, Group, metric, random_stream

COARSEST_RESOLUTION = 16
PATCH_SIZE = 7
PATCHES_PER_IMAGE = 128
REPEATS = 4
DIRECTIONS = 128
KERNEL = np.array([1, 4, 6, 4, 1]) / 16
"""Burt and Adelson's binomial filter along one axis."""

_SCALE = 1000
_SMALLEST_DEVIATION = 1e-4
"""Standard deviation in gray values that rounding alone does not reach."""
_CHUNK_PIXELS = 2**18
_BLOCK_PROJECTIONS = 2**24
_THREADS = min(available_cores(), 8)

Images = NDArray[np.uint8] | NDArray[np.float32]


@metric(
    key="swd",
    title="Sliced Wasserstein distance",
    group=Group.FIDELITY,
    direction=Direction.LOWER,
    explanation=(
        "How much small patches of generated images differ from patches of real ones, from coarse to fine."
    ),
    source="Karras et al., Progressive Growing of GANs, ICLR 2018, arXiv 1710.10196.",
    part_title=lambda level: "mean of the levels" if level == "mean" else f"{level}x{level}",
)
def _measure(comparison: Comparison) -> dict[str, float]:
    real, measured = (each.images[..., 0] for each in (comparison.reference, comparison.images))
    distances = sliced_wasserstein_distance(real, measured, comparison.seed)
    return {f"swd/{level}": distance for level, distance in distances.items()}


def sliced_wasserstein_distance(
    real: NDArray[np.uint8], generated: NDArray[np.uint8], seed: int = 0
) -> dict[int | str, float]:
    """Sliced Wasserstein distance times 1000 by level of a Laplacian pyramid, and the levels' mean ([PG]).

    Patches are drawn independently, so even a set against itself is not at 0 but at what sampling leaves;
    compare with the figure between two sets of real images of the same size.

    Args:
        real: [N, H, H], H a power of two from 16 on. At most 16,384 images of each set are compared, and as
            many of one as of the other: where there are more, a random choice of them, which `seed` decides,
            since sets are often ordered by subject.
        generated: [M, H, H].
        seed: The same seed gives the same numbers.

    Returns:
        {H: ..., H / 2: ..., ..., 16: ..., "mean": ...}.

    Raises:
        UserError: If the arrays are no such images, fewer than two, or all constant.

    Example:
        sliced_wasserstein_distance(real, generated)["mean"]
    """
    real, generated = np.asarray(real), np.asarray(generated)
    sets = {"real": real, "generated": generated}
    for name, images in sets.items():
        _check(name, images)
    if real.shape[1] != generated.shape[1]:
        raise UserError(
            f"real images are {real.shape[1]} pixels wide and generated ones {generated.shape[1]}; "
            "compare images of one size"
        )
    count = min(len(real), len(generated), MOST_IMAGES)
    sets = {
        name: _choose(images, count, random_stream(seed, f"choose {name}")) for name, images in sets.items()
    }
    resolutions = tuple(_resolutions(real.shape[1]))
    values = []
    with (
        concurrent.futures.ThreadPoolExecutor(_THREADS) as pool,
        screen.Bar(
            "sliced Wasserstein distance", REPEATS * DIRECTIONS * len(resolutions), unit="directions"
        ) as bar,
    ):
        for resolution in resolutions:
            draws = [random_stream(seed, f"patches {name} {resolution}") for name in sets]
            (first, next_real), (second, next_generated) = pool.map(_describe, sets, sets.values(), draws)
            directions = draw_directions(random_stream(seed, f"directions {resolution}"))
            values.append(sliced_distances(first, second, directions, pool, bar))
            sets = {"real": next_real, "generated": next_generated}
            del first, second
    distances = _SCALE * np.stack(values, axis=1)
    by_level = zip(resolutions, np.mean(distances, axis=0).tolist(), strict=True)
    return {**dict(by_level), "mean": float(np.mean(distances))}


def _check(name: str, images: NDArray) -> None:
    """Raises a UserError if an array is no set of images."""
    if images.dtype != np.uint8:
        raise UserError(
            f"{name} images are {images.dtype}; SWD takes 8-bit gray values (uint8, to_gray makes them)"
        )
    shape = images.shape
    size = shape[-1] if shape else 0
    if len(shape) != 3 or shape[1] != size or size < COARSEST_RESOLUTION or size & (size - 1):
        raise UserError(
            f"{name} images have shape {list(shape)}; SWD takes [N, H, H] with H a power of two from "
            f"{COARSEST_RESOLUTION} on"
        )
    if shape[0] < 2:
        raise UserError(f"SWD takes at least 2 {name} images, not {shape[0]}")


def _resolutions(finest: int) -> Iterator[int]:
    """The finest resolution and its halves down to the coarsest."""
    while finest >= COARSEST_RESOLUTION:
        yield finest
        finest //= 2


def _choose(images: Images, count: int, random: np.random.RandomState) -> Images:
    """A random choice of images, in their order; the images themselves if it is all of them."""
    if len(images) == count:
        return images
    return images[np.sort(random.permutation(len(images))[:count])]


# ----------------------------------------------------------------------------------------------- pyramid


@functools.cache
def reduction_matrix(size: int) -> NDArray[np.float32]:
    """Filters a line of pixels and keeps every second one from the first, [size / 2, size].

    Borders are mirrored without repeating the edge pixel.
    """
    return _filter_matrix(np.eye(size))[::2]


@functools.cache
def expansion_matrix(size: int) -> NDArray[np.float32]:
    """Puts zeros between a line's pixels, filters and doubles (along both axes: x 4), [2 size, size]."""
    spread = np.zeros((2 * size, size))
    spread[::2] = np.eye(size)
    return 2 * _filter_matrix(spread)


def _filter_matrix(lines: NDArray[np.float64]) -> NDArray[np.float32]:
    """Filters along the first axis."""
    padded = np.pad(lines, ((2, 2), (0, 0)), mode="reflect")
    return sum(weight * padded[i : i + len(lines)] for i, weight in enumerate(KERNEL)).astype(np.float32)


def _along_both_axes(matrix: NDArray[np.float32], images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Applies a matrix to the columns and the rows of images [N, H, H]."""
    with tf.device("CPU"):  # GPUs may round products to 10 bits.
        return np.asarray(tf.matmul(matrix, tf.matmul(images, matrix, transpose_b=True)))


def reduce(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """The next level of a Gaussian pyramid, [N, H, H] -> [N, H / 2, H / 2]."""
    return _along_both_axes(reduction_matrix(images.shape[1]), images)


def expand(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Doubles the size of images smoothly, [N, H, H] -> [N, 2 H, 2 H]."""
    return _along_both_axes(expansion_matrix(images.shape[1]), images)


def split_level(images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """Takes the finest level off images [N, H, H]: it, and the images of the next one, [N, H / 2, H / 2].

    At the coarsest resolution the level is the images themselves, and there is no next one.
    """
    images = images.astype(np.float32, copy=False)
    if images.shape[1] <= COARSEST_RESOLUTION:
        return images, None
    coarser = reduce(images)
    return images - expand(coarser), coarser


# ----------------------------------------------------------------------------------------------- patches


def draw_corners(random: np.random.RandomState, images: int, resolution: int) -> NDArray[np.intp]:
    """Where an image's patches begin: places from 0 to places^2 - 1, row by row, [images, 128]."""
    places = resolution - PATCH_SIZE + 1
    return random.randint(places**2, size=(images, PATCHES_PER_IMAGE))


def extract_patches(level: NDArray[np.float32], corners: NDArray[np.intp]) -> NDArray[np.float32]:
    """Cuts patches out of levels [N, H, H] at `draw_corners`' corners [N, P]: [N, P, 49]."""
    patches = np.lib.stride_tricks.sliding_window_view(level, (PATCH_SIZE, PATCH_SIZE), axis=(1, 2))
    rows, columns = np.divmod(corners, patches.shape[2])
    return patches[np.arange(len(level))[:, None], rows, columns].reshape(*corners.shape, PATCH_SIZE**2)


def normalize(descriptors: NDArray[np.float32]) -> float:
    """Shifts and scales descriptors [49, N, P], in place, to mean 0 and standard deviation 1 over all values.

    Returns:
        The standard deviation there was. If it is 0, up to rounding, they are only shifted.
    """
    descriptors -= np.float32(np.mean(descriptors, dtype=np.float64))
    squares = np.einsum("dnp,dnp->dn", descriptors, descriptors)
    deviation = float(np.sqrt(np.sum(squares, dtype=np.float64) / descriptors.size))
    if deviation > _SMALLEST_DEVIATION:
        descriptors *= np.float32(1 / deviation)
    return deviation


def _describe(
    name: str, images: Images, random: np.random.RandomState
) -> tuple[tf.Tensor, NDArray[np.float32] | None]:
    """The normalized descriptors of a level, [49, N * P], and the images of the next, in bounded memory."""
    count, resolution = images.shape[:2]
    corners = draw_corners(random, count, resolution)
    descriptors = np.empty((PATCH_SIZE**2, count, PATCHES_PER_IMAGE), np.float32)
    coarser = np.empty((count, resolution // 2, resolution // 2), np.float32)
    step = max(1, _CHUNK_PIXELS // resolution**2)
    for start in range(0, count, step):
        chunk = slice(start, start + step)
        level, next_images = split_level(images[chunk])
        descriptors[:, chunk] = np.moveaxis(extract_patches(level, corners[chunk]), -1, 0)
        if next_images is not None:
            coarser[chunk] = next_images
    if normalize(descriptors) <= _SMALLEST_DEVIATION:
        raise UserError(
            f"the {name} images are constant at {resolution}x{resolution}, so they cannot be compared; "
            "use images that show something"
        )
    with tf.device("CPU"):
        return tf.constant(descriptors.reshape(PATCH_SIZE**2, -1)), coarser


# ----------------------------------------------------------------------------------------------- distance


def draw_directions(random: np.random.RandomState, dimensions: int = PATCH_SIZE**2) -> NDArray[np.float32]:
    """Random unit vectors, uniform on the sphere, [repeats, 128, dimensions]."""
    directions = random.standard_normal((REPEATS, DIRECTIONS, dimensions))
    return (directions / np.linalg.norm(directions, axis=-1, keepdims=True)).astype(np.float32)


def wasserstein_distances(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean absolute differences of sorted samples: the 1-Wasserstein distances of K pairs, [K, N] each."""
    pairs = zip(first, second, strict=True)  # One by one, as all sorted copies would not fit the cache.
    differences = (np.abs(np.sort(ours) - np.sort(theirs)) for ours, theirs in pairs)
    return np.array([np.mean(each, dtype=np.float64) for each in differences])


def sliced_distances(
    first: tf.Tensor,
    second: tf.Tensor,
    directions: NDArray[np.float32],
    pool: concurrent.futures.ThreadPoolExecutor,
    bar: screen.Bar | None = None,
) -> NDArray[np.float64]:
    """Mean over directions of the Wasserstein distance between two clouds' projections.

    Args:
        first: [D, N].
        second: [D, N].
        directions: [repeats, K, D].
        pool: Threads that share the directions; the result does not depend on how many.
        bar: Counts the directions.

    Returns:
        [repeats].
    """
    lines = directions.reshape(-1, directions.shape[-1])
    step = max(1, _BLOCK_PROJECTIONS // first.shape[1])
    distances = []
    for start in range(0, len(lines), step):
        block = lines[start : start + step]
        with tf.device("CPU"):
            projections = [np.asarray(tf.matmul(block, cloud)) for cloud in (first, second)]
        distances.extend(pool.map(wasserstein_distances, *(np.array_split(p, _THREADS) for p in projections)))
        if bar is not None:
            bar.update(len(block))
    return np.concatenate(distances).reshape(directions.shape[:2]).mean(axis=1)
