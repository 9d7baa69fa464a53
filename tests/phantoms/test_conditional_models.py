"""Whether the measures of conditional models find in phantoms what these are."""

import numpy as np

from tests.phantoms import conditional_models as models
from tests.phantoms.sampling import axial_slices, prepared_slices


def with_mask(phantom, contrast, places):
    """Slices and masks of a phantom, [N, 64, 64, 2]."""
    mask = 2 * axial_slices(phantom.lesion_mask, places, 64).astype(np.float32) - 1
    return np.stack([prepared_slices(phantom.images[contrast], places, 64), mask], axis=-1)


def test_phantoms_are_what_they_are(diseased):
    _, subject = diseased
    places = np.arange(-10, 56, 3) + 0.0
    images = {name: with_mask(subject, name, places) for name in models.CONTRASTS}
    assert all(share > 0.9 for share in models.contrast_shares(images).values())
    fractions = models.mask_fraction(images["FLAIR"])
    figures = models.lesion_figures(images["FLAIR"], fractions)
    assert figures["mask and fraction"] > 0.999
    assert figures["bright area and fraction"] > 0.8
    assert figures["Dice of mask and bright area"] > 0.6
    # Masks of other slices are as large and elsewhere.
    shifted = np.stack([images["FLAIR"][..., 0], np.roll(images["FLAIR"][..., 1], 9, axis=2)], axis=-1)
    assert models.lesion_figures(shifted, fractions)["Dice of mask and bright area"] < 0.2


def test_half_of_a_head_that_is_covered_is_half_of_it():
    rows, columns = np.mgrid[:64, :64] - 31.5
    head = np.where(np.hypot(rows, columns) < 25, 0.2, -1.0)
    image = np.stack([head, np.where(columns < 0, 1.0, -1.0)], axis=-1)[None]
    np.testing.assert_allclose(models.mask_fraction(image), 0.5, atol=0.02)
