"""Slices as TFRecord shards: one record, a tf.train.Example, is one slice at one resolution.

A record holds

    image             r * r little-endian uint16; the value u stands for u / 65535 * 2 - 1
    subject, suffix   names
    source            index of the file in the manifest
    slice_index       index of the slice in the resampled volume
    position_mm       place along the slicing axis, from the head's center
    lesion_fraction   part of the head that is lesion; NaN where there is no mask
    participant/...   columns of participants.tsv

Beside the shards of a split and resolution lies an index, NAME.index.npy: int64 [records, 3] with the number
of the shard, the offset of the serialized Example in it and its length, for reading in any order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import mmap
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mrisynth.data.manifest import Shard

LARGEST_PIXEL = 65535

_FRAME_HEAD = 12  # length (8) and its checksum (4) precede a record's bytes
_FRAME_TAIL = 4  # the checksum of the bytes follows
_SHARD_BYTES = 256 * 2**20


@dataclasses.dataclass(frozen=True)
class SliceLabels:
    """What a record says about its slice besides the image; see the module's description."""

    subject: str
    suffix: str
    source: int
    slice_index: int
    position_mm: float
    lesion_fraction: float
    participant: dict[str, str]


def quantize(images: NDArray[np.floating]) -> NDArray[np.uint16]:
    """Maps [-1, 1] to 0 ... 65535, rounded; the error is at most 1 / 65535."""
    scaled = np.rint((images + np.float32(1.0)) * np.float32(LARGEST_PIXEL / 2))
    return np.clip(scaled, 0, LARGEST_PIXEL).astype("<u2")


def dequantize(pixels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Maps 0 ... 65535 to [-1, 1]."""
    return pixels.astype(np.float32) * np.float32(2.0 / LARGEST_PIXEL) - np.float32(1.0)


def shard_stem(split: str, resolution: int) -> str:
    """What the names of a split's shards at one resolution begin with, for instance "train-r0064"."""
    return f"{split}-r{resolution:04d}"


def serialize(pixels: NDArray[np.uint16], labels: SliceLabels) -> bytes:
    """One slice as a serialized tf.train.Example, the same bytes every time.

    Args:
        pixels: Little-endian uint16 [r, r].
        labels: What goes with it.
    """
    from tensorflow.train import BytesList, Example, Feature, Features, FloatList, Int64List

    def text(value: str) -> Feature:
        return Feature(bytes_list=BytesList(value=[value.encode("utf-8")]))

    feature = {
        "image": Feature(bytes_list=BytesList(value=[pixels.tobytes()])),
        "subject": text(labels.subject),
        "suffix": text(labels.suffix),
        "source": Feature(int64_list=Int64List(value=[labels.source])),
        "slice_index": Feature(int64_list=Int64List(value=[labels.slice_index])),
        "position_mm": Feature(float_list=FloatList(value=[labels.position_mm])),
        "lesion_fraction": Feature(float_list=FloatList(value=[labels.lesion_fraction])),
    }
    feature |= {f"participant/{column}": text(value) for column, value in labels.participant.items()}
    return Example(features=Features(feature=feature)).SerializeToString(deterministic=True)


def pixels_of(record: bytes, resolution: int) -> NDArray[np.uint16]:
    """The pixels [resolution, resolution] of a serialized Example."""
    from tensorflow.train import Example

    pixels = Example.FromString(record).features.feature["image"].bytes_list.value[0]
    return np.frombuffer(pixels, "<u2").reshape(resolution, resolution)


class ShardWriter:
    """Writes the records of one split and resolution, a new shard whenever one is full.

    Only `close` gives the shards their final names, which say how many there are.
    """

    def __init__(self, folder: Path, stem: str, shard_bytes: int = _SHARD_BYTES):
        """Starts without any shard.

        Args:
            folder: Where the shards go.
            stem: What their names begin with.
            shard_bytes: A shard that has grown to this size is full.
        """
        self._folder = folder
        self._stem = stem
        self._shard_bytes = shard_bytes
        self._index: list[tuple[int, int, int]] = []
        self._sizes: list[int] = []
        self._writer = None

    def write(self, record: bytes) -> None:
        """Appends one serialized Example.

        Raises:
            OSError: The record cannot be written.
        """
        with _file_errors():
            if self._writer is None or self._sizes[-1] >= self._shard_bytes:
                self._open_next()
            self._writer.write(record)
        self._index.append((len(self._sizes) - 1, self._sizes[-1] + _FRAME_HEAD, len(record)))
        self._sizes[-1] += _FRAME_HEAD + len(record) + _FRAME_TAIL

    def close(self) -> tuple[Shard, ...]:
        """Finishes the last shard, names all of them and writes the index.

        Returns:
            The shards; none if nothing was written.

        Raises:
            OSError: A file cannot be written.
        """
        with _file_errors():
            self._close_file()
        if not self._sizes:
            return ()
        shards = []
        counts = np.bincount([shard for shard, _, _ in self._index])
        for number, (size, count) in enumerate(zip(self._sizes, counts, strict=True)):
            name = f"{self._stem}-{number:05d}-of-{len(self._sizes):05d}.tfrecord"
            self._path(number).rename(self._folder / name)
            shards.append(Shard(file=name, records=int(count), bytes=size))
        np.save(self._folder / f"{self._stem}.index.npy", np.array(self._index, np.int64))
        return tuple(shards)

    def abandon(self) -> None:
        """Closes the open file, without finishing anything and whatever its state."""
        with contextlib.suppress(OSError), _file_errors():
            self._close_file()

    def _close_file(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _open_next(self) -> None:
        from tensorflow.io import TFRecordWriter

        self._close_file()
        self._writer = TFRecordWriter(str(self._path(len(self._sizes))))
        self._sizes.append(0)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._stem}-{number:05d}.unfinished"


@contextlib.contextmanager
def _file_errors() -> Iterator[None]:
    """Turns TensorFlow's way of saying that a file cannot be written into Python's."""
    from tensorflow.errors import OpError

    try:
        yield
    except OpError as error:
        raise OSError(error.message) from error


class ShardReader:
    """Reads the records of one split and resolution in any order, from memory-mapped files."""

    def __init__(self, folder: Path, stem: str, shards: Sequence[Shard]):
        """Maps the files.

        Args:
            folder: Where the shards are.
            stem: What their names begin with.
            shards: The shards, as the manifest lists them.

        Raises:
            ValueError: A file is missing or has not the size or the number of records that it should.
        """
        index_path = folder / f"{stem}.index.npy"
        if not shards:
            self._index = np.zeros((0, 3), np.int64)
        elif index_path.is_file():
            self._index = np.load(index_path)
        else:
            raise ValueError(f"{index_path.name} is missing")
        self._maps = []
        for shard in shards:
            path = folder / shard.file
            if not path.is_file():
                raise ValueError(f"{shard.file} is missing")
            if path.stat().st_size != shard.bytes:
                raise ValueError(f"{shard.file} has {path.stat().st_size} bytes instead of {shard.bytes}")
            with path.open("rb") as file:
                self._maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if len(self._index) != sum(shard.records for shard in shards):
            raise ValueError(f"{index_path.name} does not fit the shards")

    def __len__(self) -> int:
        """Number of records."""
        return len(self._index)

    def read(self, indices: NDArray[np.integer]) -> list[bytes]:
        """The serialized Examples with the given indices, in their order."""
        rows = self._index[indices].tolist()
        return [self._maps[shard][offset : offset + length] for shard, offset, length in rows]
