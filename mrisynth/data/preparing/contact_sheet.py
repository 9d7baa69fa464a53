"""Pictures that show at a glance what will be trained on: a contact sheet of slices and a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mrisynth.data.storing.manifest import Manifest, Split
from mrisynth.data.storing.storage import dequantize, open_images
from mrisynth.image_io import enlarge, make_grid, side_by_side, to_gray, write_png

CONTACT_SHEET = "contact_sheet.png"
HISTOGRAM = "histogram.png"

_COLUMNS = 12
_ROWS = 8
_LARGEST_THUMBNAIL = 128


def write_contact_sheet(folder: Path, manifest: Manifest, seed: int = 0) -> None:
    """Writes contact_sheet.png: slices drawn at random, the training side above, the held-out side below.

    The sides have room in proportion to their slices; a white line parts them. If there are warnings, a
    column on the right, behind another white line, shows the middle slices of files that have one.

    Args:
        folder: The data set's folder, with its images.
        manifest: What it holds.
        seed: Of the draw.
    """
    resolution = min(manifest.resolution, _LARGEST_THUMBNAIL)
    total = sum(split.slices for split in manifest.splits.values())
    bands = []
    for name, split in manifest.splits.items():
        if split.slices == 0:
            continue
        images = open_images(folder, manifest, name, resolution)
        rows = max(1, round(_ROWS * split.slices / total))
        count = min(rows * _COLUMNS, len(images))
        chosen = np.sort(np.random.default_rng(seed).choice(len(images), count, replace=False))
        grid = make_grid(dequantize(images[chosen]), _COLUMNS)
        bands += [grid, np.full((2, grid.shape[1]), 255, np.uint8)]
    sheet = np.concatenate(bands[:-1])
    if any(source.warnings for source in manifest.used):
        factor = sheet.shape[1] // (_COLUMNS * len(manifest.channels) * resolution)
        warned = _warned(folder, manifest, resolution, len(sheet) // (factor * resolution), seed)
        column = enlarge(np.concatenate(side_by_side(to_gray(dequantize(warned)))), factor)
        column = np.pad(column, ((0, len(sheet) - len(column)), (0, 0)))
        sheet = np.concatenate([sheet, np.full((len(sheet), 2), 255, np.uint8), column], axis=1)
    write_png(folder / CONTACT_SHEET, sheet)


def _warned(folder: Path, manifest: Manifest, resolution: int, most: int, seed: int) -> NDArray[np.uint16]:
    """The middle slices [N, r, r, channels] of files with a warning, of no more than `most` of them."""
    images = {split: open_images(folder, manifest, split, resolution) for split in Split}
    first = dict.fromkeys(Split, 0)
    warned = []
    for source in manifest.used:
        if source.warnings:
            warned.append(images[source.split][first[source.split] + source.slices // 2])
        first[source.split] += source.slices
    chosen = np.random.default_rng(seed).choice(len(warned), min(most, len(warned)), replace=False)
    return np.stack([warned[number] for number in np.sort(chosen)])


def write_histogram(folder: Path, histograms: Mapping[str, NDArray[np.int64]]) -> None:
    """Writes histogram.png: how the intensities of the largest images are spread over [-1, 1].

    Args:
        folder: The data set's folder.
        histograms: For each side of the split, the number of pixels in equal bins.
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for name, counts in histograms.items():
        if counts.sum() == 0:
            continue
        edges = np.linspace(-1, 1, len(counts) + 1)
        axes.stairs(counts / counts.sum(), edges, label=f"{name}, {counts.sum():,} pixels")
    axes.set(yscale="log", xlim=(-1, 1), xlabel="intensity (air is near -1)", ylabel="part of the pixels")
    axes.legend()
    figure.savefig(folder / HISTOGRAM, dpi=120, metadata={"Software": None})
