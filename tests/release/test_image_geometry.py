"""What pixels and gray values stand for, as a model card says it."""

import pytest

from mrisynth.errors import UserError
from mrisynth.release.image_geometry import ImageGeometry
from tests.untrained_exports import CARD, replaced


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
