import nibabel
import numpy as np

from mrisynth.data.finding.scans import Scan


def test_a_scan_is_read_from_its_dicom_files_or_from_all_files_of_its_format(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(np.zeros((2, 2, 2), np.float32), np.eye(4)), tmp_path / "a.hdr")
    pair = Scan(tmp_path / "a.hdr", "a.hdr", "", "a")
    assert {path.name for path in pair.read_from} == {"a.hdr", "a.img"}
    assert Scan(tmp_path / "b.nii", "b.nii", "", "b").read_from == (tmp_path / "b.nii",)
    files = (tmp_path / "1", tmp_path / "2")
    assert Scan(files[0], "c", "", "c", files=files).read_from == files
