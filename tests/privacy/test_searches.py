import numpy as np
import pytest

from mrisynth.privacy.distances import GrayValueDistance
from mrisynth.privacy.searches import RealSides, ReferenceImages, Slices
from tests.subject_images import draw_subjects


@pytest.fixture(scope="module")
def sides():
    training = draw_subjects(4, 5, size=16)[..., np.newaxis]
    heldout = draw_subjects(3, 5, seed=1, size=16)[..., np.newaxis]
    slices = (Slices(training, np.repeat(np.arange(4), 5)), Slices(heldout, np.repeat(np.arange(3), 5)))
    return RealSides.of(GrayValueDistance(), ReferenceImages(*slices)), training, heldout


def test_new_patients_slices_are_compared_with_other_subjects_alone(sides):
    described, _, heldout = sides
    own = np.repeat(np.arange(4), 5)
    found = described.neighbors.training
    assert found.indices.shape == (20, 4)
    assert (own[found.indices[:, 0]] != own).all()
    assert np.isinf(found.distances[:, -1]).all()
    assert len(described.neighbors.heldout.nearest) == len(heldout)
    assert (described.heldout.subjects.count, described.training.subjects.count) == (3, 4)


def test_generated_images_are_looked_up_both_ways(sides):
    described, training, heldout = sides
    generated = np.concatenate([training[7:8], heldout[3:5]])
    found = described.search(described.describe(generated))
    assert found.generated.indices[0, 0] == 7
    np.testing.assert_allclose(found.generated.nearest[0], 0, atol=1e-5)
    # Of the training slices, the copied one is nearest to a generated image; of the held-out ones, both.
    of_training, of_heldout = described.to_generated(described.describe(generated))
    assert np.argmin(of_training) == 7
    np.testing.assert_allclose(of_heldout[3:5], 0, atol=1e-5)
    assert found.real is described.neighbors


def test_every_generated_image_is_a_subject_of_its_own(sides):
    described, training, _ = sides
    assert described.describe(training[:6]).subjects.count == 6


def test_masks_are_not_compared(sides):
    """A copy whose lesions are somewhere else is as close as one without a mask."""
    described, training, heldout = sides
    masks = np.random.RandomState(0).randint(0, 2, training.shape).astype(np.uint8) * 255
    labels = (np.repeat(np.arange(4), 5), np.repeat(np.arange(3), 5))
    real = (
        Slices(np.concatenate([images, masks[: len(images)]], -1), subjects)
        for images, subjects in zip((training, heldout), labels, strict=True)
    )
    masked = RealSides.of(GrayValueDistance(), ReferenceImages(*real, channels=("FLAIR", "lesion mask")))
    generated = masked.describe(np.concatenate([training, masks[::-1]], -1))
    found = masked.search(generated)
    expected = described.search(described.describe(training))
    np.testing.assert_array_equal(found.generated.distances, expected.generated.distances)
    ways = zip(
        masked.to_generated(generated), described.to_generated(described.describe(training)), strict=True
    )
    for way, same in ways:
        np.testing.assert_array_equal(way, same)
