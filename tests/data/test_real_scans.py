"""Real scans, where they are at hand; the other tests make every case themselves from small arrays."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from mrisynth.data import open_dataset, prepare_dataset, read_manifest
from mrisynth.data.finding.discovery import find_scans
from mrisynth.data.storing.manifest import Split
from mrisynth.data.storing.storage import dequantize, open_images, read_labels
from mrisynth.errors import UserError

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the real scans are not at hand ({SHARED})"),
]

QUICK = {"voxel_size": 2.0, "resolution": 64}


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    """The manifest and the folder of what becomes of shared/data/formats."""
    output = tmp_path_factory.mktemp("formats") / "data"
    return prepare_dataset(
        input=SHARED / "formats", output=output, num_workers=1, holdout=0.0, **QUICK
    ), output


def test_every_oddity_is_used_or_refused_for_the_right_reason(formats):
    manifest, _ = formats
    refused = {source.name: source.skipped for source in manifest.skipped}
    reasons = {
        "cifti2.dconn.nii": "CIFTI",
        "complex64.nii.gz": "complex",
        "not_an_image.nii": "not an image",
        "not_an_image.nii.gz": "not an image",
        "surface_163842x1x1.nii.gz": "too thin",
        "text_named_gz.nii.gz": "not an image",
        "truncated_gzip.nii.gz": "cut off",
        "vector_or_rgb.nii.gz": "RGB",
    }
    assert refused.keys() == reasons.keys()
    for name, reason in reasons.items():
        assert reason in refused[name]
    used = {source.name: source for source in manifest.used}
    assert used["wm.mgz"].orientation == "LIA"
    assert used["has_nans.nii"].nonfinite_voxels == 153
    assert used["shear.nii.gz"].intensity_range[0] == pytest.approx(-1024.0, abs=0.01)
    assert used["timeseries_4d.nii.gz"].shape == (52, 68, 20)


def test_every_stored_orientation_gives_the_same_slices(formats):
    manifest, output = formats
    batches = open_dataset(output, 64, 64, repeat=False, shuffle=False, labels=True)
    images, sources = (
        np.concatenate(parts) for parts in zip(*((b["image"], b["source"]) for b in batches), strict=True)
    )
    stacks = {}
    for number, source in enumerate(manifest.sources):
        if source.name.startswith("orientation_"):
            stacks[source.name] = images[sources == number]
    assert len(stacks) == 8
    reference = stacks["orientation_RAS.nii.gz"]
    for stack in stacks.values():
        assert stack.shape == reference.shape
        # The files were themselves resampled to uint8, so single pixels at edges differ.
        assert np.abs(stack - reference).mean() < 0.005
        assert np.corrcoef(stack.ravel(), reference.ravel())[0, 1] > 0.999


def test_flair_lgg_goes_through_whole(tmp_path):
    manifest = prepare_dataset(
        input=SHARED / "flair_lgg",
        output=tmp_path / "data",
        masks="derivatives/lesion",
        resolution=64,
    )
    assert len(manifest.used) == 83
    assert not manifest.skipped
    slices = sum(split.slices for split in manifest.splits.values())
    assert 2300 < slices < 2900
    assert not set(manifest.splits["train"].subjects) & set(manifest.splits["heldout"].subjects)
    assert {"F", "M"} <= set(manifest.labels["participant/sex"]["values"])
    batch = next(iter(open_dataset(tmp_path / "data", 64, 500, labels=True)))
    lesions = batch["lesion_fraction"].numpy()
    assert np.isfinite(lesions).all()
    assert 0.2 < (lesions > 0).mean() < 0.8
    assert lesions.max() < 0.6
    # Heads are centered: the mean image is symmetrical, bright inside, dark at its border.
    mean = batch["image"].numpy().mean(axis=0)[..., 0]
    assert mean[28:36, 28:36].mean() > -0.5
    assert np.concatenate([mean[:2].ravel(), mean[-2:].ravel()]).mean() < -0.85
    assert np.abs(mean - mean[:, ::-1]).mean() < 0.06


def test_openms_needs_a_contrast_and_keeps_sessions_together(tmp_path):
    with pytest.raises(UserError, match="FLAIR, T1w, T2w"):
        find_scans((str(SHARED / "openms"),))
    output = tmp_path / "data"
    manifest = prepare_dataset(input=SHARED / "openms", output=output, suffix="T1w", **QUICK)
    assert not manifest.skipped
    assert {source.session for source in manifest.used} == {"ses-1", "ses-2"}
    for first, second in itertools.combinations(manifest.used, 2):
        assert first.subject != second.subject or first.split == second.split
    assert read_manifest(output) == manifest


def test_openms_goes_through_in_its_acquired_slices(tmp_path):
    manifest = prepare_dataset(
        input=SHARED / "openms", output=tmp_path / "data", suffix="FLAIR", resolution=64
    )
    assert len(manifest.used) == 11
    for source in manifest.used:
        assert source.acquired
        assert source.slice_thickness_mm == source.slice_spacing_mm
        assert source.slice_spacing_mm == pytest.approx(source.spacing_mm[2], abs=1e-4)
        assert source.slices + sum(source.dropped.values()) == source.shape[2]
    assert sum(source.shape[2] for source in manifest.used) == 483
    assert sum(source.slices for source in manifest.used) == 411
    assert manifest.dropped == {"little head": 72}
    for split in Split:
        labels = read_labels(tmp_path / "data", manifest, split)
        images = dequantize(open_images(tmp_path / "data", manifest, split, 64))[..., 0]
        sources, places = np.array(labels["source"], int), np.array(labels["position_mm"], float)
        for number in np.unique(sources):
            stack, source = images[sources == number], manifest.sources[number]
            np.testing.assert_allclose(np.diff(places[sources == number]), source.slice_spacing_mm)
            # Neighbors look more alike than slices a third of the head apart.
            near = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in itertools.pairwise(stack)]
            apart = len(stack) // 3
            far = [
                np.corrcoef(a.ravel(), b.ravel())[0, 1]
                for a, b in zip(stack[:-apart], stack[apart:], strict=True)
            ]
            assert np.mean(near) > np.mean(far) + 0.1
