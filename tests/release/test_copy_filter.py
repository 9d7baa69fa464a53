"""--filter_copies: planted training slices are dropped, everything else is kept."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from mrisynth.data import read_manifest
from mrisynth.errors import UserError
from mrisynth.evaluation.reference import load_reference
from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.privacy import embedding, statistics
from mrisynth.privacy.copying import describe_real
from mrisynth.privacy.verdict import Thresholds
from mrisynth.release import release as module
from mrisynth.release.copy_filter import CopyFilter
from tests.folders import contents
from tests.subject_images import draw_subjects
from tests.untrained_exports import CARD, replaced, save_bank, write_card

CHANNELS = ("FLAIR", "lesion mask")
PLANTED = (3, 17, 18, 40, 66)


@pytest.fixture(scope="module")
def bank(small_dataset):
    """Images by seed: new ones, and training slices in some places."""
    images = draw_subjects(400, 1, size=16) / 127.5 - 1
    training = load_reference(small_dataset, 16).training.images[..., 0] / 127.5 - 1
    for number, seed in enumerate(PLANTED):
        images[seed] = training[5 * number]
    return images


@pytest.fixture(scope="module")
def copier(bank, small_dataset, tmp_path_factory):
    return trained_on(small_dataset, save_bank(tmp_path_factory.mktemp("copier") / "copier", bank))


def trained_on(data_dir, export):
    """The export, with a card that says what it was trained on and changes nothing of the images."""
    card = replaced(CARD, "data", fingerprint=read_manifest(data_dir).fingerprint)
    card = replaced({**card, "preparation": {}}, "intensity", range=[-1.0, 1.0])
    write_card(export / "1", card)
    return export


def test_copies_are_left_out_and_others_drawn_in_their_place(copier, bank, release, small_dataset, tmp_path):
    said = release(saved_model=copier, format="npy", count=100, data_dir=small_dataset)
    assert said.dropped == len(PLANTED)
    assert "5 copies of training data left out" in str(said)
    kept = [seed for seed in range(105) if seed not in PLANTED]
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "seeds.npy"), kept)
    np.testing.assert_allclose(np.load(tmp_path / "out" / "images.npy"), bank[kept], atol=1e-6)
    words = " ".join((tmp_path / "out" / "README.md").read_text().split())
    assert "were left out, 5 of 105: those that are nearer to a training slice than half" in words


def test_without_the_filter_they_stay(copier, release, tmp_path):
    assert release(saved_model=copier, format="npy", count=100).dropped == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "seeds.npy"), np.arange(100))
    assert "were not compared with the training data" in (tmp_path / "out" / "README.md").read_text()


def test_a_filtered_release_goes_on_and_is_extended_alike(
    copier, release, small_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "_LOOKED_UP", 128)  # Two blocks, so that images are looked up in two goes.
    release("whole", saved_model=copier, count=150, data_dir=small_dataset)
    for count in (16, 50, 150):
        said = release(saved_model=copier, count=count, data_dir=small_dataset)
    assert said.dropped == 5
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    path = tmp_path / "out" / "sub-syn000017" / "anat" / "sub-syn000017_FLAIR.json"
    # Image 16 has seed 16, since 3 is missing; 17 and 18 are, too.
    assert json.loads(path.read_text())["Seed"] == 19


def test_a_filtered_release_is_another_than_one_that_is_not(copier, release, small_dataset):
    release(saved_model=copier, count=10)
    with pytest.raises(UserError, match="--filter_copies=False, not True"):
        release(saved_model=copier, count=20, data_dir=small_dataset)


@pytest.mark.parametrize("changed_copies", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_what_is_left_out_is_what_the_evaluation_counts(changed_copies, small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(embedding, "STEPS", 5)
    real = dataclasses.replace(load_reference(small_dataset, 16), folder=tmp_path)
    training = real.training.images
    new = draw_subjects(60, 1, size=16)[..., np.newaxis]
    images = np.concatenate([training[:, :, ::-1], real.heldout.images, new])
    described = describe_real(real, ScatteringFeatures(), changed_copies)
    found = [sides.search(sides.describe(images)) for sides in described]
    counted = statistics.find_copies(found, Thresholds.copy_ratio).generated
    assert counted[: len(training)].all()
    assert not counted.all()
    copies = CopyFilter(real, Thresholds.copy_ratio, changed_copies)
    np.testing.assert_array_equal(copies.find(images), counted)


def test_an_embedding_that_an_evaluation_has_left_is_used_and_what_was_looked_for_by_is_said(
    copier, release, small_dataset, tmp_path, monkeypatch
):
    monkeypatch.setattr(embedding, "STEPS", 5)
    # Other tests' evaluations may have left theirs.
    data_dir = shutil.copytree(small_dataset, tmp_path / "data", ignore=shutil.ignore_patterns("embedding*"))
    flags = {"saved_model": copier, "format": "npy", "data_dir": data_dir}
    short = release("short", count=10, **flags)
    alone = "looked for by gray values and features alone, as no embedding is kept beside the data set"
    assert alone in str(short)
    assert not list(data_dir.glob("embedding*"))
    embedding.learn(load_reference(data_dir, 16))
    with pytest.raises(UserError, match="was begun when --data_dir had another embedding beside it, or none"):
        release("short", count=20, **flags)
    whole = release("whole", count=10, **flags)
    assert "looked for by gray values, features, learned embedding and patches\n" in str(whole)
    words = (tmp_path / "whole" / "README.md").read_text()
    assert "as from any other, by gray values, features, learned embedding and patches." in words
    assert whole.dropped >= short.dropped == 1


def test_a_generator_of_copies_alone_is_given_up(release, small_dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_COPIES_IN_A_ROW", 100)
    training = load_reference(small_dataset, 16).training.images[..., 0] / 127.5 - 1
    images = np.resize(training, (400, 16, 16))
    copier = trained_on(small_dataset, save_bank(tmp_path / "copier", images))
    with pytest.raises(UserError, match="more than 100 images in a row are too close to the training data"):
        release(saved_model=copier, data_dir=small_dataset)


def test_copies_are_looked_for_in_the_models_own_data_set_alone(
    copier, bare, release, small_dataset, private_data, tmp_path
):
    with pytest.raises(
        UserError, match=r"--data_dir: .* is not the data set that --saved_model=.*copier was"
    ):
        release(saved_model=copier, data_dir=private_data)
    with pytest.raises(UserError, match="--filter_copies: --saved_model=.* does not say which data set"):
        release(saved_model=bare, data_dir=small_dataset)
    assert not (tmp_path / "out").exists()


def test_copies_are_looked_for_in_images_alone(small_dataset, tmp_path):
    """A training slice is a copy whatever mask is beside it, and a training mask makes nothing a copy."""
    real = load_reference(small_dataset, 16)
    training = real.training.images[:8]
    masks = np.random.default_rng(0).integers(0, 2, training.shape).astype(np.uint8) * 255
    sides = {
        name: dataclasses.replace(side, images=np.concatenate([side.images, 0 * side.images], axis=-1))
        for name, side in (("training", real.training), ("heldout", real.heldout))
    }
    masked = dataclasses.replace(real, **sides, channels=CHANNELS)
    found = CopyFilter(masked, Thresholds.copy_ratio, False).find(np.concatenate([training, masks], axis=-1))
    assert found.all()
    new = draw_subjects(20, 1, size=16)[..., np.newaxis]
    alone = CopyFilter(real, Thresholds.copy_ratio, False).find(new)
    empty = CopyFilter(masked, Thresholds.copy_ratio, False).find(
        np.concatenate([new, np.zeros_like(new)], axis=-1)
    )
    np.testing.assert_array_equal(empty, alone)
