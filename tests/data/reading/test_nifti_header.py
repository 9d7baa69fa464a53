import nibabel
import pytest
from nibabel.spatialimages import HeaderDataError

from mrisynth.data.reading.nifti_header import LABELS, intent, read_header, surplus_bytes
from tests.data.ellipsoid_scans import head_image, patch, save


def read(path, image_class=nibabel.Nifti1Image):
    return read_header(image_class.filespec_to_file_map(str(path)), image_class.header_class)


def test_a_header_is_read_as_it_stands_and_as_nibabel_repairs_it(tmp_path):
    path = patch(save(head_image(), tmp_path / "a.nii"), 80 + 8, "<f4", 0.0)
    header, repaired = read(path)
    assert (header["pixdim"][3], repaired["pixdim"][3]) == (0, 1)
    assert header.get_data_shape() == repaired.get_data_shape() == head_image().shape


def test_voxels_never_begin_inside_of_the_header(tmp_path):
    path = save(head_image(), tmp_path / "a.nii")
    assert read(patch(path, 108, "<f4", 0.0))[1].get_data_offset() == 352
    with pytest.raises(HeaderDataError, match="too low"):
        read(patch(path, 108, "<f4", 348.0))
    pair = save(nibabel.Nifti1Pair.from_image(head_image()), tmp_path / "b.hdr")
    assert read(pair, nibabel.Nifti1Pair)[1].get_data_offset() == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (0, ""),
        (2001, ""),
        (1002, LABELS),
        (1003, LABELS),
        (3, "statistics (t test)"),
        (5, "statistics"),
        (22, "statistics (p value)"),
        (24, "statistics"),
        (1001, "something else (estimate)"),
        (1007, "vectors"),
        (2003, "RGB"),
        (2005, "something else (shape)"),
    ],
)
def test_intents_say_what_the_voxels_are(code, kind):
    header = nibabel.Nifti1Header()
    header["intent_code"] = code
    found, warnings = intent(header)
    assert kind in found
    assert bool(kind) == bool(found)
    assert warnings == []


@pytest.mark.parametrize("code", [1, 25, 1011, 9999, -1])
def test_an_intent_that_says_nothing_is_named(code):
    header = nibabel.Nifti1Header()
    header["intent_code"] = code
    found, (warning,) = intent(header)
    assert found == ""
    assert warning.startswith("intent unknown: ")
    assert intent(nibabel.AnalyzeHeader()) == ("", [])


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz", "a.nii.bz2"])
def test_bytes_that_the_header_does_not_account_for_are_counted(name, tmp_path):
    path = save(head_image((20, 20, 20)), tmp_path / name)
    _, repaired = read(path)
    assert surplus_bytes(path, repaired) == 0
    repaired.set_data_shape((20, 20, 19))
    assert surplus_bytes(path, repaired) == 20 * 20 * 4
    repaired.set_data_shape((20, 20, 21))
    assert surplus_bytes(path, repaired) == 0
