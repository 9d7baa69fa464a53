"""How fast scans are prepared and a prepared data set is read."""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Callable

import nibabel
import numpy as np
import tensorflow as tf
from scipy.spatial.transform import Rotation

from mrisynth.data import PreparationConfig, open_samples
from mrisynth.data.finding.discovery import find_scans
from mrisynth.data.preparing.worker import extract

_READING_SECONDS = 1.0


def preparation_seconds(folder: pathlib.Path, rounds: int = 5) -> float:
    """Processor seconds for one 320x320x36 oblique volume, from its file to slices at every resolution.

    Args:
        folder: Where the volume, an ellipsoid in noise with 0.7x0.7x4 mm voxels, is written.
        rounds: Number of turns, of which the median is taken.
    """
    shape, spacing = (320, 320, 36), np.array([0.7, 0.7, 4.0])
    turn = Rotation.from_euler("xyz", [15, 5, -4], degrees=True).as_matrix()
    affine = nibabel.affines.from_matvec(turn * spacing, -turn @ (spacing * np.array(shape) / 2))
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij"))
    head = np.sum((grid / np.array([0.7, 0.85, 0.95])[:, None, None, None]) ** 2, axis=0) < 1
    noise = np.random.default_rng(0).normal(0, 20, shape)
    path = folder / "sub-oblique_FLAIR.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.abs(800 * head + noise).astype(np.int16), affine), path)
    config = PreparationConfig(input=(str(path),), output=str(folder / "unused"))
    (scan,) = find_scans(config.input)
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        extract(scan, config)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds)


def reading(data_dir: pathlib.Path, resolution: int, batch_size: int) -> Callable[[], float]:
    """A task that reads batches of a data set for a while and gives images/s."""
    samples: tf.data.Dataset = open_samples(data_dir, resolution, batch_size)

    def task() -> float:
        # Opened anew every time: what is fetched ahead while other tasks run must not count.
        batches = iter(samples)
        next(batches)
        start, count = time.perf_counter(), 0
        while time.perf_counter() - start < _READING_SECONDS:
            next(batches)
            count += batch_size
        return count / (time.perf_counter() - start)

    return task
