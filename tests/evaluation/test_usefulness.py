"""From a generator and a data set to what networks are trained on and tested with."""

import dataclasses

import numpy as np
import pytest

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.evaluation import usefulness
from mrisynth.evaluation.config import EvaluationSettings, UtilityTask
from mrisynth.evaluation.usefulness import Target, find_target, measure_usefulness
from mrisynth.privacy.searches import ReferenceImages, Slices
from tests.evaluation.given_images import sampler_of_images
from tests.utility.lesions import draw_lesions

CHANNELS = ("FLAIR", "lesion mask")
SEX = Label("participant/sex", LabelKind.CATEGORICAL, ("F", "M"))
AGE = Label("participant/age", LabelKind.CONTINUOUS, mean=50, deviation=10)
SCHEMA = LabelSchema((AGE, SEX))


def with_masks(count, seed):
    """Slices of two channels, the mask as gray values."""
    examples = draw_lesions(count, seed)
    return np.concatenate([examples.images, 255 * examples.targets], axis=-1)


@pytest.fixture(scope="module")
def real():
    sides = (Slices(with_masks(24, seed), np.repeat(np.arange(6), 4)) for seed in (0, 1))
    return ReferenceImages(*sides, CHANNELS)


@pytest.fixture(scope="module")
def sampler():
    return sampler_of_images(with_masks(200, 2), CHANNELS)


class GivenLabels:
    """Stands for the labels of seeds: a woman, a man, unknown, and so on."""

    def __init__(self, values=("F", "M", None)):
        self._values = values

    def encode(self, first_seed, count):
        seeds = range(first_seed, first_seed + count)
        sex = [self._values[seed % len(self._values)] for seed in seeds]
        return SCHEMA.encode({SEX.name: sex, AGE.name: [50] * count}, count)


def labeled(sides, values=(("F", "M"), ("F", "M"))):
    """The images alone, every second subject with the second of the values."""
    encoded = [SCHEMA.encode({SEX.name: [each[row // 4 % 2] for row in range(24)]}, 24) for each in values]
    slices = (
        Slices(side.images[..., :1], side.subjects, labels)
        for side, labels in zip((sides.training, sides.heldout), encoded, strict=True)
    )
    return ReferenceImages(*slices, ("FLAIR",))


def knowing(sampler, labels):
    return dataclasses.replace(sampler, channels=("FLAIR",), label_schema=SCHEMA, labels=labels)


def test_a_mask_among_the_channels_is_what_networks_are_to_see(real, sampler):
    expected = Target("lesion mask", CHANNELS, mask=1)
    assert find_target(UtilityTask.AUTO, sampler, real) == expected
    assert find_target(UtilityTask.SEGMENTATION, sampler, real) == expected
    assert find_target(UtilityTask.NONE, sampler, real) is None


def test_without_a_mask_it_is_the_first_label_of_several_categories(real, sampler):
    target = find_target(UtilityTask.AUTO, knowing(sampler, GivenLabels()), labeled(real))
    assert target == Target(SEX.name, ("FLAIR",), None, slice(2, 5), 2)


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ((("F", "F"), ("F", "M")), "FM"),
        ((("F", "M"), (None, None)), "FM"),
        ((("F", "M"), ("F", "M")), (None,)),
    ],
)
def test_a_label_that_nothing_can_be_learned_or_tested_of_is_none(real, sampler, values, drawn):
    known, there = knowing(sampler, GivenLabels(drawn)), labeled(real, values)
    assert find_target(UtilityTask.AUTO, known, there) is None
    with pytest.raises(UserError, match="--utility=classification needs a generator that knows a label"):
        find_target(UtilityTask.CLASSIFICATION, known, there)


def test_masks_without_lesions_are_none(real, sampler):
    empty = Slices(real.heldout.images * np.array([1, 0], np.uint8), real.heldout.subjects)
    there = dataclasses.replace(real, heldout=empty)
    assert find_target(UtilityTask.AUTO, sampler, there) is None
    with pytest.raises(UserError, match="--utility=segmentation needs a mask among the channels, with"):
        find_target(UtilityTask.SEGMENTATION, sampler, there)


@pytest.fixture
def given(monkeypatch):
    """What the experiment is given."""
    found = {}

    def measure_utility(real, generated, heldout, subjects, **settings):
        found.update(real=real, generated=generated, heldout=heldout, subjects=subjects, **settings)

    monkeypatch.setattr(usefulness, "measure_utility", measure_utility)
    return found


def test_images_that_are_there_are_taken_and_more_are_drawn(real, sampler, given):
    settings = EvaluationSettings(images=20, utility_steps=300, seed=7)
    images = sampler.draw_gray(7, 20)
    measure_usefulness(find_target(UtilityTask.AUTO, sampler, real), sampler, images, real, settings)
    expected = sampler.draw_gray(7, 120)
    np.testing.assert_array_equal(given["generated"].images, expected[..., :1])
    np.testing.assert_array_equal(given["generated"].targets, expected[..., 1:] >= 128)
    np.testing.assert_array_equal(given["real"].images, real.training.images[..., :1])
    np.testing.assert_array_equal(given["subjects"], real.heldout.subjects)
    assert (given["steps"], given["bootstrap"].seed, given["categories"]) == (300, 7, 0)


def test_slices_whose_label_is_unknown_are_left_out(real, sampler, given):
    there = labeled(real, (("F", "M"), ("M", None)))
    one_channel = sampler_of_images(with_masks(200, 2)[..., :1], ("FLAIR",))
    known = knowing(one_channel, GivenLabels())
    settings = EvaluationSettings(images=20, utility_steps=300)
    target = find_target(UtilityTask.AUTO, known, there)
    measure_usefulness(target, drawing(known), one_channel.draw_gray(0, 20), there, settings)
    assert given["generated"].targets.tolist() == [0, 1] * 40
    expected = one_channel.draw_gray(0, 120)
    np.testing.assert_array_equal(given["generated"].images, np.delete(expected, np.s_[2::3], axis=0))
    assert given["real"].targets.tolist() == [0, 0, 0, 0, 1, 1, 1, 1] * 3
    assert given["heldout"].targets.tolist() == [1] * 12
    assert given["subjects"].tolist() == [0] * 4 + [2] * 4 + [4] * 4


def test_scans_without_a_mask_are_left_out(real, sampler, given):
    lacking = np.zeros((24, 2), bool)
    lacking[4:8, 1] = True
    there = dataclasses.replace(real, training=dataclasses.replace(real.training, lacking=lacking))
    settings = EvaluationSettings(images=200, utility_steps=10)
    target = find_target(UtilityTask.AUTO, sampler, there)
    measure_usefulness(target, sampler, sampler.draw_gray(0, 200), there, settings)
    assert len(given["real"]) == 20
    assert len(given["heldout"]) == 24
    assert len(given["generated"]) == 100


def drawing(sampler):
    """The given images do not follow their labels."""
    from_seeds = sampler.from_seeds
    return dataclasses.replace(sampler, from_seeds=lambda *inputs: from_seeds(*inputs[:3]))
