import numpy as np
import pytest

from mrisynth.metrics.neighbors import FeatureDistance, PixelDistance
from mrisynth.metrics.search import Groups


def draw_subjects(subjects, slices, seed=0, size=64):
    """Smooth blobs that change from slice to slice of a subject, [subjects * slices, size, size]."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[:size, :size] / size
    images = []
    for _ in range(subjects):
        blobs = np.column_stack(
            [random.uniform(0.25, 0.75, (8, 2)), random.uniform(0.04, 0.1, 8), random.uniform(40, 160, 8)]
        )
        drift = random.normal(0, 0.01, (8, 2))
        for number in range(slices):
            places = blobs[:, :2] + number * drift
            image = sum(
                height * np.exp(-((y - row) ** 2 + (x - column) ** 2) / (2 * width**2))
                for (row, column), width, height in zip(places, blobs[:, 2], blobs[:, 3], strict=True)
            )
            images.append(np.clip(np.rint(image), 0, 255))
    return np.array(images).astype(np.uint8)


def plant(images, seed=0, noise=4):
    """Copies: mirrored at random, shifted by up to 3 pixels, other brightness, noise."""
    random = np.random.RandomState(seed)
    copies = []
    for image in images:
        turned = image[:, ::-1] if random.randint(2) else image
        moved = np.roll(turned, random.randint(-3, 4, 2), (0, 1)).astype(float)
        changed = (
            random.uniform(0.7, 1) * moved + random.uniform(0, 20) + random.normal(0, noise, moved.shape)
        )
        copies.append(np.clip(np.rint(changed), 0, 255))
    return np.array(copies).astype(np.uint8)


class BlockMeans:
    """Features for a test: means of 8x8 blocks."""

    name = "block means"

    def __call__(self, images, progress=False):
        return images.reshape(len(images), 8, -1, 8, images.shape[1] // 8).mean((2, 4)).reshape(-1, 64)


@pytest.fixture(scope="module")
def subjects():
    images = draw_subjects(subjects=20, slices=6)
    return images, np.repeat(np.arange(20), 6)


def neighbors(distance, queries, references, labels, **options):
    described = distance.describe(queries), distance.describe(references)
    return distance.neighbors(*described, Groups.of(labels), **options)


def test_planted_copies_are_found_at_the_right_slice(subjects):
    images, labels = subjects
    chosen = np.arange(0, 120, 7)
    found = neighbors(PixelDistance(), plant(images[chosen]), images, labels)
    assert (labels[found.indices[:, 0]] == labels[chosen]).all()
    assert np.mean(found.indices[:, 0] == chosen) > 0.9
    # Close to one subject, and to no other.
    assert (found.nearest < 0.4 * found.distances[:, 1]).all()


def test_new_images_are_near_to_no_single_subject(subjects):
    images, labels = subjects
    new = draw_subjects(subjects=10, slices=4, seed=1)
    found = neighbors(PixelDistance(), new, images, labels)
    assert (found.nearest > 0.4 * found.distances[:, 1]).all()


@pytest.mark.parametrize("distance", [PixelDistance(), FeatureDistance(BlockMeans())])
def test_neighbors_are_sorted_one_of_each_subject(subjects, distance):
    images, labels = subjects
    found = neighbors(distance, images[:10], images, labels)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert all(len(set(row)) == len(row) for row in labels[found.indices])
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(10))
    np.testing.assert_allclose(found.nearest, 0, atol=1e-5)


@pytest.mark.parametrize("distance", [PixelDistance(), FeatureDistance(BlockMeans())])
def test_ones_own_subject_can_be_left_out(subjects, distance):
    images, labels = subjects
    groups = Groups.of(labels)
    found = neighbors(distance, images, images, labels, left_out=groups.numbers)
    assert (labels[found.indices[:, 0]] != labels).all()
    assert (found.nearest > 0.01).all()


def test_feature_distances_are_those_of_numpy(subjects):
    images, labels = subjects
    queries = draw_subjects(subjects=3, slices=2, seed=2)
    found = neighbors(FeatureDistance(BlockMeans()), queries, images, labels)
    features = BlockMeans()
    sides = (features(queries), features(queries[:, :, ::-1]))
    table = np.min([np.linalg.norm(s[:, None] - features(images)[None], axis=-1) for s in sides], axis=0)
    np.testing.assert_allclose(found.nearest, table.min(axis=1), rtol=1e-5)
    np.testing.assert_array_equal(found.indices[:, 0], table.argmin(axis=1))


def test_a_mirrored_image_is_as_near_by_features(subjects):
    images, labels = subjects
    distance = FeatureDistance(BlockMeans())
    found = neighbors(distance, images[:5, :, ::-1], images, labels)
    np.testing.assert_allclose(found.nearest, 0, atol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 128])
def test_other_sizes(size):
    images = draw_subjects(subjects=6, slices=3, size=size)
    found = neighbors(PixelDistance(), images[:, :, ::-1], images, np.repeat(np.arange(6), 3))
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(18))
