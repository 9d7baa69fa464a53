import dataclasses
import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.storage import (
    ShardReader,
    ShardWriter,
    SliceLabels,
    dequantize,
    pixels_of,
    quantize,
    serialize,
)

LABELS = SliceLabels("sub-1", "FLAIR", 3, 17, -4.5, math.nan, {"age": "51", "sex": "F"})


def images(count, resolution=8, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, resolution, resolution)).astype(np.float32)


def written(folder, records, shard_bytes=10**6):
    writer = ShardWriter(folder, "train-r0008", shard_bytes)
    for record in records:
        writer.write(record)
    return writer.close()


def test_quantizing_by_hand():
    values = np.array([-1.0, 0.0, 1.0, -1.0 + 2 / 65535, 1.5, -2.0], np.float32)
    assert quantize(values).tolist() == [0, 32768, 65535, 1, 65535, 0]
    assert quantize(values).dtype == np.dtype("<u2")


def test_sixteen_bits_come_back_within_half_a_step():
    values = images(4)
    np.testing.assert_allclose(dequantize(quantize(values)), values, atol=1.01 / 65535)
    every = np.arange(65536, dtype=np.uint16)
    np.testing.assert_array_equal(quantize(dequantize(every)), every)


def test_a_record_holds_the_pixels_and_every_label():
    pixels = quantize(images(1)[0])
    record = serialize(pixels, LABELS)
    np.testing.assert_array_equal(pixels_of(record, 8), pixels)
    feature = tf.train.Example.FromString(record).features.feature
    assert feature["subject"].bytes_list.value[0] == b"sub-1"
    assert feature["suffix"].bytes_list.value[0] == b"FLAIR"
    assert feature["source"].int64_list.value[0] == 3
    assert feature["slice_index"].int64_list.value[0] == 17
    assert feature["position_mm"].float_list.value[0] == -4.5
    assert math.isnan(feature["lesion_fraction"].float_list.value[0])
    assert feature["participant/age"].bytes_list.value[0] == b"51"
    reordered = dataclasses.replace(LABELS, participant={"sex": "F", "age": "51"})
    assert serialize(pixels, reordered) == record


def test_shards_are_plain_tfrecord_files_read_in_any_order(tmp_path):
    records = [serialize(quantize(image), LABELS) for image in images(11)]
    shards = written(tmp_path, records, shard_bytes=3 * len(records[0]))
    assert [shard.file for shard in shards] == [f"train-r0008-{n:05d}-of-00004.tfrecord" for n in range(4)]
    assert [shard.records for shard in shards] == [3, 3, 3, 2]
    assert [(tmp_path / shard.file).stat().st_size for shard in shards] == [shard.bytes for shard in shards]
    in_order = tf.data.TFRecordDataset([str(tmp_path / shard.file) for shard in shards])
    assert list(in_order.as_numpy_iterator()) == records
    reader = ShardReader(tmp_path, "train-r0008", shards)
    assert len(reader) == 11
    assert reader.read(np.array([10, 0, 5, 5])) == [records[10], records[0], records[5], records[5]]


def test_nothing_written_makes_no_files(tmp_path):
    assert written(tmp_path, []) == ()
    assert list(tmp_path.iterdir()) == []
    assert len(ShardReader(tmp_path, "train-r0008", ())) == 0


def test_abandoned_shards_never_get_a_shards_name(tmp_path):
    writer = ShardWriter(tmp_path, "train-r0008")
    writer.write(b"record")
    writer.abandon()
    assert list(tmp_path.glob("*.tfrecord")) == []


def test_missing_and_cut_off_files_are_noticed(tmp_path):
    shards = written(tmp_path, [serialize(quantize(image), LABELS) for image in images(3)])
    path = tmp_path / shards[0].file
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="bytes instead of"):
        ShardReader(tmp_path, "train-r0008", shards)
    path.unlink()
    with pytest.raises(ValueError, match="missing"):
        ShardReader(tmp_path, "train-r0008", shards)
    path.write_bytes(whole)
    (tmp_path / "train-r0008.index.npy").unlink()
    with pytest.raises(ValueError, match="missing"):
        ShardReader(tmp_path, "train-r0008", shards)


def test_a_folder_that_cannot_be_written_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="gone"):
        ShardWriter(tmp_path / "gone", "train-r0008").write(b"record")
