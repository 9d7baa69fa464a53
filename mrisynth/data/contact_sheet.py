"""Pictures that show at a glance what will be trained on: a contact sheet of slices and a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mrisynth.data.manifest import Manifest
from mrisynth.data.storage import dequantize, open_images
from mrisynth.image_io import make_grid, write_png

CONTACT_SHEET = "contact_sheet.png"
HISTOGRAM = "histogram.png"

_COLUMNS = 12
_ROWS = 8
_LARGEST_THUMBNAIL = 128


def write_contact_sheet(folder: Path, manifest: Manifest, seed: int = 0) -> None:
    """Writes contact_sheet.png: slices drawn at random, the training side above, the held-out side below.

    The sides have room in proportion to their slices; a white line parts them.

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
    write_png(folder / CONTACT_SHEET, np.concatenate(bands[:-1]))


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
