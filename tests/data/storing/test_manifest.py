import json
import os

import nibabel
import numpy as np
import pytest

from mrisynth.data import read_manifest
from mrisynth.data.storing.manifest import lengths_in_words, write_manifest
from mrisynth.data.storing.storage import dequantize, open_images, read_labels
from mrisynth.errors import UserError


def changed(data_dir, folder, **entries):
    """A manifest with some of its entries replaced."""
    document = json.loads((data_dir / "manifest.json").read_text()) | entries
    (folder / "manifest.json").write_text(json.dumps(document))
    return folder


def test_what_is_written_is_read(data_dir, tmp_path):
    manifest = read_manifest(data_dir)
    write_manifest(manifest, tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert (tmp_path / "manifest.json").read_bytes() == (data_dir / "manifest.json").read_bytes()


def test_the_fingerprint_follows_contents_and_settings_but_not_places(data_dir, tmp_path):
    document = json.loads((data_dir / "manifest.json").read_text())
    fingerprint = read_manifest(data_dir).fingerprint
    settings = document["settings"]
    elsewhere = settings | {"input": ["/elsewhere"], "masks": "/masks"}
    assert read_manifest(changed(data_dir, tmp_path, settings=elsewhere)).fingerprint == fingerprint
    cubic = settings | {"interpolation": "cubic"}
    assert read_manifest(changed(data_dir, tmp_path, settings=cubic)).fingerprint != fingerprint
    first, *others = document["sources"]
    moved = first | {"name": "elsewhere.nii", "input": "/elsewhere", "mask": "/masks/mask.nii"}
    assert read_manifest(changed(data_dir, tmp_path, sources=[moved, *others])).fingerprint == fingerprint
    for entry, value in (
        ("checksum", "0" * 64),
        ("mask_checksum", "0" * 64),
        ("split", "heldout" if first["split"] == "train" else "train"),
        ("participant", first["participant"] | {"age": "4"}),
        ("session", "ses-2"),
    ):
        sources = [first | {entry: value}, *others]
        assert read_manifest(changed(data_dir, tmp_path, sources=sources)).fingerprint != fingerprint, entry


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "mrisynth data set", "format_version": 0}'])
def test_a_manifest_that_is_none_is_refused(text, tmp_path):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="--data_dir"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    "entries",
    [
        {"splits": {"train": {"subjects": []}}},
        {"splits": {"test": {"subjects": [], "slices": 0}}},
        {"splits": {"train": {"subjects": [], "slices": 0}}},
        {"splits": []},
        {"sources": [{"name": "x", "odd": 1}]},
        {"odd": 1},
    ],
)
def test_a_damaged_manifest_is_refused(entries, data_dir, tmp_path):
    with pytest.raises(UserError, match="damaged"):
        read_manifest(changed(data_dir, tmp_path, **entries))


def test_a_data_set_of_the_old_kind_is_refused_with_the_command_that_prepares_it_again(data_dir, tmp_path):
    settings = {
        "input": ["/scans/a", "/other scans"],
        "suffix": "FLAIR",
        "plane": "axial",
        "voxel_size": 1.0,
        "resolution": 64,
        "intensity_percentiles": [1.0, 99.5],
    }
    changed(data_dir, tmp_path, format_version=1, settings=settings)
    with pytest.raises(UserError) as caught:
        read_manifest(tmp_path)
    command = (
        f"mrisynth-prepare '--input=/scans/a,/other scans' --suffix=FLAIR --resolution=64 --output={tmp_path}"
    )
    assert str(caught.value).endswith(f"remove it and prepare it again: {command}")
    changed(data_dir, tmp_path, format_version=1, settings=None)
    with pytest.raises(UserError, match=f"--input=SCANS --output={tmp_path}"):
        read_manifest(tmp_path)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="a file cannot be made unreadable here")
def test_a_manifest_that_cannot_be_read_is_refused(data_dir, tmp_path):
    (changed(data_dir, tmp_path) / "manifest.json").chmod(0)
    with pytest.raises(UserError, match="cannot be read"):
        read_manifest(tmp_path)


def test_a_stored_slice_goes_back_to_the_scan(bids_folder, data_dir):
    manifest = read_manifest(data_dir)
    image = dequantize(open_images(data_dir, manifest, "train", 64)[5, ..., 0])
    labels = read_labels(data_dir, manifest, "train")
    number = int(labels["source"][5])
    entry = manifest.sources[number]
    nifti = manifest.slice_to_nifti(image, number, float(labels["position_mm"][5]))
    scan = nibabel.load(bids_folder / entry.name)
    to_scan = np.linalg.inv(scan.affine) @ nifti.affine
    indices = np.rint(to_scan[:3, :3] @ np.indices(nifti.shape).reshape(3, -1) + to_scan[:3, 3:]).astype(int)
    within = ((indices >= 0) & (indices < np.array(scan.shape)[:, None])).all(axis=0)
    original = scan.get_fdata()[tuple(indices[:, within])]
    low, high = entry.intensity_range
    expected = np.clip(original, low, high)
    np.testing.assert_allclose(nifti.get_fdata().ravel()[within], expected, atol=1.01 * (high - low) / 65535)


def test_lengths_are_said_by_their_ends():
    assert lengths_in_words([3.0, 3.3, 2.9985]) == "3 to 3.3 mm"
    assert lengths_in_words([2.9985, 3.0]) == "3 mm"
    assert lengths_in_words([0.5]) == "0.5 mm"
