"""What channels show, by their names, the labels and the card."""

import numpy as np
import pytest

from mrisynth.release.channels import Channel, channels_of
from mrisynth.release.image_geometry import ImageGeometry
from tests.untrained_exports import CARD, replaced

RANGES = {"T1w": [0, 10], "FLAIR": [5, 7]}


def geometry(**labels):
    return ImageGeometry.of({**replaced(CARD, "intensity", ranges=RANGES), **labels}, 16)


def test_a_channel_of_a_contrast_has_its_intensities():
    found = channels_of(("FLAIR", "T2w", "lesion mask"), {}, geometry())
    assert found == (
        Channel("FLAIR", "FLAIR", None, (5, 7)),
        Channel("T2w", "T2w", None, (-50, 950)),
        Channel("lesion mask", "", "lesion", (0, 1)),
    )


@pytest.mark.parametrize(
    ("contrast", "expected"), [("T1w", ("T1w", (0, 10))), (None, ("", (-50, 950))), ("X", ("X", (-50, 950)))]
)
def test_where_contrasts_are_labels_each_image_has_its_own(contrast, expected):
    several = geometry(labels={"labels": [{"name": "suffix"}]})
    image, mask = channels_of(("image", "lesion mask"), {"suffix": contrast}, several)
    assert (image.contrast, image.intensity_range) == expected
    assert (mask.contrast, mask.mask) == ("", "lesion")


def test_an_image_of_one_contrast_has_the_cards():
    assert channels_of(("image",), {"suffix": "T1w"}, geometry())[0].contrast == "T2w"


def test_a_label_says_that_a_channel_is_missing():
    names = ("FLAIR", "T1w", "lesion mask")
    labels = {"has/T1w": "no", "has/lesion mask": "yes"}
    assert [channel.there for channel in channels_of(names, labels, geometry())] == [True, False, True]
    labels = {"has/T1w": None, "has/lesion mask": "no"}
    assert [channel.there for channel in channels_of(names, labels, geometry())] == [True, True, False]


def test_a_mask_is_where_the_model_is_above_0():
    image, mask = channels_of(("FLAIR", "lesion mask"), {}, geometry())
    drawn = np.float32([[-1, -1e-6], [0, 1e-6]])
    np.testing.assert_array_equal(mask.values(drawn), [[0, 0], [0, 1]])
    np.testing.assert_allclose(image.values(np.float32([[-1, 1]])), [[5, 7]])
