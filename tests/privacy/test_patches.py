import numpy as np
import pytest

from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.privacy.patches import PatchDistance

SUBJECTS = np.repeat(np.arange(5), 3)


def textures(count, seed):
    return np.random.RandomState(seed).randint(0, 256, (count, 64, 64, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def training():
    return textures(15, 0)


def look_up(images, training, **options):
    distance = PatchDistance()
    described = (distance.describe(each) for each in (images, training))
    return distance.neighbors(*described, Groups.of(SUBJECTS[: len(training)]), **options)


@pytest.mark.parametrize(("row", "column"), [(0, 0), (17, 33), (52, 51), (26, 8)])
def test_whatever_is_12_pixels_wide_is_found_wherever_it_is(training, row, column):
    """Of other brightness and contrast, too, at the same place alone."""
    place = np.s_[:, row : row + 12, column : column + 12]
    images = textures(3, 1)
    images[0][place[1:]] = training[7][place[1:]]
    images[1][place[1:]] = training[7][place[1:]] // 2 + 60
    found = look_up(images, training)
    assert (found.indices[:2, 0] == 7).all()
    ratios = found.distances[:, 0] / found.distances[:, 1]
    assert (ratios[:2] < 0.25).all()
    assert ratios[2] > 0.8
    assert found.distances[0, 0] < 0.05


def test_the_patch_that_is_most_alone_decides(training):
    """Against every patch of every slice, one after the other."""
    images = np.clip(training[:4] + np.random.RandomState(2).normal(0, 30, (4, 64, 64, 1)), 0, 255)
    images = images.astype(np.uint8)
    found = look_up(images, training, left_out=np.array([0, 0, 3, -1]))

    def patches(some):
        parts = [
            some[:, row : row + 8, column : column + 8, 0].reshape(len(some), 64).astype(float)
            for row in range(0, 57, 5)
            for column in range(0, 57, 5)
        ]
        centered = np.stack(parts, 1) - np.stack(parts, 1).mean(-1, keepdims=True)
        return centered / np.linalg.norm(centered, axis=-1, keepdims=True)

    for number, (image, left_out) in enumerate(zip(patches(images), (0, 0, 3, -1), strict=True)):
        roots = np.sqrt(np.linalg.norm(image - patches(training), axis=-1))
        of_subject = roots.reshape(5, 3, -1).min(1)[np.arange(5) != left_out]
        nearest, following = np.sort(of_subject, axis=0)[:2]
        place = np.argmin(nearest / following)
        expected = np.sort(of_subject[:, place])
        np.testing.assert_allclose(found.distances[number, : len(expected)], expected, rtol=1e-3)
        assert np.isinf(found.distances[number, len(expected) :]).all()


def test_all_channels_of_a_patch_count(training):
    other = textures(15, 3)
    both = np.concatenate([training, other], -1)
    images = np.concatenate([training[:1], other[5:6]], -1)
    one, two = look_up(training[:1], training), look_up(images, both)
    assert one.distances[0, 0] < 0.05
    assert two.distances[0, 0] > 0.5


def test_what_shows_nothing_is_infinitely_far(training):
    flat = np.random.RandomState(0).randint(90, 100, (2, 64, 64, 1)).astype(np.uint8)
    assert np.isinf(look_up(flat, training).distances).all()


def test_with_a_single_subject_nothing_is_alone(training):
    assert np.isinf(look_up(training[:2], training[:3]).distances).all()


def test_large_images_are_averaged_down(training):
    large = training.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_array_equal(PatchDistance().describe(large), PatchDistance().describe(training))
