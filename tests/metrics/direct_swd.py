"""SWD written down plainly with NumPy and SciPy: what `mrisynth.metrics` is compared with."""

import numpy as np
from scipy import ndimage

KERNEL = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256


def reduce(image):
    return ndimage.convolve(image, KERNEL.astype(image.dtype), mode="mirror")[::2, ::2]


def expand(image):
    spread = np.zeros((2 * image.shape[0], 2 * image.shape[1]), image.dtype)
    spread[::2, ::2] = image
    return ndimage.convolve(spread, 4 * KERNEL.astype(image.dtype), mode="mirror")


def laplacian_pyramid(image):
    levels = []
    while image.shape[0] > 16:
        smaller = reduce(image)
        levels.append(image - expand(smaller))
        image = smaller
    return [*levels, image]


def extract_patches(images, corners):
    """[N, H, H] and row and column of every patch [N, P, 2] -> [N * P, 49]."""
    return np.stack(
        [
            image[row : row + 7, column : column + 7].ravel()
            for image, places in zip(images, corners, strict=True)
            for row, column in places
        ]
    )


def normalize(descriptors):
    return (descriptors - descriptors.mean()) / descriptors.std()


def sliced_distance(first, second, directions):
    """[N, 49] twice and [K, 49] -> the mean over the directions."""
    first = np.sort(first @ directions.T, axis=0)
    second = np.sort(second @ directions.T, axis=0)
    return np.mean(np.abs(first - second))


def sliced_wasserstein_distance(real, generated, seed=0, dtype=np.float64):
    random = np.random.default_rng(seed)
    pyramids = [[laplacian_pyramid(image) for image in images.astype(dtype)] for images in (real, generated)]
    result = {}
    for levels in zip(*(zip(*pyramid, strict=True) for pyramid in pyramids), strict=True):
        resolution = len(levels[0][0])
        clouds = [
            normalize(extract_patches(images, random.integers(resolution - 6, size=(len(images), 128, 2))))
            for images in levels
        ]
        repeats = []
        for _ in range(4):
            directions = random.normal(size=(128, 49)).astype(dtype)
            directions /= np.linalg.norm(directions, axis=1, keepdims=True)
            repeats.append(sliced_distance(*clouds, directions))
        result[resolution] = 1000 * np.mean(repeats)
    result["mean"] = np.mean(list(result.values()))
    return result
