import numpy as np
import pytest

from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.copying import describe_real, examine
from mrisynth.privacy.searches import ReferenceImages, Slices
from mrisynth.privacy.verdict import Thresholds
from tests.subject_images import draw_subjects, plant

COPIED = (3, 17, 44)


@pytest.fixture(scope="module")
def found():
    """30 new images and, last, mirrored and shifted copies of three training slices."""
    training, heldout = (
        Slices(draw_subjects(15, 4, seed, size=32)[..., np.newaxis], np.repeat(np.arange(15), 4))
        for seed in (0, 1)
    )
    real = ReferenceImages(training, heldout)
    copies = plant(training.images[list(COPIED), ..., 0], noise=1)
    images = np.concatenate([draw_subjects(30, 1, 2, size=32), copies])[..., np.newaxis]
    described = [(sides, sides.describe(images)) for sides in describe_real(real, ScatteringFeatures())]
    return images, real, examine(images, real, described, Thresholds(), Bootstrap(20))


def test_copies_are_counted_and_shown_first(found):
    images, _, privacy = found
    assert privacy.copies == len(COPIED)
    assert [pair.copy for pair in privacy.closest_pairs] == [True] * 3 + [False] * 9
    shown = {pair.generated.tobytes() for pair in privacy.closest_pairs[:3]}
    assert shown == {image.tobytes() for image in images[-3:]}


def test_pairs_are_in_the_order_of_what_copies_are_told_by(found):
    _, _, privacy = found
    ratios = [pair.ratio for pair in privacy.closest_pairs]
    assert ratios == sorted(ratios)
    for pair in privacy.closest_pairs:
        assert pair.copy == (pair.ratio < privacy.thresholds.copy_ratio)
        assert pair.distance in privacy.closeness


def test_a_pair_is_laid_one_onto_the_other(found):
    _, _, privacy = found
    for pair in privacy.closest_pairs[:3]:
        assert pair.correlation > 0.98
        alike = np.corrcoef(pair.training.ravel(), pair.generated.ravel())[0, 1]
        assert alike == pytest.approx(pair.correlation, abs=0.02)
    distances = [pair.feature_distance for pair in privacy.closest_pairs]
    assert max(distances[:3]) < min(distances[3:])


def test_new_patients_are_the_control(found):
    _, real, privacy = found
    assert privacy.control_count == len(real.training.images) + len(real.heldout.images)
    assert privacy.controls == 0
    assert list(privacy.closeness) == ["pixels", "features"]
    assert privacy.thresholds == Thresholds()
