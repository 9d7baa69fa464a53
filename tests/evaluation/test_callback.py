import dataclasses

import pytest
import tensorflow as tf

from mrisynth.data.storing.manifest import read_manifest
from mrisynth.errors import UserError
from mrisynth.evaluation import callback
from mrisynth.evaluation.callback import EvaluationCallback
from mrisynth.metrics import registry
from mrisynth.metrics.estimates import Measure, Spread
from mrisynth.networks import Generator
from mrisynth.privacy.copying import NotExamined
from tests.report.example_evaluations import make_evaluation


@pytest.fixture
def generator():
    return Generator(resolution=16, latent_size=8, fmap_base=32, fmap_max=8)


@pytest.mark.parametrize("side", ["train", "heldout"])
def test_too_few_slices_are_found_at_the_start(side, small_dataset, monkeypatch):
    manifest = read_manifest(small_dataset)
    few = dataclasses.replace(manifest.splits[side], slices=19)
    manifest = dataclasses.replace(manifest, splits={**manifest.splits, side: few})
    monkeypatch.setattr(callback, "read_manifest", lambda _: manifest)
    with pytest.raises(UserError, match=f"--eval_interval needs 20 slices.*has 19 on the {side} side"):
        EvaluationCallback(small_dataset)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (UserError("19 training slices are too few"), "19 training slices are too few"),
        (MemoryError(), "it does not fit the memory"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "it does not fit the device's memory"),
    ],
)
def test_a_fault_is_said_once_and_nothing_is_measured(
    fault, words, generator, small_dataset, monkeypatch, capsys
):
    def fail(*_):
        raise fault

    watch = EvaluationCallback(small_dataset)
    monkeypatch.setattr(callback, "load_reference", fail)
    assert [watch(generator, 2, 1.0) for _ in range(3)] == [{}, {}, {}]
    captured = capsys.readouterr()
    assert captured.err == f"Evaluations of --eval_interval are left out: {words}.\n"
    assert captured.out == ""


def test_images_are_drawn_a_few_at_a_time(generator, small_dataset, monkeypatch):
    seen = []

    class Evaluator:
        def __init__(self, *_):
            pass

        def watch(self, sampler):
            seen.append((sampler.resolution, sampler.at_once))
            return {"ms_ssim": Measure(Spread(0.5, 0.0), Spread(0.25, 0.0))}, NotExamined()

    monkeypatch.setattr(callback, "Evaluator", Evaluator)
    watch = EvaluationCallback(small_dataset)
    assert watch(generator, 1, 1.0) == {}
    found = watch(generator, 2, 0.5)
    assert {name: scalar.value for name, scalar in found.items()} == {
        "quality/ms_ssim": 0.5,
        "quality/ms_ssim_real": 0.25,
    }
    assert seen == [(16, 16)]


def test_every_number_says_what_it_is_and_stands_with_those_that_answer_the_same_question():
    evaluation = make_evaluation(size=16, samples=2, pairs=2)
    found = callback.scalars(evaluation.measures, evaluation.privacy, 2000)
    assert {name.split("/")[0] for name in found} == {"quality", "copying"}
    for key, measure in evaluation.measures.items():
        scalar, real = found[f"quality/{key}"], found[f"quality/{key}_real"]
        assert (scalar.value, real.value) == (measure.generated.mean, measure.real.mean)
        assert registry.find(key)[0].explanation in scalar.description
    assert found["copying/copies"].value == evaluation.privacy.copies / 2000
    for distance, figures in evaluation.privacy.closeness.items():
        assert found[f"copying/closer_share_{distance}"].value == figures.closer_share.value
        assert found[f"copying/membership_auc_{distance}"].value == figures.membership_auc.value
    assert all(scalar.description.endswith(".") for scalar in found.values())
