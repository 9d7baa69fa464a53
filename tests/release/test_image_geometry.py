"""What pixels and gray values stand for, as a model card says it."""

import json
import statistics

import nibabel
import pytest

from mrisynth.data import prepare_dataset
from mrisynth.errors import UserError
from mrisynth.export.from_run import export_run
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.image_geometry import ImageGeometry
from mrisynth.release.release import make_release
from tests import untrained_runs
from tests.data.ellipsoid_scans import head_image, rotation, save
from tests.programs import ROOT
from tests.untrained_exports import CARD, replaced

OPENMS = ROOT.parent / "shared" / "data" / "openms"


def test_what_the_card_says_is_taken():
    geometry = ImageGeometry.of(CARD, 16)
    assert (geometry.plane, geometry.pixel_size_mm, geometry.slice_spacing_mm) == ("coronal", 10.0, 3.0)
    assert (geometry.slice_thickness_mm, geometry.slice_thickness_range_mm) == (2.5, (2.0, 4.0))
    assert (geometry.intensity_range, geometry.suffix, geometry.known) == ((-50.0, 950.0), "T2w", True)


def test_a_card_of_before_native_slices_says_one_size_for_thickness_and_distance():
    sizes = {name: size for name, size in CARD["geometry"].items() if not name.startswith("slice_thickness")}
    geometry = ImageGeometry.of({**CARD, "geometry": sizes}, 16)
    assert (geometry.slice_thickness_mm, geometry.slice_thickness_range_mm) == (3.0, (3.0, 3.0))


@pytest.mark.parametrize("card", [None, {}, {"geometry": {}}])
def test_without_a_card_a_head_of_usual_size_is_assumed(card):
    geometry = ImageGeometry.of(card, 64)
    assert (geometry.plane, geometry.pixel_size_mm, geometry.slice_spacing_mm) == ("axial", 4.0, 1.0)
    assert (geometry.intensity_range, geometry.known) == ((-1.0, 1.0), False)


@pytest.mark.parametrize(
    "card",
    [
        replaced(CARD, "geometry", plane="oblique"),
        replaced(CARD, "geometry", pixel_size_mm=0),
        replaced(CARD, "geometry", slice_spacing_mm="thin"),
        replaced(CARD, "geometry", slice_thickness_mm=-1),
        replaced(CARD, "geometry", slice_thickness_range_mm=[1]),
        replaced(CARD, "geometry", slice_thickness_range_mm=[0, 1]),
        replaced(CARD, "intensity", range=[5, 5]),
        replaced(CARD, "intensity", range=[1, 2, 3]),
        replaced(CARD, "intensity", range=[0, float("inf")]),
        {**CARD, "geometry": None},
    ],
)
def test_an_impossible_card_is_refused(card):
    with pytest.raises(UserError, match="no usable geometry and intensity"):
        ImageGeometry.of(card, 16)


def thick_heads(folder):
    """Eight heads in oblique slices of 9, 12 and 15 mm, each two thirds as thick as they lie apart."""
    folder.mkdir()
    for number, (size, slices) in enumerate([(9.0, 22), (12.0, 17), (12.0, 17), (15.0, 14)] * 2):
        image = head_image((44, 56, slices), (4.0, 4.0, size), rotation(8 + number, 0))
        save(image, folder / f"p{number}_FLAIR.nii.gz")
        (folder / f"p{number}_FLAIR.json").write_text(json.dumps({"SliceThickness": size * 2 / 3}))
    return folder


@pytest.mark.parametrize(
    ("scans", "gap"),
    [
        ("drawn", 2 / 3),
        pytest.param(
            "openms",
            1.0,
            marks=[
                pytest.mark.slow,
                pytest.mark.skipif(not OPENMS.is_dir(), reason=f"the real scans are not at hand ({OPENMS})"),
            ],
        ),
    ],
)
def test_the_thickness_of_acquired_slices_reaches_what_is_released(scans, gap, tmp_path):
    made = prepare_dataset(
        input=thick_heads(tmp_path / "scans") if scans == "drawn" else OPENMS,
        output=tmp_path / "data",
        suffix="FLAIR",
        voxel_size=4.0 if scans == "drawn" else 1.0,
        resolution=16,
        num_workers=1,
    )
    spacings = [source.spacing_mm[2] for source in made.used if source.split == "train"]
    spacing, ends = statistics.median(spacings), [gap * min(spacings), gap * max(spacings)]
    assert ends[0] < ends[1]
    untrained_runs.write_run(
        tmp_path / "run",
        untrained_runs.make_state(),
        untrained_runs.SCHEDULE.iterations,
        tmp_path / "data",
        made.fingerprint,
    )
    export_run(tmp_path / "run", tmp_path / "model")
    make_release(ReleaseConfig(tmp_path / "model", tmp_path / "out", count=1))
    released = tmp_path / "out" / "sub-syn000001" / "anat" / "sub-syn000001_FLAIR.nii.gz"
    assert nibabel.load(released).header.get_zooms() == pytest.approx((16.0, 16.0, spacing), abs=1e-3)
    said = json.loads(released.with_name("sub-syn000001_FLAIR.json").read_text())
    assert said["SliceThickness"] == pytest.approx(gap * spacing, abs=1e-3)
    assert said["SliceThicknessRange"] == pytest.approx(ends, abs=1e-3)
    assert said["SpacingBetweenSlices"] == pytest.approx(spacing, abs=1e-3)
