"""Whether the measures of `truths` find in real phantoms what is known of them, and how well."""

import numpy as np
import pytest

from mrisynth.phantoms.anatomy import draw_anatomy
from mrisynth.phantoms.contrast import CONTRASTS
from mrisynth.phantoms.dataset import draw_phantom
from tests.phantoms import truths
from tests.phantoms.sampling import axial_slices, prepared_slices

# Millimeters above the anterior commissure: through the ventricles, and from the temporal lobes upwards.
VENTRICLES = np.arange(8, 17, 4)
BRAIN = np.arange(-10, 56, 6)


def heights(subject, template):
    """World heights of template heights."""
    return np.asarray(template) + draw_anatomy(subject).position[2]


def head(ventricle=0.0, lesion=0.0):
    """A FLAIR slice, [1, 128, 128], of circles whose areas in mm2 are given."""
    across = 2 * np.arange(128) - 127.0
    x, y = np.meshgrid(across, across)
    signal = np.zeros((128, 128))
    for center, area, value in [
        (0, np.pi * 90**2, 0.9),
        (0, np.pi * 84**2, 0.05),
        (0, np.pi * 76**2, 0.45),
        (0, ventricle, 0.07),
        (45, lesion, 0.85),
    ]:
        signal[np.hypot(x - center, y) ** 2 < area / np.pi] = value
    return 2 * signal[None] - 1


def test_areas_of_circles_are_found():
    assert truths.ventricle_area(head(), "FLAIR") == truths.lesion_area(head()) == 0
    np.testing.assert_allclose(truths.ventricle_area(head(ventricle=1500), "FLAIR"), 1500, rtol=0.03)
    np.testing.assert_allclose(truths.lesion_area(head(lesion=400)), 400, rtol=0.05)
    inside = np.pi * (90 - 16) ** 2
    np.testing.assert_allclose(truths.fluid_share(head(ventricle=1500), "FLAIR"), 1500 / inside, rtol=0.05)


def test_lesions_overlap_with_their_masks():
    found, mask = truths.bright_lesion(head(lesion=400)), truths.mask_in_pixels(head(lesion=400))
    assert found.shape == mask.shape
    assert truths.dice(found, found) == 1
    assert truths.dice(found, ~found) == 0
    assert truths.mask_in_pixels(np.eye(32)[None]).sum() == 32 * 4 * 4


def test_images_without_a_head_have_no_contrast():
    noise = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32))
    assert list(truths.contrast(np.concatenate([np.full((1, 32, 32), -1.0), 0.1 * noise - 0.9]))) == [""] * 3


@pytest.mark.parametrize("resolution", [32, 64])
def test_contrasts_are_told_from_an_image_alone(resolution, healthy, diseased):
    for number, subject in (healthy, diseased):
        for name, image in subject.images.items():
            found = truths.contrast(prepared_slices(image, heights(number, BRAIN), resolution))
            assert np.mean(found == name) > 0.9


@pytest.fixture(scope="module")
def subjects():
    """Anatomy and 64x64 slices through the ventricles, by contrast and of the mask, of 30 subjects."""
    found = []
    for number in range(1, 31):
        phantom, places = draw_phantom(number, contrasts=tuple(CONTRASTS)), heights(number, VENTRICLES)
        slices = {name: prepared_slices(image, places, 64) for name, image in phantom.images.items()}
        slices["mask"] = axial_slices(phantom.lesion_mask, places, 64)
        found.append((draw_anatomy(number), slices))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("resolution", [32, 64])
def test_what_is_known_of_30_phantoms_is_measured_in_their_pixels(resolution, subjects):
    """Generators are judged beside what real phantoms reach: docs/data.md has the numbers of 60 subjects."""
    anatomies, slices = zip(*subjects, strict=True)
    slices = [{name: _halved_to(resolution, images) for name, images in each.items()} for each in slices]
    ages = [anatomy.age for anatomy in anatomies]
    scales = [anatomy.ventricle_scale for anatomy in anatomies]
    for name in CONTRASTS:
        images = [each[name] for each in slices]
        assert np.mean(truths.contrast(np.concatenate(images)) == name) > 0.98
        ventricles = [truths.ventricle_area(each, name).mean() for each in images]
        assert _correlation(scales, ventricles) > 0.85
        # Ventricles differ at any age: the scale that is drawn has a correlation of 0.67 with age itself.
        assert _correlation(ages, ventricles) > 0.55
        assert _correlation(ages, [truths.fluid_share(each, name).mean() for each in images]) > 0.7
    flair, masks = (np.concatenate([each[name] for each in slices]) for name in ("FLAIR", "mask"))
    areas = masks.mean(axis=(1, 2)) * truths.FIELD_OF_VIEW**2
    assert _correlation(areas, truths.lesion_area(flair)) > 0.95
    assert truths.dice(truths.bright_lesion(flair), truths.mask_in_pixels(2 * masks - 1)) > 0.65


def _halved_to(resolution, images):
    width = images.shape[-1] // resolution
    return images.reshape(-1, resolution, width, resolution, width).mean(axis=(2, 4))


def _correlation(first, second):
    return np.corrcoef(first, second)[0, 1]
