import nibabel
import numpy as np

from mrisynth.phantoms.mark import is_marked, mark


def test_a_mark_is_read_from_the_file_that_was_written(tmp_path):
    image = nibabel.Nifti1Image(np.ones((2, 2, 2), np.int16), np.eye(4))
    assert not is_marked(image)
    mark(image)
    nibabel.save(image, tmp_path / "marked.nii.gz")
    assert is_marked(nibabel.load(tmp_path / "marked.nii.gz"))


def test_images_of_formats_without_a_description_are_not_marked():
    voxels = np.ones((2, 2, 2), np.float32)
    assert not is_marked(nibabel.MGHImage(voxels, np.eye(4)))
    assert not is_marked(nibabel.Nifti1Image(voxels, np.eye(4)))


def test_what_is_drawn_is_marked(healthy):
    _, phantom = healthy
    assert all(is_marked(image) for image in phantom.images.values())
