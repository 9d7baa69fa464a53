"""From a prepared data set to batches of samples: tf.data in an order that depends on nothing but the seed.

Which sample stands at position p follows from the seed and p, never from what was read before. So a data set
opened at position p continues exactly where one that has given p samples stands, at no cost: what a resumed
training needs.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.data.labels import UNCONDITIONAL, UNKNOWN, LabelSchema
from mrisynth.data.samples import Samples
from mrisynth.data.storing.exit_guard import GUARD
from mrisynth.data.storing.manifest import Split, read_manifest
from mrisynth.data.storing.shuffling import EpochOrder
from mrisynth.data.storing.storage import LARGEST_PIXEL, open_images, read_labels
from mrisynth.errors import UserError


def open_samples(
    data_dir: str | Path,
    resolution: int,
    batch_size: int,
    split: Split | str = Split.TRAIN,
    schema: LabelSchema = UNCONDITIONAL,
    seed: int = 0,
    position: int = 0,
    mirror: bool = False,
    repeat: bool = True,
    shuffle: bool = True,
    replicas: int = 1,
    replica_range: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Opens one side of a prepared data set at one resolution.

    Args:
        data_dir: A folder that `prepare_dataset` wrote.
        resolution: Pixels along an edge of the images; a stored resolution.
        batch_size: Samples in a global batch, a multiple of `replicas`.
        split: "train" or "heldout".
        schema: The labels that are wanted, by columns of the label table; none by default.
        seed: Decides the order and the mirroring.
        position: How many samples were given since the start of training.
        mirror: Whether each image is flipped left to right with probability one half.
        repeat: Whether to go on for ever; an epoch may then end within a batch. If not, one epoch is given,
            from `position` on, and its last batch may be smaller.
        shuffle: Whether the samples are permuted, anew in every epoch; else they come in stored order.
        replicas: Parts that every global batch is dealt out to, in turns: sample i goes to replica
            i % replicas. Each part is an element, `batch_size / replicas` large.
        replica_range: First and last (exclusive) replica whose parts are wanted; all of them if None.

    Returns:
        A data set of `Samples`: images, float32 [batch, resolution, resolution, channels] in [-1, 1], and
        labels, float32 [batch, schema.width].

    Raises:
        UserError: No data set, an incomplete one, not at this resolution, or an empty split.
        ValueError: `batch_size` is no multiple of `replicas`, or replicas of a data set that ends.
    """
    images = _open_images(Path(data_dir), split, resolution)
    table = read_labels(Path(data_dir), read_manifest(data_dir), split) if schema.labels else {}
    encoded = [schema.encode(table, len(images))]
    return _batches(
        images, encoded, Samples, batch_size, seed, position, mirror, repeat, shuffle, replicas, replica_range
    )


def open_dataset(
    data_dir: str | Path,
    resolution: int,
    batch_size: int,
    split: Split | str = Split.TRAIN,
    labels: bool = False,
    **order: Any,
) -> tf.data.Dataset:
    """Opens one side of a prepared data set as images, alone or beside the columns of the label table.

    Args:
        data_dir: As of `open_samples`, like all but `labels`.
        resolution: Pixels along an edge of the images; a stored resolution.
        batch_size: Images in a global batch.
        split: "train" or "heldout".
        labels: Whether to give the columns of the label table.
        **order: What else `open_samples` takes: `seed`, `position`, `mirror`, `repeat`, `shuffle`, `replicas`
            and `replica_range`.

    Returns:
        A data set of float32 images [batch, resolution, resolution, channels] in [-1, 1]. With `labels`, of
        dictionaries: "image"; "source", "slice_index" (int64); "position_mm", "lesion_fraction" (float32,
        NaN where unknown); "subject", "session", "suffix" and "participant/..." (string, "n/a" where
        unknown), all [batch].

    Raises:
        UserError: As of `open_samples`.
        ValueError: As of `open_samples`.
    """
    images = _open_images(Path(data_dir), split, resolution)
    if not labels:
        return _batches(images, [], lambda batch: batch, batch_size, **order)
    columns = read_labels(Path(data_dir), read_manifest(data_dir), split)
    table = {name: _typed(name, values) for name, values in columns.items()}

    def form(batch: tf.Tensor, *columns: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"image": batch, **dict(zip(table, columns, strict=True))}

    return _batches(images, list(table.values()), form, batch_size, **order)


def _open_images(folder: Path, split: Split | str, resolution: int) -> NDArray[np.uint16]:
    """The stored images of a split, [N, resolution, resolution, channels], on the disk."""
    manifest = read_manifest(folder)
    if split not in tuple(Split):
        raise UserError(f"split {split} is neither {' nor '.join(Split)}")
    if resolution not in manifest.resolutions:
        if resolution > manifest.resolution:
            raise UserError(
                f"--data_dir: {folder} was prepared at --resolution={manifest.resolution}, "
                f"{resolution} is asked for; prepare it again at {resolution}"
            )
        raise UserError(f"--resolution={resolution} is not one of those in {folder}: {manifest.resolutions}")
    if manifest.splits[split].slices == 0:
        advice = "raise --holdout" if split == Split.HELDOUT else "lower --holdout"
        raise UserError(
            f"--data_dir: no slice of {folder} is on the {split} side; {advice} in mrisynth-prepare"
        )
    return open_images(folder, manifest, split, resolution)


def _typed(name: str, values: list[str]) -> NDArray:
    if name in ("source", "slice_index"):
        return np.array([int(value) for value in values], np.int64)
    if name in ("position_mm", "lesion_fraction"):
        return np.array([math.nan if value == UNKNOWN else float(value) for value in values], np.float32)
    return np.array([value.encode("utf-8", "surrogateescape") for value in values], object)


def _batches(
    images: NDArray[np.uint16],
    known: list[NDArray],
    form: Callable[..., Any],
    batch_size: int,
    seed: int = 0,
    position: int = 0,
    mirror: bool = False,
    repeat: bool = True,
    shuffle: bool = True,
    replicas: int = 1,
    replica_range: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """What `form` makes of batches of images and of what is known about each; see `open_samples`."""
    if batch_size < 1 or batch_size % replicas:
        raise ValueError(f"a batch of {batch_size} images cannot be dealt out to {replicas} replicas")
    if replicas > 1 and not repeat:
        raise ValueError("a data set that ends cannot be dealt out to replicas; repeat it")
    order = EpochOrder(len(images), seed, shuffle)
    arrays = [images, *known]

    @GUARD.watch
    def read(positions: NDArray[np.int64]) -> list[NDArray]:
        rows, flips = order.at(positions)
        pixels, *others = (array[rows] for array in arrays)
        if mirror:
            pixels[flips] = pixels[flips, :, ::-1]
        return [pixels, *others]

    def load(positions: tf.Tensor) -> Any:
        parts = tf.numpy_function(read, [positions], [array.dtype for array in arrays], stateful=False)
        for part, array in zip(parts, arrays, strict=True):
            part.set_shape([positions.shape[0], *array.shape[1:]])
        pixels, *others = parts
        return form(tf.cast(pixels, tf.float32) * (2.0 / LARGEST_PIXEL) - 1.0, *others)

    positions = _positions(len(images), batch_size, position, repeat, replicas, replica_range)
    dataset = positions.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    # Every worker deals out its own share already (replica_range).
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def _positions(
    count: int,
    batch_size: int,
    position: int,
    repeat: bool,
    replicas: int,
    replica_range: tuple[int, int] | None,
) -> tf.data.Dataset:
    """Positions of the samples of each element, int64 [batch]."""
    if not repeat:
        return tf.data.Dataset.range(position, count).batch(batch_size)
    first, last = replica_range or (0, replicas)
    share = batch_size // replicas
    offsets = tf.range(share, dtype=tf.int64) * replicas

    def element(number: tf.Tensor) -> tf.Tensor:
        batch, replica = number // (last - first), first + number % (last - first)
        return tf.ensure_shape(position + batch * batch_size + replica + offsets, [share])

    return tf.data.Dataset.range(tf.int64.max).map(element)
