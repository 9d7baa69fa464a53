"""Which scans are channels of one sample, and where their anatomy lies in it."""

import dataclasses
import shutil
from pathlib import Path

import nibabel
import numpy as np
import pytest
from scipy import ndimage

from mrisynth.data import prepare_dataset
from mrisynth.data.finding.channels import one_scan_a_session, wanted_channels
from mrisynth.data.finding.scans import Scan
from mrisynth.data.storing.storage import dequantize, open_images, read_labels
from mrisynth.errors import UserError
from tests.data.ellipsoid_scans import (
    SMALL,
    centered_affine,
    coordinates,
    head_intensity,
    rotation,
    write_bids,
)

SPOT = np.array([20.0, -24.0, 10.0])
CHANNELS = {"channels": "FLAIR,T1w,mask:lesion", "masks": "derivatives/lesion"}


def with_spot(shape, affine, spot, inside):
    """A head with a ball of 14 mm of this intensity, and the ball's mask."""
    places = coordinates(shape, affine)
    ball = sum((place - center) ** 2 for place, center in zip(places, spot, strict=True)) <= 14.0**2
    voxels = np.where(ball, inside, head_intensity(*places)).astype(np.float32)
    return nibabel.Nifti1Image(voxels, affine), nibabel.Nifti1Image(ball.astype(np.uint8), affine)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    """FLAIR with a bright ball, T1w of a turned, finer, shifted grid with it dark, and its mask."""
    folder = write_bids(tmp_path_factory.mktemp("sessions") / "scans", subjects=4, masks=True)
    for number in range(4):
        name, spot = f"sub-{number:02d}", SPOT + np.array([0, 2 * number, 0])
        flair, mask = with_spot((44, 56, 50), centered_affine((44, 56, 50), (4, 4, 4)), spot, 1500.0)
        affine = centered_affine((70, 84, 60), (2.5, 2.5, 3.5), rotation(11, 0) @ rotation(7, 2))
        affine[:3, 3] += [3.3, -5.1, 4.7]
        t1w, _ = with_spot((70, 84, 60), affine, spot, 60.0)
        anat = folder / name / "anat"
        nibabel.save(flair, anat / f"{name}_FLAIR.nii.gz")
        nibabel.save(
            nibabel.Nifti1Image(5 * t1w.get_fdata(dtype=np.float32), affine), anat / f"{name}_T1w.nii.gz"
        )
        nibabel.save(
            mask, folder / "derivatives" / "lesion" / name / "anat" / f"{name}_label-lesion_mask.nii.gz"
        )
    return folder


@pytest.fixture(scope="module")
def prepared(sessions, tmp_path_factory):
    output = tmp_path_factory.mktemp("prepared") / "data"
    return prepare_dataset(input=sessions, output=output, **CHANNELS, **SMALL), output


def test_all_channels_show_one_anatomy(prepared):
    manifest, folder = prepared
    assert manifest.channels == ("FLAIR", "T1w", "lesion mask")
    assert len(manifest.used) == 4
    flair, t1w, mask = np.moveaxis(dequantize(open_images(folder, manifest, "train", 64)), -1, 0)
    fractions = np.array(read_labels(folder, manifest, "train")["lesion_fraction"], float)
    inside = [index for index, fraction in enumerate(fractions) if fraction > fractions.max() / 2]
    assert set(np.unique(mask)) == {-1.0, 1.0}
    assert len(inside) >= 4
    for index in inside:
        bright, dark = (
            flair[index] > 0.9,
            ndimage.binary_erosion(flair[index] > -0.5, iterations=4) & (t1w[index] < -0.2),
        )
        centers = [ndimage.center_of_mass(each) for each in (mask[index] > 0, bright, dark)]
        # To half a voxel of 4 mm, which is a pixel.
        assert np.abs(np.subtract(centers[0], centers[1])).max() < 0.5
        assert np.abs(np.subtract(centers[0], centers[2])).max() < 0.5


def test_the_first_channel_is_what_it_is_alone_and_masks_are_never_sharpened(prepared, sessions, tmp_path):
    manifest, folder = prepared
    alone = prepare_dataset(
        input=sessions, output=tmp_path / "alone", suffix="FLAIR", masks="derivatives/lesion", **SMALL
    )
    assert "channels" not in alone.settings
    for resolution in (64, 16):
        both = open_images(folder, manifest, "train", resolution)
        np.testing.assert_array_equal(
            both[..., :1], open_images(tmp_path / "alone", alone, "train", resolution)
        )
    large, small = (dequantize(open_images(folder, manifest, "train", r))[..., 2] for r in (64, 16))
    means = large.reshape(len(large), 16, 4, 16, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(small, means, atol=2 / 65535)
    assert ((small > -0.99) & (small < 0.99)).any()


def test_each_channel_has_its_own_range_and_is_part_of_what_identifies_a_data_set(
    prepared, sessions, tmp_path
):
    manifest, folder = prepared
    source = manifest.used[0]
    assert source.others["T1w"]["intensity_range"][1] > 2.5 * source.intensity_range[1]
    assert prepare_dataset(input=sessions, output=folder, **CHANNELS, **SMALL) == manifest
    with pytest.raises(UserError, match="--output: .* other settings"):
        prepare_dataset(input=sessions, output=folder, suffix="FLAIR", masks="derivatives/lesion", **SMALL)
    scans = shutil.copytree(sessions, tmp_path / "scans")
    path = scans / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    image = nibabel.load(path)
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32) + 1, image.affine), path)
    with pytest.raises(UserError, match="--output: .* from other scans"):
        prepare_dataset(input=scans, output=folder, **CHANNELS, **SMALL)


def test_sessions_that_lack_a_channel_are_left_out_by_name_or_say_so(sessions, tmp_path):
    scans = shutil.copytree(sessions, tmp_path / "scans")
    (scans / "sub-01" / "anat" / "sub-01_T1w.nii.gz").unlink()
    (scans / "sub-02" / "anat" / "sub-02_FLAIR.nii.gz").unlink()
    shutil.rmtree(scans / "derivatives" / "lesion" / "sub-03")
    strict = prepare_dataset(input=scans, output=tmp_path / "strict", **CHANNELS, **SMALL)
    assert {source.subject: source.skipped for source in strict.skipped} == {
        "sub-01": "its session lacks T1w",
        "sub-02": "its session lacks FLAIR",
        "sub-03": "its session lacks lesion mask",
    }
    settings = {**CHANNELS, **SMALL, "holdout": 0.0, "allow_missing": True}
    lax = prepare_dataset(input=scans, output=tmp_path / "lax", **settings)
    assert [source.subject for source in lax.skipped] == ["sub-02"]
    table = read_labels(tmp_path / "lax", lax, "train")
    images = open_images(tmp_path / "lax", lax, "train", 16)
    for subject, has_t1w, has_mask in (("00", "yes", "yes"), ("01", "no", "yes"), ("03", "yes", "no")):
        rows = [index for index, each in enumerate(table["subject"]) if each == f"sub-{subject}"]
        assert {table["has/T1w"][row] for row in rows} == {has_t1w}
        assert {table["has/lesion mask"][row] for row in rows} == {has_mask}
        assert images[rows, ..., 1].any() == (has_t1w == "yes")
        assert images[rows, ..., 2].any() == (has_mask == "yes")


@pytest.mark.parametrize(("factor", "kind"), [(1, "same voxels"), (2, "same image")])
def test_subjects_who_share_a_further_channel_stand_on_one_side(factor, kind, sessions, tmp_path):
    scans = shutil.copytree(sessions, tmp_path / "scans")
    image = nibabel.load(scans / "sub-00" / "anat" / "sub-00_T1w.nii.gz")
    path = scans / "sub-03" / "anat" / "sub-03_T1w.nii.gz"
    nibabel.save(nibabel.Nifti1Image(factor * image.get_fdata(dtype=np.float32), image.affine), path)
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **CHANNELS, **SMALL)
    alike = {source.subject: source for source in manifest.used if f"{kind}: " in " ".join(source.warnings)}
    assert sorted(alike) == ["sub-00", "sub-03"]
    assert alike["sub-00"].split == alike["sub-03"].split
    with pytest.raises(UserError, match="--holdout_subjects"):
        prepare_dataset(
            input=scans, output=tmp_path / "torn", **CHANNELS, **SMALL, holdout_subjects=("sub-00",)
        )


def test_a_scan_that_does_not_show_the_head_of_the_first_is_refused(sessions, tmp_path):
    scans = shutil.copytree(sessions, tmp_path / "scans")
    path = scans / "sub-01" / "anat" / "sub-01_T1w.nii.gz"
    image = nibabel.load(path)
    affine = image.affine.copy()
    affine[:3, 3] += [0, 0, 60]
    nibabel.save(nibabel.Nifti1Image(image.get_fdata(dtype=np.float32), affine), path)
    manifest = prepare_dataset(input=scans, output=tmp_path / "data", **CHANNELS, **SMALL)
    (skipped,) = manifest.skipped
    assert "sub-01_T1w.nii.gz covers" in skipped.skipped
    assert skipped.skipped.endswith("% of its head; it takes 90%")


def scan(label, name="", **fields):
    return Scan(path=None, name=name or f"{label}.nii", input="", subject="a", suffix=label, **fields)


def test_two_scans_of_one_channel_are_a_choice_and_faults_are_the_sessions():
    channels = wanted_channels("FLAIR,T1w[ce-GAD]")
    assert channels.names == ("FLAIR", "ce-GAD_T1w")
    twice = [scan("FLAIR"), scan("ce-GAD_T1w", "x.nii"), scan("ce-GAD_T1w", "y.nii")]
    (one,) = one_scan_a_session(twice, channels, False)
    assert (
        one.fault == "several scans of its session are one channel (x.nii, y.nii); choose, as in T1w[acq-x]"
    )
    (one,) = one_scan_a_session(
        [twice[0], scan("ce-GAD_T1w", "x.nii", fault="a broken link")], channels, True
    )
    assert one.fault == "x.nii cannot be used: a broken link"
    visits = [
        scan(label, session=session) for session in ("ses-1", "ses-2") for label in ("FLAIR", "ce-GAD_T1w")
    ]
    first, second = one_scan_a_session(visits, channels, False)
    assert (first.session, second.session, first.fault, second.fault) == ("ses-1", "ses-2", "", "")
    assert second.others == (visits[3],)


def test_a_file_of_no_use_beside_a_good_one_leaves_the_session_whole_and_is_named():
    channels = wanted_channels("FLAIR,T1w")
    bad = scan("T1w", "bad.nrrd", fault="NRRD, which cannot be read")
    good = [scan("FLAIR"), scan("T1w")]
    for there in ([bad, *good], [*good, bad]):
        session, left = one_scan_a_session(there, channels, False)
        assert (session, left) == (dataclasses.replace(good[0], others=(good[1],)), bad)
    session, left = one_scan_a_session([bad, good[0], scan("T1w", "b.nii", fault="broken")], channels, False)
    assert (session.name, session.fault) == (
        "FLAIR.nii",
        "bad.nrrd cannot be used: NRRD, which cannot be read",
    )
    assert left.fault == "broken"


def test_the_mask_is_the_first_channels_own_if_it_has_one_else_anothers():
    channels = wanted_channels("T1w,FLAIR")
    lacking, alike = "mask missing: no file of --masks belongs to it by its name", "subjects alike: a and b"
    flair = scan("FLAIR", mask=Path("of_flair.nii"), warnings=(alike, "part: of it"))
    (one,) = one_scan_a_session([flair, scan("T1w", mask=Path("own.nii"))], channels, False)
    assert one.mask == Path("own.nii")
    (one,) = one_scan_a_session([flair, scan("T1w", warnings=(lacking, alike))], channels, False)
    assert (one.mask, one.warnings) == (flair.mask, (alike,))
    assert one.others[0].warnings == ("part: of it",)
    elsewhere = "mask left out: x lies in the space of a template, and the scan does not"
    (one,) = one_scan_a_session([flair, scan("T1w", warnings=(elsewhere,))], channels, False)
    assert (one.mask, one.warnings) == (None, (elsewhere,))


@pytest.mark.parametrize("text", ["mask:lesion", "mask:lesion,FLAIR", "FLAIR,mask:a,mask:b", "FLAIR,mask:"])
def test_the_first_channel_is_an_image_and_one_at_most_a_mask(text):
    with pytest.raises(UserError, match="--channels=.*: the first channel is an image"):
        wanted_channels(text)


def test_channels_are_named_in_their_order():
    channels = wanted_channels("FLAIR,mask:lesion,T1w[!ce]")
    assert (channels.names, channels.mask) == (("FLAIR", "lesion mask", "T1w"), 1)
    assert [contrast.text for contrast in channels.contrasts] == ["FLAIR", "T1w[!ce]"]


def test_every_contrast_can_be_a_sample_of_its_own_with_the_mask_beside_it(prepared, sessions, tmp_path):
    manifest, folder = prepared
    masks = {"suffix": "FLAIR,T1w", "channels": "image,mask:lesion", "masks": "derivatives/lesion"}
    apart = prepare_dataset(input=sessions, output=tmp_path / "apart", **masks, **SMALL)
    assert apart.channels == ("image", "lesion mask")
    suffixes = read_labels(tmp_path / "apart", apart, "train")["suffix"]
    assert set(suffixes) == {"FLAIR", "T1w"}
    images = open_images(tmp_path / "apart", apart, "train", 16)
    flair = images[[suffix == "FLAIR" for suffix in suffixes]]
    np.testing.assert_array_equal(flair, open_images(folder, manifest, "train", 16)[..., ::2])
    with pytest.raises(UserError, match="--channels=FLAIR,mask:lesion: with --suffix each scan is a sample"):
        wanted_channels("FLAIR,mask:lesion", "FLAIR")
