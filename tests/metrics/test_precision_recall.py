import numpy as np
import pytest
from scipy.spatial import distance

from mrisynth.errors import UserError
from mrisynth.metrics import feature_sets
from mrisynth.metrics.precision_recall import manifold_measures
from tests.metrics.random_features import draw

REAL = np.array([-10.0, 0, 1, 3, 7])[:, None]
GENERATED = np.array([0.5, 4, 12, 20])[:, None]


@pytest.mark.parametrize(
    ("neighbors", "expected"),
    [
        # Real balls: [-20, 0], [-1, 1], [0, 2], [1, 5], [3, 11]; generated: [-3, 4], [0.5, 7.5], [4, 20], ...
        (1, {"precision": 2 / 4, "recall": 4 / 5, "density": 4 / 4, "coverage": 4 / 5}),
        # Real: [-21, 1], [-3, 3], [-1, 3], [0, 6], [1, 13]; generated: [-11, 12], ...
        (2, {"precision": 3 / 4, "recall": 1, "density": 7 / 8, "coverage": 1}),
    ],
)
@pytest.mark.parametrize("offset", [0, 1000])
def test_points_on_a_line(neighbors, expected, offset):
    assert manifold_measures(REAL + offset, GENERATED + offset, neighbors) == expected


def test_a_point_on_the_edge_of_a_ball_is_within():
    real = np.array([[-2.0], [0], [2]])
    generated = np.array([[-4.0], [4], [4], [-4]])
    measures = manifold_measures(real, generated, neighbors=1)
    assert measures == {"precision": 1, "recall": 0, "density": 1, "coverage": 2 / 3}


def direct_measures(real, generated, k):
    """From the table of all distances, by the papers' formulas."""
    between = distance.cdist(real, generated)
    real_radii = np.sort(distance.cdist(real, real))[:, k]
    generated_radii = np.sort(distance.cdist(generated, generated))[:, k]
    within = between <= real_radii[:, None]
    return {
        "precision": within.any(axis=0).mean(),
        "recall": (between <= generated_radii).any(axis=1).mean(),
        "density": within.sum() / (k * len(generated)),
        "coverage": (between.min(axis=1) <= real_radii).mean(),
    }


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [0, 300])
@pytest.mark.parametrize(("count", "k"), [(90, 1), (110, 5)])
def test_measures_are_those_of_the_direct_version(monkeypatch, count, k, offset, dtype):
    real, generated = draw(100, 6, 1, dtype) + offset, 0.8 * draw(count, 6, 2, dtype) + offset
    expected = direct_measures(real, generated, k)
    assert 0.1 < expected["recall"] < 0.95
    assert 0.1 < expected["precision"] < 1
    for values in (2**23, 7 * 110):
        monkeypatch.setattr(feature_sets, "_BLOCK_VALUES", values)
        assert manifold_measures(real, generated, k) == expected


def test_a_narrow_cloud_has_precision_and_a_wide_one_recall():
    random = np.random.RandomState(0)
    real = random.normal(size=(400, 4))
    narrow = manifold_measures(real, random.normal(scale=0.3, size=(400, 4)))
    wide = manifold_measures(real, random.normal(scale=3, size=(400, 4)))
    same = manifold_measures(real, random.normal(size=(400, 4)))
    assert narrow["precision"] > 0.99 > 0.5 > narrow["recall"]
    assert wide["recall"] > 0.9 > 0.5 > wide["precision"]
    assert min(same["precision"], same["recall"], same["coverage"]) > 0.85
    assert same["density"] == pytest.approx(1, abs=0.15)
    assert narrow["coverage"] < 0.5
    assert all(type(value) is float for value in narrow.values())


def test_collapse_to_one_image_has_no_recall():
    real = draw(50, 5, 1)
    measures = manifold_measures(real, np.repeat(real[:1], 50, axis=0) + np.float32(1e-3))
    assert measures["precision"] == 1
    assert measures["recall"] == 0
    assert measures["coverage"] < 0.4


def test_there_must_be_more_images_than_neighbors():
    good = draw(10, 4, 1)
    assert manifold_measures(good[:6], good, 5)["coverage"] > 0
    with pytest.raises(UserError, match="features of 5 images are too few; use those of at least 6"):
        manifold_measures(good, good[:5], 5)
