"""The whole evaluation of images whose quality is known beforehand."""

import dataclasses
import html

import numpy as np
import pytest
from scipy import ndimage

from mrisynth.data.conditions.cells import distribution_of
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.fidelity import AS_REAL
from mrisynth.evaluation.joined_halves import find_partners, join_halves
from mrisynth.evaluation.results import to_json
from mrisynth.privacy.copying import NotExamined
from mrisynth.privacy.searches import ReferenceImages, Slices
from mrisynth.privacy.verdict import COPIES_FOUND, INCONCLUSIVE, NO_SIGN, UNKNOWN
from mrisynth.report import render
from mrisynth.sampling.conditions import SeededLabels
from mrisynth.training.origin import TrainingData
from tests.evaluation.given_images import sampler_of_images
from tests.evaluation.labeled_images import CHANNELS, SCHEMA, draw_heads, make_reference
from tests.subject_images import draw_subjects, plant

pytestmark = pytest.mark.slow

SLICES = 8
SETTINGS = EvaluationSettings(images=500, pairs=200, repeats=2, draws=100, changed_copies=False)


def slices(subjects, seed):
    images = draw_subjects(subjects, SLICES, seed, size=32)[..., np.newaxis]
    return Slices(images, np.repeat(np.arange(subjects) + 1000 * seed, SLICES))


@pytest.fixture(scope="module")
def real():
    return ReferenceImages(slices(60, 0), slices(20, 1), fingerprint="given")


@pytest.fixture(scope="module")
def new():
    """500 images of new subjects: what a perfect generator would draw."""
    images = draw_subjects(100, 5, seed=2, size=32)
    return images[np.random.RandomState(0).permutation(len(images))]


def evaluate(real, images):
    settings = dataclasses.replace(SETTINGS, images=len(images))
    return Evaluator(real, settings).evaluate(sampler_of_images(images))


@pytest.fixture(scope="module")
def perfect(real, new):
    return evaluate(real, new)


@pytest.mark.parametrize(
    ("phantoms", "earlier", "words", "kind"),
    [
        (True, TrainingData("others", False), INCONCLUSIVE, "scans"),
        (True, TrainingData("others", True), NO_SIGN, "phantoms"),
        (True, TrainingData(None, False), INCONCLUSIVE, "scans"),
        (False, TrainingData("the same at 16x16", False), NO_SIGN, "scans"),
        # Its data set is gone, so that nobody can tell any more whether it was of phantoms.
        (True, TrainingData("the same at 16x16", False), NO_SIGN, "scans"),
    ],
)
def test_first_weights_of_other_patients_are_said(phantoms, earlier, words, kind, real, new):
    sampler = dataclasses.replace(sampler_of_images(new), earlier_data=(earlier,))
    settings = dataclasses.replace(SETTINGS, images=len(new))
    shown = dataclasses.replace(real, phantoms=phantoms, other_resolutions=frozenset(["the same at 16x16"]))
    evaluation = Evaluator(shown, settings).evaluate(sampler)
    assert (evaluation.privacy.verdict.words, evaluation.data["kind"]) == (words, kind)


def values(evaluation):
    return {key: measure.generated.mean for key, measure in evaluation.measures.items()}


def test_a_perfect_generator_is_as_good_as_real_images_and_copies_nothing(perfect):
    assert perfect.privacy.verdict.words == NO_SIGN
    assert perfect.privacy.copies == 0
    for key, measure in perfect.measures.items():
        spread = max(measure.generated.standard_deviation, measure.real.standard_deviation)
        scale = max(abs(measure.real.mean), 0.05)
        assert abs(measure.generated.mean - measure.real.mean) < 0.6 * scale + 4 * spread, key


def test_only_images_that_are_like_the_data_can_make_a_green_page(real, perfect):
    noise = np.random.RandomState(0).randint(0, 256, (500, 32, 32)).astype(np.uint8)
    drawn = evaluate(real, noise)
    assert drawn.measures["precision"].generated.mean == 0
    assert drawn.measures["kernel"].generated.mean > 100 * drawn.measures["kernel"].real.mean
    assert drawn.unlike_the_data.startswith("The images are not like the data: ")
    assert to_json(drawn)["unlike_the_data"] == drawn.unlike_the_data
    assert perfect.unlike_the_data == to_json(perfect)["unlike_the_data"] == ""
    # Whatever the verdict on the noise is: with the best one, its page is not green either.
    page = render(dataclasses.replace(drawn, privacy=perfect.privacy))
    assert drawn.unlike_the_data.partition(":")[0] in page
    assert 'class="verdict good"' in render(perfect)
    assert 'class="verdict good"' not in page


@pytest.mark.parametrize("planted", [0, 5])
def test_one_per_cent_of_copies_is_found_and_shown(real, new, planted):
    copied = np.random.RandomState(1).permutation(len(real.training.images))[:planted]
    images = new.copy()
    places = np.random.RandomState(2).permutation(len(images))[:planted]
    if planted:
        images[places] = plant(real.training.images[copied, ..., 0], seed=3)
    privacy = evaluate(real, images).privacy
    assert privacy.copies == planted
    assert privacy.verdict.words == (COPIES_FOUND if planted else NO_SIGN)
    shown = [pair for pair in privacy.closest_pairs if pair.copy]
    assert len(shown) == planted
    for pair in shown:
        (place,) = (i for i in places if (images[i] == pair.generated[..., 0]).all())
        assert (pair.generated[..., 0] == images[place]).all()
        # The aligned training slice looks like its copy, up to noise.
        assert np.corrcoef(pair.training.ravel(), pair.generated.ravel())[0, 1] > 0.9


def test_a_generator_that_only_repeats_its_training_set_is_caught_by_every_figure(real):
    images = plant(real.training.images[np.random.RandomState(0).permutation(480), ..., 0], noise=2)
    privacy = evaluate(real, images).privacy
    assert privacy.verdict.words == COPIES_FOUND
    assert privacy.copies > 420
    figures = privacy.closeness["gray_values"]
    assert figures.closer_share.low > 0.9
    assert figures.authenticity.high < 0.1
    assert figures.authenticity.high < figures.authenticity_heldout.low
    assert figures.nearer_auc.low > 0.9
    assert figures.membership_auc.low > 0.9


def test_too_few_subjects_are_inconclusive(real, new):
    few = ReferenceImages(
        *(Slices(side.images[:40], side.subjects[:40]) for side in (real.training, real.heldout)),
        fingerprint="given",
    )
    assert evaluate(few, new).privacy.verdict.words == INCONCLUSIVE


def test_where_it_is_not_known_what_was_trained_on_only_quality_is_measured(real, new, perfect):
    for trained_on in (None, "another"):
        sampler = sampler_of_images(new[:100], trained_on=trained_on)
        evaluation = Evaluator(real, dataclasses.replace(SETTINGS, images=100)).evaluate(sampler)
        assert evaluation.privacy == NotExamined()
        assert evaluation.measures.keys() == perfect.measures.keys()
        written = to_json(evaluation)
        assert written["data"]["fingerprint"] == "given"
        assert written["privacy"]["verdict"]["words"] == UNKNOWN
        assert set(written["privacy"]) == {"verdict"}


def test_blurring_worsens_the_finest_level_most(real, new, perfect):
    blurred = np.stack([ndimage.gaussian_filter(image.astype(float), 0.7) for image in new])
    worse = values(evaluate(real, np.rint(blurred).astype(np.uint8)))
    before = values(perfect)
    assert worse["swd/32"] / before["swd/32"] > worse["swd/16"] / before["swd/16"]
    assert worse["spectrum"] > before["spectrum"]


def test_mode_collapse_shows_in_recall_coverage_and_ms_ssim(real, new, perfect):
    collapsed = values(evaluate(real, np.tile(new[:5], (100, 1, 1))))
    before = values(perfect)
    assert collapsed["recall"] < 0.2 < before["recall"]
    assert collapsed["coverage"] < 0.5 * before["coverage"]
    assert collapsed["ms_ssim"] > before["ms_ssim"] + 0.1


def test_halves_of_two_subjects_are_measured_beside_real_images(real, new, perfect):
    """The measures are those of the joined images in the place of the training images."""
    assert perfect.joined_halves == {}
    subjects = real.training.subjects
    partners = find_partners(subjects, subjects, np.zeros(len(subjects)))
    joined = join_halves(real.training.images, partners)
    training = dataclasses.replace(real.training, partners=partners)
    found = evaluate(dataclasses.replace(real, training=training), new).joined_halves
    assert list(found) == ["left_right", "top_bottom"]
    for name, measures in found.items():
        assert {key.partition("/")[0] for key in measures} == {"global_consistency", "swd"}
        instead = dataclasses.replace(real, training=dataclasses.replace(real.training, images=joined[name]))
        expected = evaluate(instead, new).measures
        assert all(spread == expected[key].real for key, spread in measures.items())


def test_counts_are_of_subjects_and_slices(perfect):
    assert perfect.data["training_subjects"] == 60
    assert perfect.data["kind"] == "scans"
    assert perfect.data["heldout_slices"] == 160
    assert perfect.data["images_compared"] == 160


def test_the_same_seed_gives_the_same_numbers(real, new, perfect):
    assert values(evaluate(real, new)) == values(perfect)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda images: np.full_like(images, 100), "same image"),
        (lambda images: np.ones_like(images) * np.arange(500, dtype=np.uint8)[:, None, None], "constant"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(real, new, spoil, message):
    with pytest.raises(UserError, match=message):
        evaluate(real, spoil(new))


def test_several_channels_are_measured_each_and_shown_side_by_side(real, new):
    """The second channel is the first one's negative."""
    channels = ("T1w", "T2w")

    def both(images):
        return np.concatenate([images, 255 - images], axis=-1)

    sides = (Slices(both(side.images), side.subjects) for side in (real.training, real.heldout))
    two = ReferenceImages(*sides, channels, fingerprint="given")
    settings = dataclasses.replace(SETTINGS, images=100)
    images = both(new[:100, ..., np.newaxis])
    evaluation = Evaluator(two, settings).evaluate(sampler_of_images(images, channels))
    assert {"T1w/swd/32", "T2w/swd/mean", "T1w/ms_ssim", "T2w/spectrum", "frechet"} <= set(
        evaluation.measures
    )
    assert list(evaluation.spectra) == list(channels)
    assert (evaluation.samples == images[:64]).all()
    assert evaluation.privacy.copies == 0
    pair = evaluation.privacy.closest_pairs[0]
    assert pair.training.shape == (32, 32, 2)
    assert "T2w, 32x32" in render(evaluation)
    with pytest.raises(UserError, match=r"draws 1 channels, the data set has 2 \(T1w, T2w\)"):
        Evaluator(two, settings).evaluate(sampler_of_images(new))


def test_masks_among_the_channels_are_what_it_is_tried_out_on(real, new):
    """The mask is where the image is bright."""
    channels = ("T1w", "lesion mask")

    def both(images):
        return np.concatenate([images, np.where(images > 120, 255, 0).astype(np.uint8)], axis=-1)

    sides = (Slices(both(side.images), side.subjects) for side in (real.training, real.heldout))
    masked = ReferenceImages(*sides, channels, fingerprint="given")
    sampler = sampler_of_images(both(new[..., np.newaxis]), channels)
    settings = dataclasses.replace(SETTINGS, images=100, pairs=20, draws=20, utility_steps=20)
    evaluation = Evaluator(masked, settings).evaluate(sampler)
    rows = to_json(evaluation)["utility"]["rows"]
    assert rows["real"]["score"]["value"] > 0.8
    assert [row["images"] for row in rows.values()] == [480, 320, 320, 800, 480, 800, 0]
    assert "Of what use the images are" in render(evaluation)
    plain = Evaluator(masked, dataclasses.replace(settings, utility="none"))
    evaluation = plain.evaluate(sampler)
    assert to_json(evaluation)["utility"] is None
    # Masks count where they are above 0, and are no part of the features.
    faint = both(new[..., np.newaxis])
    noise = np.random.RandomState(0).randint(100, size=faint[..., 1].shape).astype(np.uint8)
    faint[..., 1] = np.where(faint[..., 1] > 0, faint[..., 1] - noise, noise)
    assert values(plain.evaluate(sampler_of_images(faint, channels))) == values(evaluation)
    images_alone = values(Evaluator(real, settings).evaluate(sampler_of_images(new)))
    assert values(evaluation)["frechet"] == images_alone["frechet"]


def test_labels_that_images_were_asked_for_are_read_and_copies_are_counted_by_them():
    """The generator draws what it is asked for; five of its images are slices of one training subject."""
    labeled = make_reference()
    table = {**SCHEMA.decode(labeled.training.labels), "subject": labeled.training.subjects}
    distribution = distribution_of({name: list(map(str, column)) for name, column in table.items()}, SCHEMA)
    labels = SeededLabels(distribution)
    copied = np.flatnonzero([value == "along" for value in table["suffix"]])[:5]
    places = np.flatnonzero([value == "along" for value in labels.values(0, 200)["suffix"]])[:5]

    def from_seeds(first_seed, count, truncation, encoded):
        values = SCHEMA.decode(np.asarray(encoded))
        known = {name: [0.1 if value is None else value for value in each] for name, each in values.items()}
        images = draw_heads(known, int(first_seed) + 50)
        for place, index in zip(places - int(first_seed), copied, strict=True):
            if 0 <= place < len(images):
                images[place] = labeled.training.images[index]
        return (images / 127.5 - 1).astype(np.float32)

    sampler = dataclasses.replace(
        sampler_of_images(labeled.training.images, CHANNELS),
        from_seeds=from_seeds,
        from_latents=lambda latents, labels: np.zeros((len(latents), 16, 16, 2), np.float32),
        label_schema=SCHEMA,
        labels=labels,
    )
    settings = dataclasses.replace(SETTINGS, images=200, fidelity_steps=60, utility="none")
    evaluation = Evaluator(labeled, settings).evaluate(sampler)
    (row,) = (row for row in evaluation.fidelity.shown if row.title == "suffix, accuracy")
    assert row.finding == AS_REAL
    across, along = sorted(evaluation.privacy.cells, key=lambda cell: cell.categories["suffix"])
    assert across.images + along.images == 200
    assert across.training_subjects == along.training_subjects == 30
    assert across.copies + along.copies == evaluation.privacy.copies
    assert along.copies >= 5
    page = render(evaluation)
    assert evaluation.fidelity.summary in html.unescape(page)
    without = Evaluator(labeled, dataclasses.replace(settings, fidelity=False)).evaluate(sampler)
    assert without.fidelity is None
    assert without.privacy.cells == evaluation.privacy.cells
