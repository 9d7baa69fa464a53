import csv
import dataclasses
import json

import numpy as np
import pytest

from mrisynth.data import prepare_dataset, read_manifest
from mrisynth.data.conditions.schema import label_schema
from mrisynth.errors import UserError
from mrisynth.evaluation import reference
from mrisynth.evaluation.reference import check_images, load_reference, whole_masks


def test_both_sides_are_read_by_subject_and_in_order(small_dataset):
    real = load_reference(small_dataset, 16)
    manifest = json.loads((small_dataset / "manifest.json").read_text())
    for split, side in (("train", real.training), ("heldout", real.heldout)):
        assert side.images.shape == (manifest["splits"][split]["slices"], 16, 16, 1)
        assert sorted(set(side.subjects)) == sorted(manifest["splits"][split]["subjects"])
        # The slices of a subject lie next to each other, and next to those most like them.
        assert len(np.flatnonzero(side.subjects[1:] != side.subjects[:-1])) == len(set(side.subjects)) - 1
        images = side.images[..., 0].astype(float)
        beside = np.abs(images[1:] - images[:-1]).mean((1, 2))[side.subjects[1:] == side.subjects[:-1]]
        anywhere = np.abs(images[:, None] - images[None]).mean((2, 3))
        assert beside.mean() < 0.7 * anywhere.mean()


def test_slices_know_another_subject_at_the_same_place(small_dataset):
    side = load_reference(small_dataset, 16).training
    assert (side.subjects[side.partners] != side.subjects).all()
    partners, images = side.images[side.partners].astype(float), side.images.astype(float)
    beside = np.abs(partners - images).mean()
    anywhere = np.abs(images[np.random.RandomState(0).permutation(len(images))] - images).mean()
    assert beside < 0.8 * anywhere


@pytest.mark.parametrize(
    ("given", "known"), [({"resolution": 32}, True), ({"resolution": 32, "plane": "coronal"}, False)]
)
def test_the_same_scans_prepared_alike_at_another_resolution_are_known(given, known, small_dataset, tmp_path):
    settings = {"voxel_size": 5.0, "field_of_view": 160.0, "holdout": 0.3, **given}
    prepare_dataset(
        input=str(small_dataset.parent / "scans"), output=str(tmp_path / "data"), num_workers=1, **settings
    )
    at_16, other = load_reference(small_dataset, 16), load_reference(tmp_path / "data", 32)
    assert at_16.fingerprint != other.fingerprint
    assert (at_16.fingerprint in other.other_resolutions) is known
    assert (other.fingerprint in at_16.other_resolutions) is known


def test_a_smaller_resolution_is_too_small(small_dataset):
    with pytest.raises(UserError, match="8x8 are too small"):
        load_reference(small_dataset, 8)


def test_a_side_with_few_slices_is_too_few(small_dataset, monkeypatch):
    slices = {side: split.slices for side, split in read_manifest(small_dataset).splits.items()}
    fewest = slices["heldout"] + 1
    assert fewest <= slices["train"]
    monkeypatch.setattr("mrisynth.evaluation.reference.FEWEST_EVALUATED", fewest)
    with pytest.raises(UserError, match=f"{fewest - 1} held-out slices are too few .* it takes {fewest}"):
        load_reference(small_dataset, 16)


def test_few_images_are_too_few():
    with pytest.raises(UserError, match="10 generated images are too few to evaluate; it takes 20"):
        check_images("generated images", np.zeros((10, 16, 16, 1), np.uint8))


@pytest.mark.parametrize("phantoms", [True, False])
def test_whether_phantoms_are_shown_is_known_from_the_manifest(phantoms, small_dataset, monkeypatch):
    manifest = dataclasses.replace(read_manifest(small_dataset), phantoms=phantoms)
    monkeypatch.setattr(reference, "read_manifest", lambda _: manifest)
    assert load_reference(small_dataset, 16).phantoms == phantoms


def test_subjects_who_share_a_scan_are_one(small_dataset, monkeypatch):
    manifest = read_manifest(small_dataset)
    before = load_reference(small_dataset, 16)
    train = [number for number, source in enumerate(manifest.sources) if source.split == "train"]
    shared = dataclasses.replace(manifest, same_images=(tuple(train[:2]),))
    monkeypatch.setattr(reference, "read_manifest", lambda _: shared)
    after = load_reference(small_dataset, 16)
    np.testing.assert_array_equal(after.training.images, before.training.images)
    assert len(set(after.training.subjects)) == len(set(before.training.subjects)) - 1
    np.testing.assert_array_equal(after.heldout.subjects, before.heldout.subjects)


def test_labels_that_are_asked_for_are_those_of_the_table(small_dataset):
    schema = label_schema(small_dataset, ["position_mm"])
    with (small_dataset / "labels.tsv").open() as file:
        table = list(csv.DictReader(file, delimiter="\t"))
    real = load_reference(small_dataset, 16, schema=schema)
    for split, side in (("train", real.training), ("heldout", real.heldout)):
        rows = [float(row["position_mm"]) for row in table if row["split"] == split]
        np.testing.assert_allclose(schema.decode(side.labels)["position_mm"], rows, atol=1e-3)
    assert load_reference(small_dataset, 16).training.labels is None


def test_slices_that_lack_a_channel_are_known(small_dataset, monkeypatch):
    manifest = read_manifest(small_dataset)
    (channel,) = manifest.channels
    read = reference.read_labels

    def without_every_second(*where):
        table = read(*where)
        return table | {f"has/{channel}": ["yes" if row % 2 else "no" for row in range(len(table["source"]))]}

    assert not load_reference(small_dataset, 16).heldout.lacking.any()
    monkeypatch.setattr(reference, "read_labels", without_every_second)
    lacking = load_reference(small_dataset, 16).heldout.lacking
    np.testing.assert_array_equal(lacking[:, 0], np.arange(len(lacking)) % 2 == 0)


def test_masks_count_where_they_are_above_zero():
    images = np.array([[[[9, 127], [200, 128]]]], np.uint8)
    np.testing.assert_array_equal(whole_masks(images, ("FLAIR", "lesion mask")), [[[[9, 0], [200, 255]]]])
    assert whole_masks(images, ("FLAIR", "T1w")) is images
