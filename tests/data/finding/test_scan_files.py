import hashlib

import nibabel
import numpy as np
import pytest

from mrisynth.data.finding.scan_files import checksum, files_of, is_phantom
from mrisynth.errors import UnusableScanError
from mrisynth.phantoms.mark import mark
from tests.data.ellipsoid_scans import head_image


def sha256(content):
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("named", ["scan.hdr", "scan.img"])
@pytest.mark.parametrize("kind", [nibabel.Nifti1Pair, nibabel.Nifti2Pair, nibabel.Spm2AnalyzeImage])
def test_a_pair_is_both_of_its_files_whichever_is_named(kind, named, tmp_path):
    image = head_image(dtype=np.int16)
    nibabel.save(kind(np.asarray(image.dataobj), image.affine), tmp_path / "scan.hdr")
    names = {file.name for file in files_of(tmp_path / named)}
    assert names == {file.name for file in tmp_path.iterdir()} >= {"scan.hdr", "scan.img"}
    before = checksum(files_of(tmp_path / "scan.hdr"))
    assert before == checksum(files_of(tmp_path / named))
    for path in tmp_path.iterdir():
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert checksum(files_of(tmp_path / named)) != before, path
        path.write_bytes(content)
    assert checksum(files_of(tmp_path / named)) == before


@pytest.mark.parametrize("ending", [".gz", ".bz2"])
def test_a_packed_pair_is_both_of_its_files(ending, tmp_path):
    nibabel.save(nibabel.Nifti1Pair(np.ones((9, 9, 9), np.int16), np.eye(4)), tmp_path / f"scan.hdr{ending}")
    assert {file.name for file in files_of(tmp_path / f"scan.img{ending}")} == {
        f"scan.hdr{ending}",
        f"scan.img{ending}",
    }


@pytest.mark.parametrize("voxels", [".BRIK", ".BRIK.gz"])
def test_afni_voxels_lie_beside_their_header(voxels, tmp_path):
    for name in ("scan+orig.HEAD", f"scan+orig{voxels}"):
        (tmp_path / name).write_text("any")
    assert {file.name for file in files_of(tmp_path / "scan+orig.HEAD")} == {
        "scan+orig.HEAD",
        f"scan+orig{voxels}",
    }


@pytest.mark.parametrize(("header", "voxels"), [("scan.PAR", "scan.REC"), ("scan.par", "scan.rec")])
def test_philips_voxels_lie_beside_their_header(header, voxels, tmp_path):
    for name in (header, voxels):
        (tmp_path / name).write_text("any")
    assert {file.name for file in files_of(tmp_path / header)} == {header, voxels}


@pytest.mark.parametrize("name", ["scan.nii", "scan.mgz", "scan.nii.gz", "anything"])
def test_any_other_scan_is_its_file_also_if_it_is_no_image(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"no image")
    (tmp_path / "scan.img").write_bytes(b"of another")
    assert files_of(path) == (path,)
    assert checksum(files_of(path)) == sha256(b"no image")


def test_a_file_that_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(UnusableScanError, match="cannot be read"):
        checksum(files_of(tmp_path / "gone.nii"))


def test_a_phantom_is_known_by_its_own_header_wherever_it_lies(tmp_path):
    image = head_image()
    nibabel.save(image, tmp_path / "scan.nii.gz")
    mark(image)
    nibabel.save(image, tmp_path / "moved.nii.gz")
    nibabel.save(nibabel.MGHImage(np.asarray(image.dataobj), image.affine), tmp_path / "converted.mgz")
    (tmp_path / "broken.nii").write_bytes(b"no image")
    known = {path.name: is_phantom(path) for path in tmp_path.iterdir()}
    assert known == {"scan.nii.gz": False, "moved.nii.gz": True, "converted.mgz": False, "broken.nii": False}
