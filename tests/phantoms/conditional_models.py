"""Measures in pixels what a model of phantoms was asked for: contrast, lesions, ventricles, masks.

    python -m tests.phantoms.conditional_models --model=RUN_OR_EXPORT --data_dir=DATA

The model knows the labels suffix, lesion_fraction, position_mm and age, and its second channel is the lesion
mask. Held-out phantoms of the data set are measured beside it, with their own labels.
"""

import argparse
import pathlib

import numpy as np

from mrisynth.data import read_manifest
from mrisynth.data.storing.storage import dequantize, open_images, read_labels
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.generators import open_export, open_run
from tests.phantoms import truths

CONTRASTS = ("FLAIR", "T1w", "T2w")
LATENTS = 32
AGES = (25, 35, 45, 55, 65, 75)
BANDS = {"": truths.BRAIN, " in the middle": truths.MIDDLE}


class RealSlices:
    """The held-out slices of a data set with their labels."""

    def __init__(self, data_dir, resolution):
        manifest = read_manifest(data_dir)
        self._images = open_images(pathlib.Path(data_dir), manifest, "heldout", resolution)
        self._labels = read_labels(pathlib.Path(data_dir), manifest, "heldout")
        self._positions = np.array(self._labels["position_mm"], float)
        self._suffixes = np.array(self._labels["suffix"])

    def of(self, contrast, positions, count):
        """Some of one contrast, [N, r, r, 2], and their lesion fractions and ages."""
        low, high = positions
        where = (self._suffixes == contrast) & (self._positions >= low) & (self._positions <= high)
        indices = np.flatnonzero(where)
        indices = np.sort(np.random.default_rng(0).choice(indices, min(count, len(indices)), replace=False))
        fractions = np.array(self._labels["lesion_fraction"], float)[indices]
        ages = np.array(self._labels["participant/age"], float)[indices]
        return dequantize(self._images[indices]), fractions, ages


def draw(sampler, count, **asked):
    """Images of the seeds from 0 on of which this is asked, and what it was, label by label."""
    conditions = [Condition(name, str(value)) for name, value in asked.items()]
    sampler = sampler.asking(conditions, force=True)
    parts = [
        sampler.draw(first, min(sampler.at_once, count - first)) for first in range(0, count, sampler.at_once)
    ]
    return np.concatenate(parts), sampler.labels.values(0, count)


def mask_fraction(images):
    """Part of each head that its mask covers, [N]."""
    inside = truths.Heads(images[..., 0]).depth > 0
    mask = truths.mask_in_pixels(images[..., 1])
    return (mask & inside).sum((1, 2)) / np.maximum(inside.sum((1, 2)), 1)


def between(band):
    """A range as a condition has it."""
    return f"{band[0]}:{band[1]}"


def contrast_shares(images_of):
    """How often the order of tissues is that of the contrast."""
    return {name: float(np.mean(truths.contrast(images_of[name][..., 0]) == name)) for name in CONTRASTS}


def lesion_figures(images, fractions):
    """How masks and bright regions of FLAIR slices follow the fractions, and one another."""
    bright = truths.lesion_area(images[..., 0])
    heads = (truths.Heads(images[..., 0]).depth > 0).sum((1, 2)) * truths.PIXEL**2
    masks = mask_fraction(images)
    lesions = truths.bright_lesion(images[..., 0])
    return {
        "mask and fraction": correlation(masks, fractions),
        "mean error of the mask's fraction": float(np.mean(np.abs(masks - fractions))),
        "bright area and fraction": correlation(bright / np.maximum(heads, 1), fractions),
        "Dice of mask and bright area": float(truths.dice(truths.mask_in_pixels(images[..., 1]), lesions)),
    }


def correlation(first, second):
    """Pearson's, of two lists of numbers."""
    return float(np.corrcoef(np.asarray(first, float), np.asarray(second, float))[0, 1])


def age_figures(sampler, contrast):
    """Correlation of age and area of ventricles: image by image, and of means over the same latents."""
    areas = []
    for age in AGES:
        images, _ = draw(sampler, LATENTS, suffix=contrast, position_mm=between(truths.VENTRICLES), age=age)
        areas.append(truths.ventricle_area(images[..., 0], contrast))
    areas = np.array(areas)
    ages = np.repeat(np.array(AGES)[:, None], LATENTS, axis=1)
    return correlation(areas.ravel(), ages.ravel()), correlation(areas.mean(axis=1), AGES), areas.mean(axis=1)


def print_contrasts_and_lesions(sampler, real, band, count, where):
    """Both, of images that were asked for in a band of positions, and of held-out slices from there."""
    drawn = {name: draw(sampler, count, suffix=name, position_mm=between(band)) for name in CONTRASTS}
    held = {name: real.of(name, band, count) for name in CONTRASTS}
    for kind, images_of in (("generated", drawn), ("held out", held)):
        shares = contrast_shares({name: each[0] for name, each in images_of.items()})
        print(f"contrast right{where}, {kind}: {shares}")
    images, values = drawn["FLAIR"]
    known = np.array([value is not None for value in values["lesion_fraction"]])
    fractions = np.array([value for value in values["lesion_fraction"] if value is not None])
    print(f"lesions{where}, generated: {lesion_figures(images[known], fractions)}")
    print(f"lesions{where}, held out: {lesion_figures(*held['FLAIR'][:2])}")


def main():
    """Prints every figure, of the model and of held-out phantoms."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", required=True)
    parser.add_argument("--count", type=int, default=384)
    given = parser.parse_args()
    model = pathlib.Path(given.model)
    is_run = (model / "config.json").exists()
    sampler = open_run(model, pathlib.Path(given.data_dir))[0] if is_run else open_export(model)
    real = RealSlices(given.data_dir, sampler.resolution)
    for where, band in BANDS.items():
        print_contrasts_and_lesions(sampler, real, band, given.count, where)
    for name in CONTRASTS:
        slices, _, ages = real.of(name, truths.VENTRICLES, given.count)
        each = correlation(truths.ventricle_area(slices[..., 0], name), ages)
        single, means, areas = age_figures(sampler, name)
        print(
            f"age and ventricles, {name}: image by image {single:.2f} (held out {each:.2f}), "
            f"means over {LATENTS} latents {means:.2f}, mm2 {np.round(areas)}"
        )


if __name__ == "__main__":
    main()
