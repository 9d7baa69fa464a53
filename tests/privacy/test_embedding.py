import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.privacy import embedding
from mrisynth.privacy.searches import RealSides, ReferenceImages, Slices
from tests.subject_images import draw_subjects


def data_set(folder=None, fingerprint="given", subjects=6):
    training, heldout = (
        Slices(draw_subjects(subjects, 4, seed, size=32)[..., np.newaxis], np.repeat(np.arange(subjects), 4))
        for seed in (0, 1)
    )
    return ReferenceImages(training, heldout, fingerprint=fingerprint, folder=folder)


NEW = data_set().heldout.images[..., 0]


@pytest.fixture(scope="module", autouse=True)
def few_steps():
    """Learning is short but where a test says otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embedding, "STEPS", 3)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def learned(few_steps, folder):
    return embedding.learn(data_set(folder))


def points(distance, images):
    return distance.describe(images[..., np.newaxis])


def test_brightness_and_contrast_make_no_difference(learned):
    images = data_set().training.images[..., 0] // 2
    found = points(learned, images)
    assert found.shape == (24, 16, 128)
    np.testing.assert_allclose(np.linalg.norm(found, axis=-1), 1, rtol=1e-5)
    np.testing.assert_allclose(points(learned, images + 40), found, atol=1e-5)
    np.testing.assert_allclose(np.sum(points(learned, 2 * images) * found, -1), 1, atol=0.01)


def test_images_are_looked_up_as_they_are_and_mirrored_turned_enlarged_and_sharpened(learned):
    images = data_set().training.images[..., 0]
    found = points(learned, images)
    as_they_are = found[:, 0]
    mirrored = points(learned, images[:, :, ::-1])
    np.testing.assert_allclose(mirrored[:, 1], as_they_are, atol=1e-2)
    np.testing.assert_allclose(mirrored[:, 0], found[:, 1], atol=1e-2)
    assert len(np.unique(found[0].round(3), axis=0)) == 16


def test_it_is_kept_beside_the_data_set_that_it_is_of(learned, folder, monkeypatch):
    trained = []
    monkeypatch.setattr(embedding, "_train", lambda *_: trained.append(1))
    np.testing.assert_array_equal(points(embedding.learn(data_set(folder)), NEW), points(learned, NEW))
    assert not trained
    (kept,) = folder.iterdir()
    content = kept.read_bytes()
    for damaged, fingerprint in ((content[:1000], "given"), (content, "another")):
        kept.write_bytes(damaged)
        embedding.learn(data_set(folder, fingerprint))
    assert len(trained) == 2


def test_the_same_slices_give_the_same_embedding_whatever_their_masks_are(learned, tmp_path, capsys):
    """Where it cannot be kept, that is said once."""
    real = data_set()
    with_masks = [
        Slices(np.concatenate([side.images, side.images[::-1]], -1), side.subjects)
        for side in (real.training, real.heldout)
    ]
    masked = ReferenceImages(
        *with_masks, channels=("FLAIR", "lesion mask"), fingerprint="given", folder=tmp_path / "gone"
    )
    np.testing.assert_array_equal(points(embedding.learn(masked), NEW), points(learned, NEW))
    said = capsys.readouterr().err
    assert said.count("The learned embedding cannot be kept in ") == 1
    assert f"{tmp_path / 'gone'} (No such file or directory); it is learned again" in said


def test_the_loss_is_the_surprise_at_the_other_view_among_other_subjects():
    """Of three slices, two are of one subject and are not told apart; all views are equally alike."""
    points = np.full((6, 4), 7, np.float32)
    loss = embedding.contrastive_loss(points, np.tile([0, 0, 1], 2))
    np.testing.assert_allclose(loss, (4 * np.log(3) + 2 * np.log(5)) / 6, rtol=1e-5)
    slices = np.tile(np.eye(3, dtype=np.float32), (2, 1))
    assert embedding.contrastive_loss(slices, np.tile([0, 1, 2], 2)) < 1e-6
    of_others = np.roll(slices[:3], 1, axis=0)
    mixed_up = embedding.contrastive_loss(np.concatenate([slices[:3], of_others]), np.tile([0, 1, 2], 2))
    np.testing.assert_allclose(mixed_up, 1 / embedding._TEMPERATURE, rtol=1e-3)


def test_values_between_pixels_are_bilinear_and_0_outside():
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4)
    rows, columns = (each[np.newaxis].astype(np.float32) for each in np.mgrid[:4, :4])
    np.testing.assert_array_equal(embedding._sample(image, rows, columns), image)
    between = embedding._sample(image, rows + 0.5, columns + 0.25)
    np.testing.assert_allclose(between[0, :3, :3], image[0, :3, :3] + 2.25)
    outside = embedding._sample(image, rows + 10, columns)
    assert not outside.numpy().any()


def test_views_are_changed_each_in_its_own_way_and_the_same_for_the_same_seed():
    image = embedding._prepare(draw_subjects(1, 1, size=32))
    images = np.repeat(image, 8, axis=0)
    views = embedding.change(images, 3).numpy()
    np.testing.assert_array_equal(views, embedding.change(images, tf.constant(3)))
    assert len(np.unique(views.reshape(8, -1), axis=0)) == 8
    correlations = [
        max(np.corrcoef(view.ravel(), side.ravel())[0, 1] for side in (image[0], image[0, :, ::-1]))
        for view in views
    ]
    assert min(correlations) > 0.3


@pytest.mark.slow
def test_turned_and_enlarged_copies_are_near_their_own_subject_and_new_slices_are_not(monkeypatch):
    monkeypatch.setattr(embedding, "STEPS", 150)
    real = data_set(subjects=30)
    sides = RealSides.of(embedding.learn(real), real)
    originals = tf.constant(real.training.images[::4, ..., 0], tf.float32)
    turned = embedding._sample(originals, *embedding._turned(32, math.radians(8), 1 / 1.05, 1.0))
    copies = sides.nearest_training(sides.describe(np.rint(turned).astype(np.uint8)[..., np.newaxis]))
    assert np.mean(real.training.subjects[copies.indices[:, 0]] == np.arange(30)) > 0.9
    ours, new = (
        np.median(found.distances[:, 0] / found.distances[:, 1])
        for found in (copies, sides.neighbors.heldout)
    )
    assert ours < 0.25 < 0.5 < new
