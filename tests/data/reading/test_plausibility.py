import nibabel
import numpy as np
import pytest

from mrisynth.data.reading.intensities import intensity_range
from mrisynth.data.reading.plausibility import (
    cut_sides,
    doubts,
    find_missing,
    refuse_what_is_no_image,
    size_doubts,
)
from mrisynth.errors import UnusableScanError
from tests.data.ellipsoid_scans import head_image, reoriented

RNG = np.random.default_rng(0)
HEAD = np.abs(head_image().get_fdata() + RNG.normal(0, 6, (44, 56, 50))).astype(np.float32)
TISSUE = HEAD > 300
NOISE = RNG.uniform(-1, 1, HEAD.shape)
X, Y, Z = np.indices(HEAD.shape) / 3.0
SAWTOOTH = ((X + 0.5 * Y + 0.3 * Z) / 6) % 2 - 1
REGIONS = (1 + X // 5 + 3 * (Y // 5) + 12 * (Z // 5)) * TISSUE


def doubts_of(voxels, wraps_at=0):
    missing, warnings = find_missing(voxels)
    values = voxels if missing is None else voxels[~missing]
    found = doubts(voxels, missing, intensity_range(values, (1.0, 99.5)), wraps_at)
    return [warning.split(":")[0] for warning in warnings + found]


def test_an_ordinary_scan_is_complete_and_beyond_doubt():
    assert find_missing(HEAD) == (None, [])
    for scan in (HEAD, np.rint(HEAD), np.rint(HEAD / 20), HEAD * TISSUE, HEAD - 1024):
        refuse_what_is_no_image(scan, None)
        assert doubts_of(scan, 2**16) == []


@pytest.mark.parametrize(
    "value", [np.nan, np.inf, -np.inf, -32768, -1e6, -1e30, -3.4e38, -999, 9999999, 1e30, 3.4e38]
)
def test_what_was_not_scanned_is_found_by_any_mark(value):
    padded = HEAD.copy()
    padded[:4] = padded[-4:] = value
    missing, warnings = find_missing(padded)
    np.testing.assert_array_equal(missing.any(axis=(1, 2)), [True] * 4 + [False] * 36 + [True] * 4)
    assert missing[:4].all()
    assert bool(warnings) == bool(np.isfinite(value))
    assert all(warning.startswith("padding: 18.2% of its voxels are") for warning in warnings)


def test_padding_is_found_with_the_rim_that_interpolation_gave_it():
    padded = HEAD.copy()
    padded[:4] = -32768
    padded[4] = np.linspace(-30000, -2000, 56)[:, None]
    missing, _ = find_missing(padded)
    assert missing[:5].all()
    assert not missing[5:].any()


def test_two_marks_for_what_was_not_scanned_are_one_padding():
    padded = HEAD.copy()
    padded[:3], padded[-3:-1], padded[-1] = -32767, -32767, -32768
    assert np.array_equal(find_missing(padded)[0].any(axis=(1, 2)), [True] * 3 + [False] * 38 + [True] * 3)


def test_negative_air_is_air_and_no_padding():
    masked = np.where(TISSUE, HEAD - 1024, -1024).astype(np.float32)
    assert find_missing(masked)[0] is None
    assert find_missing((HEAD - HEAD.mean()) / HEAD.std())[0] is None
    scores = np.where(TISSUE, RNG.normal(0, 1, HEAD.shape), 0).astype(np.float32)
    assert find_missing(scores)[0] is None
    scores[0, 0, 0] = -1e6
    assert np.flatnonzero(find_missing(scores)[0]).tolist() == [0]


def test_air_that_is_missing_below_negative_tissue_is_named():
    scores = np.where(TISSUE, (HEAD - 700) / 100, np.nan).astype(np.float32)
    assert doubts_of(scores) == ["background unknown"]
    assert doubts_of(np.where(TISSUE, HEAD, np.nan).astype(np.float32)) == []


@pytest.mark.parametrize(
    ("voxels", "reason"),
    [
        (TISSUE * 1.0, "take only 2 values"),
        (TISSUE * 0.5, "take only 2 values"),
        (np.digitize(HEAD, [300, 600, 700]), "take only 4 values"),
        (REGIONS, "map of labels"),
        (np.rint(REGIONS) * 7 + 1000 * TISSUE, "map of labels"),
        (4096 * SAWTOOTH * TISSUE, "a phase"),
        (np.pi * np.where(TISSUE, SAWTOOTH, NOISE), "a phase"),
        (180 * SAWTOOTH, "a phase"),
    ],
    ids=[
        "mask",
        "half",
        "tissues",
        "regions",
        "sparse labels",
        "masked phase",
        "phase",
        "degrees",
    ],
)
def test_what_is_no_image_of_intensities_is_refused(voxels, reason):
    with pytest.raises(UnusableScanError, match=reason):
        refuse_what_is_no_image(voxels.astype(np.float32), None)


@pytest.mark.parametrize(
    "voxels",
    [
        1200 - HEAD,
        np.where(TISSUE, HEAD, 2000 + HEAD),
        HEAD * np.where(TISSUE, np.sin(6 * SAWTOOTH), NOISE),
        np.where(TISSUE, 2048 + 2047 * SAWTOOTH, 2048 + 2047 * NOISE),
    ],
    ids=["inverted", "bright air", "real part", "unsigned phase"],
)
def test_a_background_that_is_not_dark_is_named(voxels):
    assert doubts_of(voxels.astype(np.float32)) == ["background not darkest"]


@pytest.mark.parametrize(
    ("spacing", "shape", "warned"),
    [
        ((1.0, 1.0, 1.0), (256, 256, 20), False),
        ((0.5, 0.5, 5.0), (512, 512, 1), False),
        ((5.0, 5.0, 5.0), (176, 256, 256), True),
        ((0.1, 0.1, 0.1), (256, 256, 256), True),
        ((1.0, 1.0, 40.0), (256, 256, 24), True),
    ],
)
def test_a_scan_that_is_no_size_for_a_head_is_named(spacing, shape, warned):
    warnings = size_doubts(np.diag([*spacing, 1.0]), shape)
    assert [warning.split(":")[0] for warning in warnings] == ["size doubtful"] * warned


@pytest.mark.parametrize(
    ("cut", "sides"),
    [
        ((slice(0, 36), slice(None), slice(None)), ["right"]),
        ((slice(None), slice(14, 42), slice(None)), ["back", "front"]),
        ((slice(None), slice(None), slice(12, 38)), []),
        ((slice(4, None), slice(None), slice(None)), []),
    ],
    ids=["right", "front and back", "stack", "close to the head"],
)
def test_sides_on_which_the_head_is_cut_are_named(cut, sides):
    expected = [f"head cut: the scan's field of view ends within the head ({', '.join(sides)})"] * bool(sides)
    for turn in ("RAS", "LPS", "SAR"):
        part = reoriented(nibabel.Nifti1Image(HEAD, head_image().affine).slicer[cut], turn)
        voxels = part.get_fdata(dtype=np.float32)
        assert cut_sides(voxels, part.affine, (10.0, 750.0), stack_axis=2) == expected
        voxels[0] = 10.0  # A blank row at one border.
        assert cut_sides(voxels, part.affine, (10.0, 750.0), stack_axis=2) == expected


def test_the_top_of_a_head_is_missed_where_slices_run_through_it():
    part = nibabel.Nifti1Image(HEAD, head_image().affine).slicer[:, :, 12:38]
    voxels = part.get_fdata(dtype=np.float32)
    (warning,) = cut_sides(voxels, part.affine, (10.0, 750.0), stack_axis=1)
    assert warning.endswith("(top)")


def test_numbers_that_ran_over_are_named():
    bright = (45 * HEAD).astype(np.uint16)
    assert doubts_of(bright.view(np.int16).astype(np.float32), 2**16) == ["intensities run over"]
    few = np.where(HEAD > 735, 33000 + 50 * (HEAD - 735), 20 * HEAD).astype(np.uint16)
    assert 0 < np.mean(few > 32767) < 0.01
    assert doubts_of(few.view(np.int16).astype(np.float32), 2**16) == ["intensities run over"]
    assert doubts_of((HEAD / 4).astype(np.uint8).view(np.int8).astype(np.float32), 2**8) != []
    assert doubts_of(bright.astype(np.float32), 2**16) == []
    assert doubts_of(bright.view(np.int16) + np.float32(0.5), 2**16) == []


def test_intensities_that_were_clipped_are_named():
    shares = np.clip((HEAD - 300) / 300, 0, 1)
    assert doubts_of(shares) == ["intensities clipped"]
    assert doubts_of(np.minimum(HEAD, 770)) == []
    probabilities = 1 / (1 + np.exp((500 - HEAD) / 20))
    assert probabilities.max() < 1
    assert doubts_of(probabilities) == ["intensities clipped"]
    in_bytes = np.rint(np.clip(probabilities * 250 + (HEAD > 740) * 5, 0, 255))
    assert doubts_of(in_bytes.astype(np.float32)) == ["intensities clipped"]


def test_small_regions_may_be_labels_or_voxels_that_were_repeated():
    regions = ((1 + X // 1 + 16 * (Y // 1) + 300 * (Z // 1)) * TISSUE).astype(np.float32)
    refuse_what_is_no_image(regions, None)
    assert "regions doubtful" in doubts_of(regions)
    assert "regions doubtful" not in doubts_of(np.rint(HEAD / 20))


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "phase", "12-bit phase"])
def test_numbers_without_a_sign_that_ran_over_are_named(kind):
    scans = {
        "8 bits": (HEAD / 2.1) % 256 // 1,
        "16 bits": (HEAD * 120) % 65536 // 1,
        "phase": (SAWTOOTH + 1) * np.pi * TISSUE,
        "12-bit phase": (SAWTOOTH + 1) * 2047 * TISSUE // 1,
    }
    assert doubts_of(scans[kind].astype(np.float32)) == ["intensities run over"]


@pytest.mark.parametrize("value", [0, np.nan, 20])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_slices_that_are_missing_between_others_are_named(value, axis):
    gaps = HEAD.copy()
    gaps[:2] = gaps[:, :2] = gaps[:, :, -2:] = 0
    assert "slices missing" not in doubts_of(gaps)
    np.moveaxis(gaps, axis, 0)[20:23] = value
    assert "slices missing" in doubts_of(gaps)


def test_a_full_range_with_a_slope_is_no_overflow(tmp_path):
    # nibabel spreads floating point numbers over all numbers that int16 has, and writes the slope.
    image = nibabel.Nifti1Image(HEAD, np.eye(4))
    image.set_data_dtype(np.int16)
    nibabel.save(image, tmp_path / "a.nii")
    assert nibabel.load(tmp_path / "a.nii").dataobj.get_unscaled().min() < -32000
    assert doubts_of(np.asanyarray(nibabel.load(tmp_path / "a.nii").dataobj).astype(np.float32), 0) == []
