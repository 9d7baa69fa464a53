"""Controls whose outcome is known: what networks reach must follow what they are trained on."""

import dataclasses
import math

import numpy as np
import pytest

from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.privacy.nearest_neighbors import Groups
from mrisynth.utility import experiment
from mrisynth.utility.experiment import (
    AUGMENTED,
    BLIND,
    BOTH,
    BOTH_AUGMENTED,
    GENERATED,
    GENERATED_MANY,
    REAL,
    SEEDS,
    generated_wanted,
    measure_utility,
)
from mrisynth.utility.learner import Examples, Learner
from mrisynth.utility.networks import u_net
from tests.utility.lesions import draw_lesions

STEPS = 60
SUBJECTS = np.repeat(np.arange(8), 6)


@pytest.fixture(scope="module")
def real():
    return draw_lesions(96, seed=1)


@pytest.fixture(scope="module")
def heldout():
    return draw_lesions(len(SUBJECTS), seed=2)


@pytest.fixture(scope="module")
def repeated(real, heldout):
    """A generator that draws the training slices and nothing else."""
    generated = real + real + real + real + real
    return measure_utility(
        real, generated, heldout, SUBJECTS, target="lesion mask", steps=STEPS, bootstrap=Bootstrap(draws=50)
    )


@pytest.fixture(scope="module")
def dice_after(heldout):
    """The mean Dice of held-out subjects after training on examples."""
    learner = Learner(u_net(16, 1), STEPS)

    def dice(examples):
        learner.fit(examples, seed=0)
        scores = experiment._dice(learner.predict(heldout.images), heldout.targets, Groups.of(SUBJECTS))
        return np.nanmean(scores)

    return dice


@pytest.mark.slow
def test_training_slices_in_the_place_of_generated_ones_give_their_own_row_exactly(repeated):
    rows = repeated.rows
    assert list(rows) == [REAL, GENERATED, GENERATED_MANY, BOTH, AUGMENTED, BOTH_AUGMENTED, BLIND]
    assert rows[GENERATED] == rows[REAL]
    assert [row.images for row in rows.values()] == [96, 96, 480, 192, 96, 192, 0]
    assert (rows[REAL].of_real.value, rows[REAL].of_real.low, rows[REAL].of_real.high) == (1, 1, 1)


@pytest.mark.slow
def test_real_slices_teach_what_lesions_are_and_scores_say_how_sure_they_are(repeated):
    real = repeated.rows[REAL]
    assert real.score.value > 0.75
    assert real.score.low < real.score.value < real.score.high <= 1
    assert len(set(real.repeats)) == SEEDS
    assert real.score.value == pytest.approx(np.mean(real.repeats), abs=1e-9)
    assert (repeated.task, repeated.measure, repeated.resolution) == ("segmentation", "Dice", 16)
    assert repeated.subjects == 8


@pytest.mark.slow
def test_shuffled_masks_teach_no_more_than_an_answer_that_no_image_is_needed_for(repeated, dice_after):
    """Each slice, which the network sees once, has the mask of the one before."""
    drawn = draw_lesions(16 * STEPS, seed=3)
    shuffled = dataclasses.replace(drawn, targets=np.roll(drawn.targets, 1, axis=0))
    blind = repeated.rows[BLIND].score.value
    assert 0 < blind < 0.25
    assert dice_after(shuffled) < blind + 0.08


@pytest.mark.slow
def test_noise_teaches_next_to_nothing(real, dice_after):
    random = np.random.RandomState(0)
    images = random.randint(0, 256, real.images.shape).astype(np.uint8)
    masks = (random.uniform(size=real.targets.shape) < real.targets.mean()).astype(np.uint8)
    assert dice_after(Examples(images, masks)) < 0.12


def test_dice_is_taken_of_all_slices_of_a_subject_together():
    truth = np.zeros((4, 2, 2, 1), np.uint8)
    seen = truth.copy()
    truth[0, 0, 0] = truth[1] = 1
    seen[1, 0] = 1
    seen[3, 0, 0] = 1
    # The first subject has 5 pixels, of which 2 are seen; the second none, of which one is; the third none.
    subjects = Groups.of(np.array(["a", "a", "c", "b"]))
    a, b, c = experiment._dice(seen, truth, subjects)
    assert (a, b) == (2 * 2 / (5 + 2), 0)
    assert math.isnan(c)


def test_what_is_a_part_of_nothing_is_no_number_that_failed():
    row = experiment._row(
        7, [np.array([0.2, 0.4])] * 2, np.array([0.2, 0.4]), np.zeros(2), Bootstrap(draws=20)
    )
    assert row.score.value == pytest.approx(0.3)
    assert row.of_real is None


def test_a_subject_without_a_score_is_left_out():
    nothing = math.nan
    repeats = [np.array([0.5, nothing, nothing]), np.array([0.7, 0.2, nothing])]
    scores = experiment._without_nan(repeats)
    np.testing.assert_array_equal(scores, [0.6, 0.2, nothing])
    row = experiment._row(7, repeats, scores, 2 * scores, Bootstrap(draws=20))
    assert (row.score.value, row.of_real.value, row.repeats) == (
        pytest.approx(0.4),
        pytest.approx(0.5),
        (0.5, pytest.approx(0.45)),
    )


def test_accuracy_is_that_of_every_subject():
    accuracy = experiment._accuracy(np.array([0, 1, 1, 2]), np.array([0, 1, 0, 2]), Groups.of([5, 5, 5, 3]))
    np.testing.assert_allclose(accuracy, [1, 2 / 3])


def test_the_same_answer_to_every_image_is_the_best_such_answer():
    assert experiment._blind_answer(np.array([2, 0, 2, 1])) == 2
    masks = draw_lesions(30, seed=3, size=8).targets
    answer = experiment._blind_answer(masks)

    def dice(answer):
        return 2 * (masks * answer).sum() / (masks.sum() + len(masks) * answer.sum())

    often = masks.mean(axis=0)
    best = max(dice((often >= threshold).astype(np.uint8)) for threshold in np.unique(often))
    assert dice(answer) == pytest.approx(best, abs=0.01)


@pytest.mark.parametrize(("real", "steps", "wanted"), [(2000, 2000, 10_000), (35_000, 2000, 32_000)])
def test_no_more_images_are_wanted_than_steps_show(real, steps, wanted):
    assert generated_wanted(real, steps) == wanted


@pytest.mark.slow
def test_categories_are_learned_and_read(heldout):
    """The category is whether there is a lesion at all."""
    sides = (draw_lesions(count, seed, size=16) for count, seed in ((96, 4), (96, 5), (48, 6)))
    real, generated, heldout = (
        Examples(each.images, each.targets.any(axis=(1, 2, 3)).astype(np.int32)) for each in sides
    )
    found = measure_utility(
        *(real, generated, heldout, SUBJECTS),
        target="lesion",
        categories=2,
        steps=80,
        bootstrap=Bootstrap(draws=20),
    )
    assert (found.task, found.measure) == ("classification", "accuracy")
    assert found.rows[BLIND].score.value == pytest.approx(heldout.targets.mean())
    assert found.rows[REAL].score.value > found.rows[BLIND].score.value + 0.1
    assert found.rows[GENERATED].of_real.value == pytest.approx(1, abs=0.15)
