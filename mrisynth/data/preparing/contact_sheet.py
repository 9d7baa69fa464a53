"""Pictures that show at a glance what will be trained on: a contact sheet of slices and a histogram."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mrisynth.data.storing.manifest import Manifest, Split
from mrisynth.data.storing.storage import dequantize, open_images
from mrisynth.image_io import enlarge, make_grid, side_by_side, to_gray, write_png

CONTACT_SHEET = "contact_sheet.png"
HISTOGRAM = "histogram.png"

_COLUMNS = 12
_ROWS = 8
_LARGEST_THUMBNAIL = 128
_SHEET_BY_LETTER = 32
"""Width of a sheet by the height of its letters, which are readable however large or small it is shown."""
_SIDES = {Split.TRAIN: "Training", Split.HELDOUT: "Held out"}


def write_contact_sheet(folder: Path, manifest: Manifest) -> None:
    """Writes contact_sheet.png: slices drawn at random, the training side above, the held-out side below.

    The sides have room in proportion to their slices; a white strip above each says which it is. If there are
    warnings, a column on the right, behind a white line, shows the middle slices of files that have one.
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
        chosen = np.sort(np.random.default_rng(0).choice(len(images), count, replace=False))
        grid = make_grid(dequantize(images[chosen]), _COLUMNS)
        words = f"{_SIDES[name]}: {split.slices:,} slices of {len(split.subjects):,} subjects"
        bands.append(_labeled(words, grid, grid.shape[1]))
    sheet = np.concatenate(bands)
    if any(source.warnings for source in manifest.used):
        width = sheet.shape[1]
        factor = width // (_COLUMNS * len(manifest.channels) * resolution)
        strip = len(bands[-1]) - len(grid)
        most = (len(sheet) - strip) // (factor * resolution)
        warned = _warned(folder, manifest, resolution, most)
        column = enlarge(np.concatenate(side_by_side(to_gray(dequantize(warned)))), factor)
        column = _labeled("Warnings", column, width)
        column = np.pad(column, ((0, len(sheet) - len(column)), (0, 0)))
        sheet = np.concatenate([sheet, np.full((len(sheet), 2), 255, np.uint8), column], axis=1)
    write_png(folder / CONTACT_SHEET, sheet)


def _labeled(words: str, images: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    """Images [H, W] below a white strip with words, in letters for a sheet of a width."""
    size = width // _SHEET_BY_LETTER
    font = ImageFont.load_default(size)
    room = max(images.shape[1], int(font.getlength(words)) + size)
    strip = Image.new("L", (room, 2 * size), 255)
    ImageDraw.Draw(strip).text((size // 2, size), words, 0, font, anchor="lm")
    return np.concatenate([np.asarray(strip), np.pad(images, ((0, 0), (0, room - images.shape[1])))])


def _warned(folder: Path, manifest: Manifest, resolution: int, most: int) -> NDArray[np.uint16]:
    """The middle slices [N, r, r, channels] of files with a warning, of no more than `most` of them."""
    images = {split: open_images(folder, manifest, split, resolution) for split in Split}
    first = dict.fromkeys(Split, 0)
    warned = []
    for source in manifest.used:
        if source.warnings:
            warned.append(images[source.split][first[source.split] + source.slices // 2])
        first[source.split] += source.slices
    chosen = np.random.default_rng(0).choice(len(warned), min(most, len(warned)), replace=False)
    return np.stack([warned[number] for number in np.sort(chosen)])


def write_histogram(folder: Path, histograms: Mapping[str, NDArray[np.int64]]) -> None:
    """Writes histogram.png: how each side's largest images are spread over [-1, 1], in equal bins."""
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
