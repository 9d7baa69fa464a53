import json
import shutil

import numpy as np
import pytest

from mrisynth.data import open_dataset, prepare_dataset, read_manifest
from mrisynth.data.storage import ShardReader, dequantize, pixels_of, shard_stem
from mrisynth.errors import UserError


def take(dataset, count):
    return [batch.numpy() for batch in dataset.take(count)]


def stored_images(data_dir, resolution, split="train"):
    shards = read_manifest(data_dir).splits[split].shards[resolution]
    reader = ShardReader(data_dir, shard_stem(split, resolution), shards)
    records = reader.read(np.arange(len(reader)))
    return np.stack([dequantize(pixels_of(record, resolution)) for record in records])[..., None]


@pytest.mark.parametrize("resolution", [4, 8, 16, 32, 64])
def test_every_resolution_gives_its_images_in_range(resolution, data_dir):
    batch = take(open_dataset(data_dir, resolution, 6), 1)[0]
    assert batch.shape == (6, resolution, resolution, 1)
    assert batch.dtype == np.float32
    assert -1.0 <= batch.min() < batch.max() <= 1.0


def test_a_lower_resolution_is_the_mean_of_the_higher(data_dir):
    high, low = stored_images(data_dir, 64), stored_images(data_dir, 8)
    means = high.reshape(len(high), 8, 8, 8, 8, 1).mean(axis=(2, 4))
    np.testing.assert_allclose(low, means, atol=2.0 / 65535)


def test_one_epoch_gives_every_image_once(data_dir):
    stored = stored_images(data_dir, 16)
    plain = np.concatenate(take(open_dataset(data_dir, 16, 7, repeat=False, shuffle=False), -1))
    np.testing.assert_allclose(plain, stored, atol=1e-6)
    shuffled = np.concatenate(take(open_dataset(data_dir, 16, 7, repeat=False), -1))
    assert (shuffled != plain).any()
    np.testing.assert_array_equal(np.sort(shuffled.sum(axis=(1, 2, 3))), np.sort(plain.sum(axis=(1, 2, 3))))


@pytest.mark.parametrize("mirror", [False, True])
def test_a_data_set_opened_later_continues_where_the_other_stands(mirror, data_dir):
    count = read_manifest(data_dir).splits["train"].slices
    steps = 3 * count // 8  # so that epochs end within batches
    whole = take(open_dataset(data_dir, 8, 8, seed=2, mirror=mirror), steps)
    rest = take(open_dataset(data_dir, 8, 8, seed=2, mirror=mirror, position=8 * (steps - 5)), 5)
    np.testing.assert_array_equal(rest, whole[-5:])
    assert (take(open_dataset(data_dir, 8, 8, seed=3, mirror=mirror), 1)[0] != whole[0]).any()


def test_the_order_is_the_same_at_every_resolution(data_dir):
    high = take(open_dataset(data_dir, 64, 5, position=100), 2)[1]
    low = take(open_dataset(data_dir, 32, 5, position=100), 2)[1]
    np.testing.assert_allclose(low, high.reshape(5, 32, 2, 32, 2, 1).mean(axis=(2, 4)), atol=2 / 65535)


def test_mirroring_flips_some_images_left_to_right(data_dir):
    plain, mirrored = (take(open_dataset(data_dir, 16, 64, mirror=mirror), 1)[0] for mirror in (False, True))
    flipped = [
        np.array_equal(b, a[:, ::-1]) and not np.array_equal(a, b)
        for a, b in zip(plain, mirrored, strict=True)
    ]
    same = [np.array_equal(a, b) for a, b in zip(plain, mirrored, strict=True)]
    assert sum(flipped) + sum(same) == 64
    assert 16 < sum(flipped) < 48


def test_fewer_images_than_a_batch_are_repeated_within_it(data_dir):
    count = read_manifest(data_dir).splits["heldout"].slices
    batch = take(open_dataset(data_dir, 4, 3 * count, split="heldout"), 1)[0]
    _, repeats = np.unique(batch.sum(axis=(1, 2, 3)), return_counts=True)
    assert repeats.sum() == 3 * count
    assert (repeats % 3 == 0).all()


def test_replicas_get_the_images_of_the_global_batch_in_turns(data_dir):
    whole = take(open_dataset(data_dir, 8, 12, mirror=True), 2)
    parts = take(open_dataset(data_dir, 8, 12, mirror=True, replicas=3), 6)
    for number, part in enumerate(parts):
        batch, replica = divmod(number, 3)
        np.testing.assert_array_equal(part, whole[batch][replica::3])
    mine = take(open_dataset(data_dir, 8, 12, mirror=True, replicas=3, replica_range=(1, 3)), 4)
    np.testing.assert_array_equal(mine, [parts[1], parts[2], parts[4], parts[5]])
    with pytest.raises(ValueError, match="replicas"):
        open_dataset(data_dir, 8, 10, replicas=3)


def test_labels_travel_with_their_images(data_dir):
    manifest = read_manifest(data_dir)
    for split in ("train", "heldout"):
        batch = next(iter(open_dataset(data_dir, 16, 40, split=split, labels=True)))
        assert set(batch) >= {"image", "subject", "position_mm", "participant/age", "participant/sex"}
        assert batch["image"].shape == (40, 16, 16, 1)
        for number in range(40):
            source = manifest.sources[int(batch["source"][number])]
            place = source.slice_indices.index(int(batch["slice_index"][number]))
            assert source.split == split
            assert batch["subject"][number].numpy().decode() == source.subject
            assert batch["suffix"][number].numpy() == b"FLAIR"
            assert batch["participant/age"][number].numpy().decode() == source.participant["age"]
            assert float(batch["position_mm"][number]) == pytest.approx(source.positions_mm[place])
        # The masks cover everything to the right of the scanner's midline: about half of every head.
        assert float(batch["lesion_fraction"].numpy().min()) > 0.2
        assert float(batch["lesion_fraction"].numpy().max()) < 0.8


def test_no_subject_is_on_both_sides(data_dir):
    subjects = {}
    for split in ("train", "heldout"):
        batches = open_dataset(data_dir, 4, 50, split=split, labels=True, repeat=False)
        subjects[split] = {name for batch in batches for name in batch["subject"].numpy().tolist()}
    assert subjects["train"]
    assert subjects["heldout"]
    assert not subjects["train"] & subjects["heldout"]
    assert len(subjects["train"] | subjects["heldout"]) == 6


def test_what_cannot_be_opened_is_refused_in_a_sentence(data_dir, bids_folder, tmp_path):
    with pytest.raises(UserError, match="--data_dir: there is no folder"):
        open_dataset(tmp_path / "nowhere", 64, 4)
    with pytest.raises(UserError, match=r"--data_dir: .* not a prepared data set.*tools/prepare_data.py"):
        open_dataset(bids_folder, 64, 4)
    with pytest.raises(UserError, match=r"--resolution=64, 128 is asked for"):
        open_dataset(data_dir, 128, 4)
    with pytest.raises(UserError, match=r"--resolution=24"):
        open_dataset(data_dir, 24, 4)


def test_an_incomplete_data_set_is_refused(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "copy")
    (copy / "train-r0064-00000-of-00001.tfrecord").unlink()
    with pytest.raises(UserError, match=r"incomplete .*train-r0064-00000-of-00001.tfrecord is missing"):
        open_dataset(copy, 64, 4)
    assert open_dataset(copy, 32, 4) is not None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "mrisynth data set", "format_version": 0}'])
def test_a_manifest_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="--data_dir"):
        read_manifest(tmp_path)


def test_a_damaged_manifest_is_refused(data_dir, tmp_path):
    document = json.loads((data_dir / "manifest.json").read_text())
    del document["splits"]["train"]["shards"]
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(UserError, match="damaged"):
        read_manifest(tmp_path)


def test_a_side_without_slices_is_refused(bids_folder, tmp_path):
    settings = {"voxel_size": 8.0, "resolution": 16, "num_workers": 1, "progress": False}
    manifest = prepare_dataset(input=bids_folder, output=tmp_path / "data", holdout=0.0, **settings)
    assert not manifest.has_heldout
    with pytest.raises(UserError, match="heldout side; raise --holdout"):
        open_dataset(tmp_path / "data", 16, 4, split="heldout")
