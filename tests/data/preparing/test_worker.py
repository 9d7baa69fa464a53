import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest

from mrisynth.data.config import PreparationConfig
from mrisynth.data.finding.discovery import Scan
from mrisynth.data.preparing import worker
from mrisynth.data.preparing.worker import extract, pyramid
from mrisynth.data.storing.storage import dequantize
from tests.data.ellipsoid_scans import SMALL, head_image, patch

REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def scan(tmp_path):
    path = tmp_path / "head.nii"
    nibabel.save(head_image(), path)
    return Scan(path=path, name=path.name, input=str(tmp_path), subject="head")


@pytest.fixture
def config(tmp_path):
    return PreparationConfig(input=tmp_path, output=tmp_path / "data", **SMALL)


def test_a_scan_becomes_slices_at_every_resolution_and_a_label_row_each(scan, config):
    extracted = extract(scan, config)
    count = extracted.facts["slices"]
    assert count > 20
    assert {r: images.shape for r, images in extracted.images.items()} == {
        r: (count, r, r, 1) for r in (64, 32, 16, 8, 4)
    }
    assert len(extracted.labels) == count
    assert set(extracted.labels[0]) == {"slice_index", "position_mm"}
    steps = np.diff([row["position_mm"] for row in extracted.labels])
    np.testing.assert_allclose(steps, 4.0 * np.diff([row["slice_index"] for row in extracted.labels]))
    assert extracted.facts["checksum"] == hashlib.sha256(scan.path.read_bytes()).hexdigest()
    assert extracted.histogram.sum() == count * 64 * 64
    bins = extracted.images[64].ravel().astype(int) * 256 // 65536
    np.testing.assert_array_equal(extracted.histogram, np.bincount(bins, minlength=256))


def test_a_mask_gives_every_slice_its_part_of_lesion(scan, config, tmp_path):
    image = head_image()
    nibabel.save(nibabel.Nifti1Image(np.ones(image.shape, np.uint8), image.affine), tmp_path / "mask.nii")
    extracted = extract(dataclasses.replace(scan, mask=tmp_path / "mask.nii"), config)
    assert {row["lesion_fraction"] for row in extracted.labels} == {1.0}


@pytest.mark.parametrize("fault", ["unreadable", "missing", "known"])
def test_a_scan_that_cannot_be_used_is_its_reason(fault, scan, config):
    if fault == "unreadable":
        scan.path.write_text("no image")
    elif fault == "missing":
        scan.path.unlink()
    else:
        scan = dataclasses.replace(scan, fault="a broken link")
    extracted = extract(scan, config)
    assert extracted.facts["skipped"]
    assert not extracted.images
    assert not extracted.labels


def test_an_error_that_nobody_foresaw_is_a_reason_too(scan, config, monkeypatch):
    def fail(*_):
        raise RecursionError("deep\nwithin")

    monkeypatch.setattr(worker, "load_volume", fail)
    assert extract(scan, config).facts["skipped"] == "cannot be used (RecursionError: deep)"


def test_a_mask_of_another_space_is_left_out_with_a_warning(scan, config, tmp_path):
    mask = nibabel.Nifti1Image(np.ones((44, 56, 50), np.uint8), np.diag([4.0, 4.0, 4.0, 1.0]))
    nibabel.save(mask, tmp_path / "mask.nii")
    extracted = extract(dataclasses.replace(scan, mask=tmp_path / "mask.nii"), config)
    assert "lesion_fraction" not in extracted.labels[0]
    (warning,) = extracted.facts["warnings"]
    assert warning.startswith("mask left out: mask.nii (")


def test_what_reading_a_scan_found_odd_is_in_its_facts(scan, config):
    patch(scan.path, 252, "<i2", [0, 0])
    (warning,) = extract(scan, config).facts["warnings"]
    assert warning.startswith("orientation unknown: ")


def test_warnings_of_a_further_channel_name_its_file_behind_their_kind(scan, config, tmp_path):
    nibabel.save(head_image(), tmp_path / "t1.nii")
    patch(tmp_path / "t1.nii", 252, "<i2", [0, 0])
    other = Scan(tmp_path / "t1.nii", "t1.nii", "", "head", suffix="T1w", warnings=("several images: two",))
    config = dataclasses.replace(config, channels="FLAIR,T1w")
    warnings = extract(dataclasses.replace(scan, others=(other,)), config).facts["warnings"]
    assert warnings[0] == "several images: t1.nii: two"
    assert warnings[1].startswith("orientation unknown: t1.nii: ")


@pytest.mark.parametrize("value", [np.nan, -np.inf, -32768, -1e6, 1e7])
def test_air_that_was_not_scanned_gives_the_slices_that_zeros_give(value, scan, config):
    image = head_image()
    voxels = image.get_fdata(dtype=np.float32)
    images = []
    for air in (0, value):
        masked = np.where(voxels > 100, voxels, np.float32(air))
        nibabel.save(nibabel.Nifti1Image(masked, image.affine), scan.path)
        images.append(extract(scan, config).images[64])
    np.testing.assert_array_equal(*images)


def test_levels_of_a_pyramid_are_means_of_the_highest():
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 2)).astype(np.float32)
    levels = pyramid(images, (16, 8, 4))
    for resolution, pixels in levels.items():
        size = 16 // resolution
        means = images.reshape(3, resolution, size, resolution, size, 2).mean(axis=(2, 4))
        np.testing.assert_allclose(dequantize(pixels), means, atol=1.01 / 65535)


def test_worker_processes_do_without_tensorflow():
    program = "import sys, mrisynth.data.preparing.worker; sys.exit('tensorflow' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
