"""From a prepared data set to batches of images: tf.data in an order that depends on nothing but the seed.

Which image stands at position p follows from the seed and p, never from what was read before. So a data set
opened at position p continues exactly where one that has given p images stands, at no cost: what a resumed
training needs.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.data.manifest import HELDOUT, TRAIN, Manifest, read_manifest
from mrisynth.data.shuffling import EpochOrder
from mrisynth.data.storage import LARGEST_PIXEL, ShardReader, shard_stem
from mrisynth.errors import UserError


def open_dataset(
    data_dir: str | Path,
    resolution: int,
    batch_size: int,
    split: str = TRAIN,
    seed: int = 0,
    position: int = 0,
    mirror: bool = False,
    repeat: bool = True,
    shuffle: bool = True,
    labels: bool = False,
    replicas: int = 1,
    replica_range: tuple[int, int] | None = None,
) -> tf.data.Dataset:
    """Opens one side of a prepared data set at one resolution.

    Args:
        data_dir: A folder that `prepare_dataset` wrote.
        resolution: Pixels along an edge of the images; a stored resolution.
        batch_size: Images in a global batch, a multiple of `replicas`.
        split: "train" or "heldout".
        seed: Decides the order and the mirroring.
        position: How many images were given since the start of training.
        mirror: Whether each image is flipped left to right with probability one half.
        repeat: Whether to go on for ever; an epoch may then end within a batch. If not, one epoch is given,
            from `position` on, and its last batch may be smaller.
        shuffle: Whether the images are permuted, anew in every epoch; else they come in stored order.
        labels: Whether to give labels, too.
        replicas: Parts that every global batch is dealt out to, in turns: image i goes to replica
            i % replicas. Each part is an element, `batch_size / replicas` large.
        replica_range: First and last (exclusive) replica whose parts are wanted; all of them if None.

    Returns:
        A data set of float32 images [batch, resolution, resolution, 1] in [-1, 1]. With `labels`, of
        dictionaries: "image"; "source", "slice_index" (int64); "position_mm", "lesion_fraction" (float32,
        NaN where unknown); "subject", "suffix" and "participant/..." (string), all [batch].

    Raises:
        UserError: No data set, an incomplete one, not at this resolution, or an empty split.
        ValueError: `batch_size` is no multiple of `replicas`, or replicas of a data set that ends.
    """
    if batch_size < 1 or batch_size % replicas:
        raise ValueError(f"a batch of {batch_size} images cannot be dealt out to {replicas} replicas")
    if replicas > 1 and not repeat:
        raise ValueError("a data set that ends cannot be dealt out to replicas; repeat it")
    manifest = read_manifest(data_dir)
    reader = _open_reader(manifest, Path(data_dir), split, resolution)
    columns = _label_features(manifest) if labels else {}

    order = EpochOrder(len(reader), seed, shuffle)

    def read(positions: NDArray[np.int64]) -> tuple[NDArray[np.object_], NDArray[np.bool_]]:
        records, flips = order.at(positions)
        return np.array(reader.read(records), dtype=object), flips

    def load(positions: tf.Tensor) -> tf.Tensor | dict[str, tf.Tensor]:
        serialized, flips = tf.numpy_function(read, [positions], (tf.string, tf.bool), stateful=False)
        serialized.set_shape(positions.shape)
        flips.set_shape(positions.shape)
        features = tf.io.parse_example(serialized, {"image": tf.io.FixedLenFeature([], tf.string), **columns})
        images = _decode(features["image"], resolution)
        if mirror:
            images = tf.where(flips[:, None, None, None], tf.reverse(images, axis=[2]), images)
        return {**features, "image": images} if labels else images

    positions = _positions(len(reader), batch_size, position, repeat, replicas, replica_range)
    dataset = positions.map(load, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    # Every worker deals out its own share already (replica_range).
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return dataset.with_options(options).prefetch(tf.data.AUTOTUNE)


def _open_reader(manifest: Manifest, folder: Path, split: str, resolution: int) -> ShardReader:
    """The records of one split and resolution."""
    if split not in manifest.splits:
        raise UserError(f"split {split} is neither {TRAIN} nor {HELDOUT}")
    if resolution not in manifest.resolutions:
        if resolution > manifest.resolution:
            raise UserError(
                f"--data_dir: {folder} was prepared at --resolution={manifest.resolution}, "
                f"{resolution} is asked for; prepare it again at {resolution}"
            )
        raise UserError(f"--resolution={resolution} is not one of those in {folder}: {manifest.resolutions}")
    if manifest.splits[split].slices == 0:
        advice = "raise --holdout" if split == HELDOUT else "lower --holdout"
        raise UserError(
            f"--data_dir: no slice of {folder} is on the {split} side; {advice} in tools/prepare_data.py"
        )
    shards = manifest.splits[split].shards[resolution]
    try:
        return ShardReader(folder, shard_stem(split, resolution), shards)
    except (ValueError, OSError) as error:
        raise UserError(f"--data_dir: {folder} is incomplete ({error}); prepare it again") from error


def _label_features(manifest: Manifest) -> dict[str, tf.io.FixedLenFeature]:
    """How the labels of a record are parsed."""
    types = {
        "source": tf.int64,
        "slice_index": tf.int64,
        "position_mm": tf.float32,
        "lesion_fraction": tf.float32,
        "subject": tf.string,
        "suffix": tf.string,
    }
    types |= {name: tf.string for name in manifest.labels if name.startswith("participant/")}
    return {name: tf.io.FixedLenFeature([], dtype) for name, dtype in types.items()}


def _positions(
    count: int,
    batch_size: int,
    position: int,
    repeat: bool,
    replicas: int,
    replica_range: tuple[int, int] | None,
) -> tf.data.Dataset:
    """Positions of the images of each element, int64 [batch]."""
    if not repeat:
        return tf.data.Dataset.range(position, count).batch(batch_size)
    first, last = replica_range or (0, replicas)
    share = batch_size // replicas
    offsets = tf.range(share, dtype=tf.int64) * replicas

    def element(number: tf.Tensor) -> tf.Tensor:
        batch, replica = number // (last - first), first + number % (last - first)
        return tf.ensure_shape(position + batch * batch_size + replica + offsets, [share])

    return tf.data.Dataset.range(tf.int64.max).map(element)


def _decode(pixels: tf.Tensor, resolution: int) -> tf.Tensor:
    """Raw pixels, string [batch], as images [batch, resolution, resolution, 1] in [-1, 1]."""
    values = tf.cast(tf.io.decode_raw(pixels, tf.uint16, little_endian=True), tf.float32)
    images = tf.reshape(values * (2.0 / LARGEST_PIXEL) - 1.0, [-1, resolution, resolution, 1])
    return tf.ensure_shape(images, [pixels.shape[0], resolution, resolution, 1])
