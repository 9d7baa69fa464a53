import numpy as np
import pytest

from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy import embedding
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.copying import describe_real, examine, judge
from mrisynth.privacy.searches import ReferenceImages, Slices
from mrisynth.privacy.verdict import COPIES_FOUND, HARMFUL, NO_SIGN, OPEN, Thresholds
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
    assert list(privacy.closeness) == ["gray_values", "features"]
    assert privacy.thresholds == Thresholds()


@pytest.mark.parametrize(
    ("names", "known", "finding"), [(2, False, OPEN), (2, True, HARMFUL), (3, False, HARMFUL)]
)
def test_copies_of_a_person_under_several_names_never_pass(names, known, finding):
    """Where it is known that the names are one, they are counted; else no more is said than is seen."""
    images = draw_subjects(15, 4, 0, size=32)[..., np.newaxis]
    subjects = np.append(np.repeat(np.arange(15), 4), np.repeat(0 if known else np.arange(15, 14 + names), 4))
    training = Slices(np.concatenate([images, *[images[:4]] * (names - 1)]), subjects[: 60 + 4 * (names - 1)])
    heldout = Slices(draw_subjects(15, 4, 1, size=32)[..., np.newaxis], np.repeat(np.arange(15), 4))
    new = draw_subjects(96, 1, 2, size=32)[..., np.newaxis]
    generated = np.concatenate([images[:4], new])
    every = describe_real(ReferenceImages(training, heldout), ScatteringFeatures())
    judged = judge([(sides, sides.describe(generated)) for sides in every], Thresholds(), Bootstrap(2))
    np.testing.assert_array_equal(judged.copies.generated, np.arange(100) < 4)
    assert judged.verdict.figures[0].finding == finding
    assert judged.copies.controls == (8 if finding == OPEN else 0)


def test_an_embedding_and_patches_find_copies_and_have_no_figures(monkeypatch):
    """A patch of a training slice in a new one is a copy; new slices are not, and the figures stay two."""
    monkeypatch.setattr(embedding, "STEPS", 2)
    textures = np.random.RandomState(0).randint(0, 100, (2, 60, 64, 64))
    training, heldout = (
        Slices(
            (draw_subjects(15, 4, seed) // 2 + texture).astype(np.uint8)[..., None], np.repeat(range(15), 4)
        )
        for seed, texture in enumerate(textures)
    )
    real = ReferenceImages(training, heldout)
    images = heldout.images.copy()
    images[5, 30:42, 20:32] = training.images[17, 30:42, 20:32]
    every = describe_real(real, ScatteringFeatures(), changed_copies=True)
    described = [(sides, sides.describe(images)) for sides in every]
    privacy = examine(images, real, described, Thresholds(), Bootstrap(20))
    assert list(privacy.closeness) == ["gray_values", "features"]
    assert privacy.copies_by == {"gray_values": 0, "features": 0, "embedding": 0, "patches": 1}
    assert (privacy.copies, privacy.controls) == (1, 0)
    first = privacy.closest_pairs[0]
    assert (first.distance, first.copy) == ("patches", True)
    np.testing.assert_array_equal(first.generated, images[5])
    assert {figure.distance for figure in privacy.verdict.figures} == {"", "gray_values", "features"}


@pytest.mark.slow
def test_one_per_cent_of_copies_is_found_by_the_measures_of_distance_of_every_evaluation():
    """Copies as they are, noisy, or mirrored, shifted and of other brightness; without any, none is found."""
    training, heldout = (
        Slices(draw_subjects(count, 4, seed, size=32)[..., np.newaxis], np.repeat(np.arange(count), 4))
        for seed, count in enumerate((90, 40))
    )
    every = describe_real(ReferenceImages(training, heldout), ScatteringFeatures())
    new = draw_subjects(500, 1, 2, size=32)[..., np.newaxis]
    originals = training.images[np.random.RandomState(3).permutation(len(training.images))[:5]]
    noise = np.random.RandomState(4).normal(0, 4, originals.shape)
    noisy = np.clip(np.rint(originals + noise), 0, 255).astype(np.uint8)
    planted = plant(originals[..., 0])[..., np.newaxis]
    for copies, words in (
        (originals[:0], NO_SIGN),
        (originals, COPIES_FOUND),
        (noisy, COPIES_FOUND),
        (planted, COPIES_FOUND),
    ):
        images = np.concatenate([copies, new[len(copies) :]])
        described = [(sides, sides.describe(images)) for sides in every]
        judged = judge(described, Thresholds(), Bootstrap(100))
        assert judged.verdict.words == words
        assert judged.copies.count == len(copies)
