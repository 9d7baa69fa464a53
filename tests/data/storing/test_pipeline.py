import csv
import shutil

import numpy as np
import pytest

from mrisynth.data import LabelSchema, Samples, open_dataset, open_samples, prepare_dataset, read_manifest
from mrisynth.data.labels import Label
from mrisynth.data.storing.storage import dequantize
from mrisynth.errors import UserError

SCHEMA = LabelSchema(
    (
        Label("participant/sex", "categorical", ("F", "M")),
        Label("participant/age", "continuous", mean=42.0, deviation=2.0),
        Label("session", "categorical", ("ses-1",)),
    )
)


def take(dataset, count):
    return [batch.numpy() for batch in dataset.take(count)]


def stored_images(data_dir, resolution, split="train"):
    return dequantize(np.load(data_dir / f"{split}-r{resolution:04d}.npy"))


def table_of(data_dir, split):
    with (data_dir / "labels.tsv").open(newline="") as file:
        return [row for row in csv.DictReader(file, delimiter="\t") if row["split"] == split]


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
    np.testing.assert_array_equal(plain, stored)
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


def test_without_a_schema_samples_are_images_with_labels_of_width_0(data_dir):
    options = {"seed": 4, "position": 33, "mirror": True}
    images = take(open_dataset(data_dir, 8, 6, **options), 3)
    for batch, expected in zip(open_samples(data_dir, 8, 6, **options).take(3), images, strict=True):
        assert isinstance(batch, Samples)
        np.testing.assert_array_equal(batch.images, expected)
        assert batch.labels.shape == (6, 0)
    spec = open_samples(data_dir, 8, 6).element_spec
    assert (spec.images.shape, spec.labels.shape) == ((6, 8, 8, 1), (6, 0))


def encoded_by_hand(row):
    """Subject sub-0N is 40 + N years old, and female where N is even (ellipsoid_scans)."""
    number = int(row["subject"][-1])
    return [*([1, 0, 1] if number % 2 == 0 else [0, 1, 1]), (number - 2) / 2, 1, 0, 0]


@pytest.mark.parametrize("split", ["train", "heldout"])
def test_samples_carry_the_encoded_labels_of_their_subject(split, data_dir):
    images, rows = stored_images(data_dir, 64, split), table_of(data_dir, split)
    (plain,) = open_samples(data_dir, 64, len(rows), split, SCHEMA, shuffle=False, repeat=False)
    np.testing.assert_allclose(plain.labels, [encoded_by_hand(row) for row in rows])
    # Slices of two subjects may be the same to the bit.
    labels = {}
    for image, row in zip(images, rows, strict=True):
        labels.setdefault(image.tobytes(), []).append(encoded_by_hand(row))
    shuffled = next(iter(open_samples(data_dir, 64, 40, split, SCHEMA)))
    for image, encoded in zip(shuffled.images.numpy(), shuffled.labels.numpy(), strict=True):
        assert encoded.tolist() in labels[image.tobytes()]


def test_labels_are_dealt_out_and_resumed_with_their_images(data_dir):
    whole = list(open_samples(data_dir, 8, 12, schema=SCHEMA).take(2))
    parts = list(open_samples(data_dir, 8, 12, schema=SCHEMA, replicas=3, position=12).take(3))
    for replica, part in enumerate(parts):
        np.testing.assert_array_equal(part.labels, whole[1].labels[replica::3])
        np.testing.assert_array_equal(part.images, whole[1].images[replica::3])


def test_the_columns_of_the_table_travel_with_their_images(data_dir):
    manifest = read_manifest(data_dir)
    for split in ("train", "heldout"):
        batch = next(iter(open_dataset(data_dir, 16, 40, split=split, labels=True)))
        assert set(batch) >= {"image", "subject", "position_mm", "participant/age", "participant/sex"}
        assert batch["image"].shape == (40, 16, 16, 1)
        known = {(row["source"], row["slice_index"]): row for row in table_of(data_dir, split)}
        images = stored_images(data_dir, 16, split)
        for number in range(40):
            values = {name: column[number].numpy() for name, column in batch.items()}
            row = known[str(values["source"]), str(values["slice_index"])]
            source = manifest.sources[values["source"]]
            np.testing.assert_array_equal(values["image"], images[list(known.values()).index(row)])
            assert values["position_mm"] == pytest.approx(float(row["position_mm"]))
            assert source.split == split
            assert values["subject"].decode() == source.subject == row["subject"]
            assert values["suffix"] == b"FLAIR"
            assert values["session"] == b"n/a"
            assert values["participant/age"].decode() == source.participant["age"]
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
    with pytest.raises(UserError, match=r"--data_dir: .* not a prepared data set.*mrisynth-prepare"):
        open_dataset(bids_folder, 64, 4)
    with pytest.raises(UserError, match=r"--resolution=64, 128 is asked for"):
        open_dataset(data_dir, 128, 4)
    with pytest.raises(UserError, match=r"--resolution=24"):
        open_dataset(data_dir, 24, 4)
    with pytest.raises(UserError, match="split test is neither train nor heldout"):
        open_dataset(data_dir, 64, 4, split="test")


def test_an_incomplete_data_set_is_refused(data_dir, tmp_path):
    copy = shutil.copytree(data_dir, tmp_path / "copy")
    (copy / "train-r0064.npy").unlink()
    with pytest.raises(UserError, match=r"--data_dir: .* is incomplete \(train-r0064.npy is missing\)"):
        open_dataset(copy, 64, 4)
    (copy / "labels.tsv").unlink()
    assert open_dataset(copy, 32, 4) is not None
    with pytest.raises(UserError, match=r"--data_dir: .* is incomplete .*labels.tsv"):
        open_samples(copy, 32, 4, schema=SCHEMA)
    (copy / "labels.tsv").write_text("this is no table")
    with pytest.raises(UserError, match=r"--data_dir: .* is incomplete"):
        open_dataset(copy, 32, 4, labels=True)


def test_a_side_without_slices_is_refused(bids_folder, tmp_path):
    settings = {"voxel_size": 8.0, "resolution": 16, "num_workers": 1}
    manifest = prepare_dataset(input=bids_folder, output=tmp_path / "data", holdout=0.0, **settings)
    assert not manifest.has_heldout
    with pytest.raises(UserError, match="heldout side; raise --holdout"):
        open_dataset(tmp_path / "data", 16, 4, split="heldout")
