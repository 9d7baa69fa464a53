"""NIfTI files as nibabel reads them."""

import dataclasses
import json
import shutil

import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.planes import PLANES
from mrisynth.errors import UserError
from mrisynth.export_folder import ExportFolder
from mrisynth.release.channels import channels_of
from mrisynth.release.formats.nifti import NiftiFiles
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.provenance import Provenance
from tests.untrained_exports import CARD, replaced, write_card

PROVENANCE = Provenance("heads", "1", "d" * 64, "f" * 64)

# The axis across the slice, and for an image's rows and columns the axis they run down.
AXES = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}


def write(folder, image, provenance=PROVENANCE, **geometry):
    card = replaced(CARD, "geometry", **geometry)
    geometry = ImageGeometry.of(card, len(image))
    files = NiftiFiles(folder, 1, geometry, provenance, len(image), {"suffix": "FLAIR"})
    files.write(1, 0, image[..., np.newaxis], channels_of(files.channels, {}, geometry), ["{}"])
    return nibabel.load(folder / "sub-syn000001" / "anat" / "sub-syn000001_FLAIR.nii.gz")


@pytest.mark.parametrize("plane", PLANES)
def test_place_and_size_of_voxels(plane, tmp_path):
    read = write(tmp_path, np.zeros((16, 16)), plane=plane)
    across, row, column = AXES[plane]
    zooms, shape = np.full(3, 10.0), [16, 16, 16]
    zooms[across], shape[across] = 3.0, 1
    assert read.shape == tuple(shape)
    np.testing.assert_allclose(read.header.get_zooms(), zooms)
    assert nibabel.aff2axcodes(read.affine) == ("R", "A", "S")
    # The center of the field of view is the origin; the first voxel's center lies 7.5 pixels from it.
    expected = np.diag([*zooms, 1.0])
    expected[[row, column], 3] = -75.0
    np.testing.assert_allclose(read.affine, expected)
    for matrix, code in (read.get_qform(coded=True), read.get_sform(coded=True)):
        np.testing.assert_allclose(matrix, expected, atol=1e-5)
        assert code == 2  # aligned
    assert read.header.get_xyzt_units()[0] == "mm"


@pytest.mark.parametrize("plane", PLANES)
def test_images_are_turned_as_slices_are(plane, tmp_path):
    """A bright pixel at row 2, column 5: so far down the row's axis from its upper end."""
    image = np.full((16, 16), -1.0)
    image[2, 5] = 1.0
    read = write(tmp_path, image, plane=plane)
    _, row, column = AXES[plane]
    place = read.affine @ [*np.argwhere(read.get_fdata() > 0)[0], 1]
    assert place[row] == pytest.approx(75 - 2 * 10)
    assert place[column] == pytest.approx(75 - 5 * 10)


def test_intensities_are_those_of_the_card_to_a_part_in_65534(release, tmp_path, draw):
    release(count=5, seed=3)
    for number, image in enumerate(draw(3, 5), 1):
        name = f"sub-syn{number:06d}"
        read = nibabel.load(tmp_path / "out" / name / "anat" / f"{name}_T2w.nii.gz")
        assert read.get_data_dtype() == np.int16
        voxels = read.get_fdata()[::-1, 0, ::-1].T
        np.testing.assert_allclose(voxels, (image + 1) * 500 - 50, atol=1000 / 65534 / 2 * 1.1)
        assert read.header["cal_min"] == -50
        assert read.header["cal_max"] == 950


def test_both_ends_of_the_range_are_kept_exactly(tmp_path):
    image = np.array([[-1.0, 1.0], [0.0, 0.5]])
    read = write(tmp_path, image, plane="axial")
    values = read.get_fdata()[::-1, ::-1, 0].T
    np.testing.assert_allclose(values, [[-50, 950], [450, 700]], atol=0.01)


def test_a_file_has_no_name_and_no_time(release, tmp_path):
    release(count=1)
    (path,) = (tmp_path / "out").rglob("*.nii.gz")
    content = path.read_bytes()
    assert content[:4] == b"\x1f\x8b\x08\x00"  # gzip, deflate, no name
    assert content[4:8] == bytes(4)
    read = nibabel.load(path)
    assert read.header["descrip"] == b"synthetic (mrisynth), copying not evaluated"
    assert json.loads(path.with_name("sub-syn000001_T2w.json").read_text())["Seed"] == 0


def test_a_file_says_by_itself_where_it_comes_from(tmp_path):
    found = dataclasses.replace(PROVENANCE, verdict="no sign of copying", date="2026-11-25", report="c" * 64)
    read = write(tmp_path, np.eye(16), found)
    assert read.header["descrip"] == found.description.encode()
    (comment,) = read.header.extensions
    assert bytes(comment.get_content()).rstrip(b"\0").decode() == found.statement
    np.testing.assert_allclose(np.sort(np.unique(read.get_fdata())), [450, 950], atol=0.01)


def test_every_image_is_named_by_its_own_contrast(release, conditional, tmp_path):
    """What a model of several contrasts was prepared with is no suffix."""
    model = tmp_path / "model"
    shutil.copytree(conditional, model)
    card = json.loads(ExportFolder(model / "1").card.read_text())
    write_card(model / "1", {**card, "preparation": {"suffix": "FLAIR,T1w,T2w"}})
    for count in (6, 20):
        assert release(saved_model=model, count=count).images == count
    found = sorted((tmp_path / "out").rglob("*.json"))
    said = {path: json.loads(path.read_text()).get("Labels") for path in found}
    contrasts = {path.stem.split("_", 1)[1]: labels["suffix"] for path, labels in said.items() if labels}
    assert {name: label or "MRI" for name, label in contrasts.items()} == {name: name for name in contrasts}
    assert {"FLAIR", "T1w"} <= set(contrasts)
    unknown = (Condition.read("suffix="),)
    release("unknown", saved_model=model, count=1, conditions=unknown)
    release("named", saved_model=model, count=1, conditions=unknown, suffix="PDw")
    named = [path.name for name in ("unknown", "named") for path in (tmp_path / name).rglob("*.nii.gz")]
    assert named == ["sub-syn000001_MRI.nii.gz", "sub-syn000001_PDw.nii.gz"]


@pytest.mark.parametrize(
    ("contrast", "name"),
    [
        ("ce-GAD_T1w", "ce-GAD_T1w"),
        ("run-1_acq-x_T1w", "acq-x_run-1_T1w"),
        ("../T1w", "MRI"),
        ("brain", "MRI"),
        (None, "MRI"),
    ],
)
def test_entities_are_kept_and_what_is_no_contrast_of_bids_is_not(contrast, name, tmp_path):
    card = {**CARD, "labels": {"labels": [{"name": "suffix"}]}}
    geometry = ImageGeometry.of(card, 16)
    files = NiftiFiles(tmp_path, 1, geometry, PROVENANCE, 16, {"suffix": None})
    channels = channels_of(files.channels, {"suffix": contrast}, geometry)
    files.write(1, 7, np.zeros((16, 16, 1)), channels, ['{"Seed": 7}'])
    assert (tmp_path / f"sub-syn000001/anat/sub-syn000001_{name}.nii.gz").is_file()
    assert files.written() == [7]


def test_a_contrast_that_bids_does_not_know_must_be_named(release, bare, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(bare, folder / "1")
    write_card(folder / "1", {**CARD, "preparation": {"suffix": "T1Gd"}})
    with pytest.raises(UserError, match="'T1Gd', which BIDS does not know; give --suffix, one of T1w, "):
        release(saved_model=folder)
    assert not (tmp_path / "out").exists()
    assert release(saved_model=folder, suffix="T1w").images == 70


def voxels(folder, *names):
    """Voxels of files as images, rows down, of a coronal plane."""
    return [nibabel.load(folder / f"{name}.nii.gz").get_fdata()[::-1, 0, ::-1].T for name in names]


def test_each_channel_is_a_file_of_the_same_subject(release, several, tmp_path):
    ranges = {"range": [0, 100], "ranges": {"FLAIR": [0, 100], "ce-GAD_T1w": [-50, 950]}, "unit": "none"}
    model = several("FLAIR", "ce-GAD_T1w", "lesion mask", intensity=ranges)
    release(count=2, seed=5, sampler=model)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.nii.gz"))
    assert names == sorted(
        f"{place}sub-syn00000{number}/anat/sub-syn00000{number}_{ending}.nii.gz"
        for number in (1, 2)
        for place, ending in (
            ("", "FLAIR"),
            ("", "ce-GAD_T1w"),
            ("derivatives/lesion/", "label-lesion_mask"),
        )
    )
    for number, drawn in enumerate(model.draw(5, 64)[:2], 1):
        name = f"sub-syn00000{number}"
        masks = tmp_path / "out/derivatives/lesion" / name / "anat"
        flair, t1 = voxels(tmp_path / "out" / name / "anat", f"{name}_FLAIR", f"{name}_ce-GAD_T1w")
        np.testing.assert_allclose(flair, (drawn[..., 0] + 1) * 50, atol=0.01)
        np.testing.assert_allclose(t1, (drawn[..., 1] + 1) * 500 - 50, atol=0.02)
        mask = nibabel.load(masks / f"{name}_label-lesion_mask.nii.gz")
        assert mask.get_data_dtype() == np.uint8
        np.testing.assert_array_equal(voxels(masks, f"{name}_label-lesion_mask")[0], drawn[..., 2] > 0)
        image = nibabel.load(tmp_path / "out" / name / "anat" / f"{name}_FLAIR.nii.gz")
        np.testing.assert_array_equal(mask.affine, image.affine)
        said = json.loads((masks / f"{name}_label-lesion_mask.json").read_text())
        assert (said["Type"], said["IntensityRange"], said["Seed"]) == ("Lesion", [0, 1], 4 + number)
        assert (
            said["Labels"]
            == json.loads((tmp_path / "out" / name / "anat" / f"{name}_FLAIR.json").read_text())["Labels"]
        )


def test_a_mask_stands_beside_an_image_of_any_contrast(release, several, tmp_path):
    """As of a data set that was made with --suffix=FLAIR,T1w,T2w --channels=image,mask:lesion."""
    ranges = {"range": [0, 100], "ranges": {"FLAIR": [0, 10], "T1w": [0, 20], "T2w": [0, 30]}, "unit": "none"}
    model = several("image", "lesion mask", intensity=ranges)
    release(count=12, sampler=model)
    seen = set()
    for number, contrast in enumerate(model.labels.values(0, 12)["suffix"], 1):
        name = f"sub-syn{number:06d}"
        (path,) = (tmp_path / "out" / name / "anat").glob("*.json")
        assert path.stem == f"{name}_{contrast or 'MRI'}"
        said = json.loads(path.read_text())
        assert said["IntensityRange"] == ranges["ranges"].get(contrast, [0, 100])
        assert (tmp_path / f"out/derivatives/lesion/{name}/anat/{name}_label-lesion_mask.nii.gz").is_file()
        seen.add(contrast)
    assert {"FLAIR", "T1w"} <= seen
    described = json.loads((tmp_path / "out/derivatives/lesion/dataset_description.json").read_text())
    assert described["DatasetType"] == "derivative"
    assert described["Name"].startswith("lesion mask of: Synthetic MR images")


def test_what_a_sample_has_not_is_no_file(tmp_path):
    geometry, names = ImageGeometry.of(CARD, 16), ("FLAIR", "T1w", "lesion mask")
    files = NiftiFiles(tmp_path, 1, geometry, PROVENANCE, 16, {"suffix": None}, names)
    channels = channels_of(names, {"has/T1w": "no", "has/lesion mask": "no"}, geometry)
    files.write(1, 7, np.zeros((16, 16, 3)), channels, ['{"Seed": 7}'] * 3)
    (path,) = tmp_path.rglob("*.nii.gz")
    assert path.name == "sub-syn000001_FLAIR.nii.gz"
    assert files.written() == [7]


@pytest.mark.parametrize(
    ("suffix", "message"),
    [
        (None, "'T1Gd', which BIDS does not know; give --suffix, a contrast for each of FLAIR, T1Gd, as in"),
        ("T1w", "--suffix=T1w must name each channel of images once: FLAIR, T1Gd"),
        ("T1w,T1w", "must name each channel of images once"),
    ],
)
def test_names_for_several_channels_are_given_one_for_each(suffix, message, release, several, tmp_path):
    model = several("FLAIR", "T1Gd", "lesion mask")
    with pytest.raises(UserError, match=message):
        release(count=1, sampler=model, suffix=suffix)
    assert not (tmp_path / "out").exists()
    release(count=1, sampler=model, suffix="FLAIR,ce-GAD_T1w")
    found = {path.name for path in tmp_path.rglob("*.nii.gz")}
    assert {"sub-syn000001_FLAIR.nii.gz", "sub-syn000001_ce-GAD_T1w.nii.gz"} < found


def test_a_channel_of_one_contrast_is_named_by_it(release, several, tmp_path):
    """As of --channels=T1w, where the preparation has no suffix."""
    release(count=1, sampler=several("T1w", preparation={}, labels=None))
    assert [path.name for path in tmp_path.rglob("*.nii.gz")] == ["sub-syn000001_T1w.nii.gz"]
