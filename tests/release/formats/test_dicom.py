"""DICOM files as pydicom, dcm2niix and David Clunie's validator read them."""

import json
import pathlib
import shutil
import subprocess
import sys

import nibabel
import numpy as np
import pytest
from PIL import Image

from mrisynth.data.reading.planes import PLANES
from mrisynth.errors import UserError
from mrisynth.release.channels import channels_of
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats.dicom import DicomFiles
from mrisynth.release.formats.nifti import NiftiFiles
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.provenance import Provenance
from tests.untrained_exports import CARD, replaced

pydicom = pytest.importorskip("pydicom", reason="pydicom is not installed")
pixels = pytest.importorskip("pydicom.pixels")

PROVENANCE = Provenance("heads", "1", "d" * 64, "f" * 64)
CHANNELS = ("FLAIR", "lesion mask")


def write(kind, folder, plane, images, options):
    """Writes one image of two channels and gives its geometry."""
    geometry = ImageGeometry.of(replaced(CARD, "geometry", plane=plane), len(images))
    files = kind(folder, 1, geometry, PROVENANCE, len(images), options, CHANNELS)
    files.start(0)
    sidecars = ['{"Seed": 7, "Channel": "FLAIR"}', '{"Seed": 7, "Channel": "lesion mask"}']
    files.write(1, 7, images, channels_of(CHANNELS, {}, geometry), sidecars)


def read(folder):
    """The files of a release by channel and number, as in FLAIR/syn000001."""
    found = sorted(folder.rglob("*.dcm"))
    return {
        path.relative_to(folder / "images").with_suffix("").as_posix(): pydicom.dcmread(path)
        for path in found
    }


@pytest.fixture
def images():
    return np.random.default_rng(3).uniform(-1, 1, (16, 16, 2)).astype(np.float32)


@pytest.mark.parametrize("rescale", [None, True])
def test_the_validator_finds_no_error(rescale, release, several, tmp_path):
    validator = shutil.which("dciodvfy", path=pathlib.Path(sys.executable).parent) or shutil.which("dciodvfy")
    if validator is None:
        pytest.skip("dicom3tools, which has dciodvfy, is not installed")
    release(format="dicom", count=2, rescale=rescale, sampler=several(*CHANNELS))
    found = sorted(tmp_path.rglob("*.dcm"))
    assert len(found) == 4
    for path in found:
        said = subprocess.run([validator, "-new", path], capture_output=True, text=True, check=False)
        lines = (said.stdout + said.stderr).splitlines()
        assert "MRImage" in lines
        warned = {line.split("(")[0].split("</")[1] for line in lines if line != "MRImage"}
        # There is no day on which the image was taken, and nobody knows which side of a body it shows.
        # That MR images have no units is a convention which --rescale is there to break.
        units = {"RescaleSlope", "RescaleIntercept", "RescaleType"}
        assert not [line for line in lines if line.startswith("Error")]
        assert warned - units == {"StudyDate", "StudyTime", "StudyID", "Laterality"}
        assert (warned & units == units) == (rescale is True and "FLAIR" in path.parts)


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("rescale", [None, True])
def test_dcm2niix_reads_the_affine_and_the_values_of_the_nifti_release(rescale, plane, images, tmp_path):
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed")
    write(DicomFiles, tmp_path / "dicom", plane, images, {"rescale": rescale})
    write(NiftiFiles, tmp_path / "nifti", plane, images, {"suffix": None})
    (tmp_path / "read").mkdir()
    command = ["dcm2niix", "-f", "%i_%p", "-o", tmp_path / "read", tmp_path / "dicom"]
    subprocess.run(command, check=True, capture_output=True)
    patient = "SYNTHETIC-dddddddddddd-7"
    for name, ending in (("FLAIR", "FLAIR"), ("lesion_mask", "label-lesion_mask")):
        (path,) = (tmp_path / "read").glob(f"{patient}-*_{name}.nii")
        converted = nibabel.as_closest_canonical(nibabel.load(path))
        (path,) = (tmp_path / "nifti").rglob(f"*_{ending}.nii.gz")
        expected = nibabel.load(path)
        np.testing.assert_allclose(converted.affine, expected.affine, atol=1e-5)
        values, step = converted.get_fdata(), 0.0
        if name == "FLAIR":
            step = 1000 / 4095
            if not rescale:
                values = step * values - 50  # What the JSON says, as tested below.
        np.testing.assert_allclose(values, expected.get_fdata(), atol=0.5 * step + 0.01)


@pytest.mark.parametrize(
    ("plane", "place"), [("axial", (-25, -55, 0)), ("coronal", (-25, 0, 55)), ("sagittal", (0, -25, 55))]
)
def test_a_pixel_lies_where_it_should(plane, place, images, tmp_path):
    """Row 2, column 5 of 16 pixels of 10 mm: 55 mm to the front, or up, and 25 to the right, or front."""
    write(DicomFiles, tmp_path, plane, images, {"rescale": None})
    file = read(tmp_path)["FLAIR/syn000001"]
    across, down = np.reshape(file.ImageOrientationPatient, (2, 3)).astype(float)
    rows, columns = file.PixelSpacing
    found = np.array(file.ImagePositionPatient, float) + 5 * columns * across + 2 * rows * down
    np.testing.assert_allclose(found, place)
    assert (file.SliceThickness, file.SpacingBetweenSlices) == (2.5, 3)


@pytest.mark.parametrize("rescale", [None, True])
def test_the_windowed_picture_is_that_of_the_png_release(rescale, release, several, tmp_path):
    model = several(*CHANNELS, intensity={"range": [-50.0, 950.0], "unit": "none"})
    release("dicom", format="dicom", count=3, rescale=rescale, sampler=model)
    release("png", format="png", count=3, sampler=model)
    drawn = model.draw(0, 64)
    for name, file in read(tmp_path / "dicom").items():
        png = np.asarray(Image.open((tmp_path / "png" / "images" / name).with_suffix(".png"))).astype(int)
        shown = pixels.apply_windowing(pixels.apply_modality_lut(file.pixel_array, file), file)
        low, high = pixels.apply_windowing(np.array([-1e9, 1e9]), file)
        shown = (shown - low) / (high - low) * 255
        # Half a step of 12 bits is 0.03 gray values.
        assert np.abs(shown - png).max() <= (0 if "mask" in name else 0.54)
        said = json.loads((tmp_path / "dicom" / "images" / name).with_suffix(".json").read_text())
        image = drawn[int(name[-1]) - 1, ..., int("mask" in name)]
        values = file.pixel_array * said["RescaleSlope"] + said["RescaleIntercept"]
        expected = image > 0 if "mask" in name else (image + 1) * 500 - 50
        np.testing.assert_allclose(values, expected, atol=0.51 * 1000 / 4095)
        assert ("RescaleSlope" in file) == (rescale is True and "FLAIR" in name)


def test_a_file_says_by_itself_that_it_is_synthetic(release, tmp_path):
    release(format="dicom", count=1, seed=5)
    file = read(tmp_path / "out")["syn000001"]
    assert (file.SyntheticData, file.ContentQualification) == ("YES", "RESEARCH")
    assert list(file.ImageType) == ["DERIVED", "SECONDARY", "OTHER"]
    assert file.file_meta.TransferSyntaxUID == pydicom.uid.ExplicitVRLittleEndian
    assert file.SOPClassUID == file.file_meta.MediaStorageSOPClassUID == pydicom.uid.MRImageStorage
    assert str(file.PatientName) == "Synthetic^Seed 5"
    assert file.PatientID.startswith("SYNTHETIC-")
    assert file.SeriesDescription == "T2w (synthetic)"
    assert file.ImageComments.startswith("Synthetic: every image was computed")
    # dcm2niix takes such a one for a scanner of MR Solutions.
    assert not file.Manufacturer.upper().startswith("MR")
    assert (file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation) == (16, 12, 11, 0)
    for name in (
        "PatientBirthDate",
        "PatientSex",
        "StudyDate",
        "RepetitionTime",
        "EchoTime",
        "AccessionNumber",
    ):
        assert name in file
        assert not file[name].value


def uids(folder):
    keywords = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
    return {name: tuple(file[keyword].value for keyword in keywords) for name, file in read(folder).items()}


def test_what_is_another_image_has_other_uids(release, several, tmp_path):
    model = several(*CHANNELS)
    for name, settings in (
        ("one", {}),
        ("two", {}),
        ("less", {"truncation": 0.5}),
        ("units", {"rescale": True}),
    ):
        release(name, format="dicom", count=2, sampler=model, **settings)
    patients = [
        {file.PatientID for file in read(tmp_path / name).values()} for name in ("one", "two", "less")
    ]
    assert patients[0] == patients[1]
    assert len(patients[0]) == 2
    assert not patients[0] & patients[2]
    found = uids(tmp_path / "one")
    assert found == uids(tmp_path / "two")
    for other in ("less", "units"):
        assert not set(sum(found.values(), ())) & set(sum(uids(tmp_path / other).values(), ()))
    for uid in sum(found.values(), ()):
        assert uid.startswith("2.25.")
        assert pydicom.uid.UID(uid).is_valid
    flair, mask = found["FLAIR/syn000001"], found["lesion_mask/syn000001"]
    assert flair[2:] == mask[2:]
    assert not set(flair[:2]) & set(mask[:2])
    assert not set(flair) & set(found["FLAIR/syn000002"])


def test_the_package_is_asked_for_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(DicomFiles, "package", ("no_such_package", "dicom"))
    with pytest.raises(
        UserError, match=r"--format=dicom needs no_such_package: pip install 'mrisynth\[dicom\]'"
    ):
        ReleaseConfig(tmp_path, tmp_path / "out", 1, "dicom")
