"""What is known of phantoms, measured in the pixels of axial slices: contrast, ventricles, fluid, lesions.

Images are float [N, r, r] in [-1, 1], as prepared data sets hold them and generators draw them, with r 32, 64
or 128 and a field of view of 256 mm. Nothing but the pixels is looked at, so generated images are measured
like real ones. What real phantoms reach is in `test_truths.py`.
"""

import functools

import numpy as np
from scipy import ndimage

BRAIN = (-35.0, 45.0)
"""Positions in mm, as prepared data sets have them, where a slice shows enough brain to be measured."""

MIDDLE = (-15.0, 25.0)
"""Positions in mm where a slice shows enough brain even if its place is 10 or 20 mm off."""

VENTRICLES = (-10.0, 0.0)
"""Positions in mm where the ventricles are largest."""

FIELD_OF_VIEW = 256.0
PIXEL = 2.0
"""Edge in mm of the pixels that everything is measured in, whatever the resolution."""

# The quantile of the brain that is tissue without fluid, and the signal of fluid for this signal of tissue.
FLUID = {
    "FLAIR": (0.50, lambda tissue: 0.17 * tissue),
    "T1w": (0.75, lambda tissue: 0.20 * tissue),
    "T2w": (0.25, lambda tissue: np.full_like(tissue, 0.95)),
}


class Heads:
    """Slices on pixels of 2 mm, whatever they were.

    Attributes:
        signal: Signals from 0 to 1, [N, 128, 128].
        depth: Distance in mm from the outside of the head, 0 outside, [N, 128, 128].
    """

    def __init__(self, images):
        factor = FIELD_OF_VIEW / PIXEL / images.shape[-1]
        signal = (np.asarray(images, np.float32) + 1) / 2
        self.signal = ndimage.zoom(signal, (1, factor, factor), order=1, grid_mode=True, mode="nearest")
        self.depth = np.stack([_depth(each) for each in self.signal])

    def quantile(self, share, depth, end=np.inf):
        """Quantile of each image's signal where the depth is between two, [N]; NaN where nothing is."""
        where = (self.depth > depth) & (self.depth <= end)
        return np.array(
            [
                np.quantile(signal[there], share) if there.any() else np.nan
                for signal, there in zip(self.signal, where, strict=True)
            ]
        )

    def area(self, amount, depth):
        """Sum of an amount from 0 to 1 that pixels beyond a depth have, in mm2, [N]."""
        return np.sum(np.clip(amount, 0, 1) * (self.depth > depth), axis=(1, 2)) * PIXEL**2


def _depth(signal):
    """Distance in mm from the outside of the largest thing in an image."""
    labels, count = ndimage.label(ndimage.binary_fill_holes(signal > 0.2))
    if not count:
        return np.zeros_like(signal)
    largest = 1 + np.argmax(np.bincount(labels.ravel())[1:])
    return ndimage.distance_transform_edt(labels == largest) * PIXEL


def by_image(values):
    """Numbers of images as they are compared with pixels, [N, 1, 1]."""
    return values[:, None, None]


def contrast(images):
    """Names the contrast by the order of tissues: "FLAIR", "T1w" or "T2w" each; "" where no brain is seen.

    In T2w the rim of the brain, gray matter and fluid, is brighter than the white matter inside, and than
    fat. In T1w white matter stands out of the rest. In FLAIR the brain has nearly one signal, far below fat.
    """
    heads = Heads(images)
    rim, inside = heads.quantile(0.75, 20, 28), heads.quantile(0.5, 30)
    dark, median, bright = (heads.quantile(share, 18) for share in (0.25, 0.5, 0.75))
    fat = heads.quantile(0.75, 0, 12)
    with np.errstate(divide="ignore", invalid="ignore"):
        t2w = np.log(rim / inside) + np.log(rim / fat) / 4 > 0.22
        t1w = np.log(bright / median) > 0.1 + np.log(fat / dark) / 12
        seen = np.isfinite(rim / inside) & (dark > 0)
    return np.where(seen, np.where(t2w, "T2w", np.where(t1w, "T1w", "FLAIR")), "")


def _fluid(heads, name):
    """How much of each pixel is fluid, 0 where it is half or less of it, as that may be gray matter."""
    quantile, fluid_of = FLUID[name]
    tissue = heads.quantile(quantile, 18)
    return 2 * (by_image(tissue) - heads.signal) / by_image(tissue - fluid_of(tissue)) - 1


def ventricle_area(images, name):
    """Area of the fluid deep in the brain in mm2, [N]: the ventricles, at the positions `VENTRICLES`."""
    heads = Heads(images)
    return heads.area(_fluid(heads, name), 42)


def fluid_share(images, name):
    """Part of what lies within the skull that is fluid, [N]: in ventricles, in sulci and around the brain."""
    heads = Heads(images)
    return heads.area(_fluid(heads, name), 16) / heads.area(np.ones_like(heads.signal), 16)


def bright_lesion(images):
    """Where FLAIR slices show a lesion, bool [N, 128, 128]: more than 1.4 times the signal of the brain."""
    heads = Heads(images)
    return (heads.signal > 1.4 * by_image(heads.quantile(0.5, 18))) & (heads.depth > 20)


def lesion_area(images):
    """Area of bright lesions in FLAIR slices in mm2, [N]."""
    return bright_lesion(images).sum(axis=(1, 2)) * PIXEL**2


def dice(first, second):
    """Dice overlap of two sets of masks, [N, 128, 128], pixels of all images together."""
    return 2 * np.sum(first & second) / max(1, np.sum(first) + np.sum(second))


def mask_in_pixels(masks):
    """Masks, [N, r, r] in [-1, 1] and above 0 where a lesion is, in the pixels of `bright_lesion`."""
    factor = int(FIELD_OF_VIEW / PIXEL) // masks.shape[-1]
    return functools.reduce(lambda grown, axis: np.repeat(grown, factor, axis), (1, 2), np.asarray(masks) > 0)
