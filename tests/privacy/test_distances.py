import numpy as np
import pytest

from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy.distances import FeatureDistance, GrayValueDistance
from mrisynth.privacy.nearest_neighbors import Groups
from tests.subject_images import draw_subjects, plant


class BlockMeans:
    """Features for a test: means of 8x8 blocks."""

    name = "block means"
    has_fixed_filters = False

    def __call__(self, images):
        return images.reshape(len(images), 8, -1, 8, images.shape[1] // 8).mean((2, 4)).reshape(-1, 64)

    def mirrored(self, images, features):
        return self(images[:, :, ::-1])


@pytest.fixture(scope="module")
def subjects():
    images = draw_subjects(subjects=20, slices=6)
    return images, np.repeat(np.arange(20), 6)


def neighbors(distance, queries, references, labels, **options):
    described = (distance.describe(images[..., np.newaxis]) for images in (queries, references))
    return distance.neighbors(*described, Groups.of(labels), **options)


def test_planted_copies_are_found_at_the_right_slice(subjects):
    images, labels = subjects
    chosen = np.arange(0, 120, 7)
    found = neighbors(GrayValueDistance(), plant(images[chosen]), images, labels)
    assert (labels[found.indices[:, 0]] == labels[chosen]).all()
    assert np.mean(found.indices[:, 0] == chosen) > 0.9
    # Close to one subject, and to no other.
    assert (found.nearest < 0.25 * found.distances[:, 1]).all()


def test_new_images_are_near_to_no_single_subject(subjects):
    images, labels = subjects
    new = draw_subjects(subjects=10, slices=4, seed=1)
    found = neighbors(GrayValueDistance(), new, images, labels)
    assert (found.nearest > 0.25 * found.distances[:, 1]).all()


@pytest.mark.parametrize("distance", [GrayValueDistance(), FeatureDistance(BlockMeans())])
def test_neighbors_are_sorted_one_of_each_subject(subjects, distance):
    images, labels = subjects
    found = neighbors(distance, images[:10], images, labels)
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert all(len(set(row)) == len(row) for row in labels[found.indices])
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(10))
    np.testing.assert_allclose(found.nearest, 0, atol=1e-4)


@pytest.mark.parametrize("distance", [GrayValueDistance(), FeatureDistance(BlockMeans())])
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
    np.testing.assert_allclose(found.nearest, table.min(axis=1) ** 2, rtol=1e-4)
    np.testing.assert_array_equal(found.indices[:, 0], table.argmin(axis=1))


def test_a_mirrored_image_is_as_near_by_features(subjects):
    images, labels = subjects
    distance = FeatureDistance(BlockMeans())
    found = neighbors(distance, images[:5, :, ::-1], images, labels)
    np.testing.assert_allclose(found.nearest, 0, atol=1e-5)


@pytest.mark.parametrize("size", [16, 32, 128])
def test_other_sizes(size):
    images = draw_subjects(subjects=6, slices=3, size=size)
    found = neighbors(GrayValueDistance(), images[:, :, ::-1], images, np.repeat(np.arange(6), 3))
    np.testing.assert_array_equal(found.indices[:, 0], np.arange(18))


@pytest.mark.parametrize("distance", [GrayValueDistance(), FeatureDistance(BlockMeans())])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_ones_own_subject_is_left_out_of_few(distance, count):
    images = draw_subjects(subjects=count, slices=6)
    labels = np.repeat(np.arange(count), 6)
    found = neighbors(distance, images, images, labels, left_out=Groups.of(labels).numbers)
    assert found.distances.shape == (6 * count, count)
    own = labels[found.indices] == labels[:, None]
    assert np.isinf(found.distances[own]).all()
    assert np.isfinite(found.distances[~own]).all()
    assert own[:, -1].all()


def test_copies_are_found_by_fixed_filters_alone(subjects):
    """Mirrored, shifted, of other brightness, with noise: what gray values bear, features must bear, too."""
    images, labels = subjects
    chosen = np.arange(0, 120, 5)
    distance = FeatureDistance(ScatteringFeatures())
    found = neighbors(distance, plant(images[chosen]), images, labels)
    new = neighbors(distance, draw_subjects(subjects=24, slices=1, seed=1), images, labels)
    assert np.mean(labels[found.indices[:, 0]] == labels[chosen]) > 0.9
    assert np.median(found.nearest) < 0.3 * np.median(new.nearest)


@pytest.mark.parametrize("distance", [GrayValueDistance(), FeatureDistance(BlockMeans())])
def test_a_channel_twice_has_the_same_neighbors_and_another_can_change_them(distance, subjects):
    images, labels = subjects
    queries = draw_subjects(subjects=4, slices=2, seed=1)
    groups = Groups.of(labels)

    def found(first, second):
        stacked = (np.stack(pair, axis=-1) for pair in (first, second))
        return distance.neighbors(*map(distance.describe, stacked), groups)

    alone = neighbors(distance, queries, images, labels)
    twice = found((queries, queries), (images, images))
    np.testing.assert_array_equal(twice.indices, alone.indices)
    factor = 2 if distance.name == "features" else 1
    np.testing.assert_allclose(twice.distances, factor * alone.distances, rtol=1e-4, atol=1e-5)
    # A copy by its first channel alone is none.
    copied = found((images[:6], images[:6]), (images, np.roll(images, 30, axis=0)))
    assert (copied.nearest > 0.01).all()


def test_a_channel_that_both_lack_does_not_hide_a_copy(subjects):
    """Distances are those of the channel that is there, whether the other is empty or has a little noise."""
    images, labels = subjects
    queries = plant(images[:4])
    alone = neighbors(GrayValueDistance(), queries, images, labels)
    noise = np.random.RandomState(0).randint(0, 3, queries.shape).astype(np.uint8)
    for lacking in (np.zeros_like(queries), noise):
        pair = np.stack([queries, lacking], -1), np.stack([images, np.zeros_like(images)], -1)
        described = map(GrayValueDistance().describe, pair)
        found = GrayValueDistance().neighbors(*described, Groups.of(labels))
        np.testing.assert_array_equal(found.indices[:, 0], alone.indices[:, 0])
        np.testing.assert_allclose(found.nearest, alone.nearest, atol=1e-5)
    # One alone that lacks it is another image.
    pair = np.stack([queries, np.zeros_like(queries)], -1), np.stack([images, images], -1)
    found = GrayValueDistance().neighbors(*map(GrayValueDistance().describe, pair), Groups.of(labels))
    np.testing.assert_allclose(found.nearest, (1 + alone.nearest) / 2, atol=1e-5)
