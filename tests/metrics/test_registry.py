"""The registry, and the worked example of docs/architecture.md."""

import importlib
import pathlib
import re
import sys

import numpy as np
import pytest

import mrisynth.metrics
from mrisynth.errors import UserError
from mrisynth.evaluation.config import EvaluationSettings
from mrisynth.evaluation.evaluator import Evaluator
from mrisynth.evaluation.results import to_json
from mrisynth.export.model_card import _evaluation_lines
from mrisynth.metrics import registry
from mrisynth.metrics.features import ScatteringFeatures
from mrisynth.metrics.registry import Direction, Group, ImageSet
from mrisynth.privacy.searches import ReferenceImages, Slices
from mrisynth.report import render
from tests.evaluation.given_images import sampler_of_images
from tests.subject_images import draw_subjects

ARCHITECTURE = pathlib.Path(__file__).parents[2] / "docs" / "architecture.md"
SETTINGS = EvaluationSettings(images=24, pairs=20, repeats=2, draws=20, changed_copies=False)
EXTRACT = ScatteringFeatures()


def image_set(subjects, seed, channels=1):
    images = draw_subjects(subjects, 4, seed, size=16)
    return ImageSet(
        np.stack([images // (1 + channel) for channel in range(channels)], axis=-1),
        EXTRACT(images),
        ("T1w", "T2w", "FLAIR")[:channels],
    )


@pytest.fixture
def unregistered(monkeypatch):
    """Forgets measures that a test registers."""
    registry.all_metrics()
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))


@pytest.fixture
def example(unregistered, tmp_path, monkeypatch):
    """The file of the worked example in a folder of mrisynth.metrics."""
    section = ARCHITECTURE.read_text(encoding="utf-8").partition("## Worked example: a new measure")[2]
    (tmp_path / "mean_intensity.py").write_text(re.search("```python\n(.*?)```", section, re.DOTALL)[1])
    monkeypatch.setattr(mrisynth.metrics, "__path__", [*mrisynth.metrics.__path__, str(tmp_path)])
    registry._import_all.cache_clear()
    importlib.invalidate_caches()
    yield
    sys.modules.pop("mrisynth.metrics.mean_intensity", None)
    vars(mrisynth.metrics).pop("mean_intensity", None)


def test_the_worked_example_is_in_results_report_and_card(example):
    training, heldout, generated = (draw_subjects(6, 4, seed, size=16) for seed in range(3))
    sides = (training[..., np.newaxis], heldout[..., np.newaxis])
    subjects = np.repeat(np.arange(6), 4)
    slices = Slices(sides[0], subjects), Slices(sides[1], subjects + 6)
    real = ReferenceImages(*slices, fingerprint="given")
    evaluation = Evaluator(real, SETTINGS).evaluate(sampler_of_images(generated))
    results = to_json(evaluation)
    assert results["measures"]["mean_intensity"] == {
        "generated": {"mean": generated.mean(), "standard_deviation": 0.0},
        "real": {"mean": training.mean(), "standard_deviation": 0.0},
    }
    page = render(evaluation)
    assert "<strong>Mean intensity</strong><span>How bright images are on average" in page
    card = {**results, "generated_images": 24}
    assert any(line.startswith("| Mean intensity | ") for line in _evaluation_lines(card))


def test_tables_go_by_group_and_measures_of_images_come_before_those_of_features():
    keys = [metric.key for metric in registry.all_metrics()]
    of_features = ["classifier_accuracy", "density", "frechet", "kernel", "precision"]
    assert keys == ["global_consistency", "spectrum", "swd", *of_features, "ms_ssim", "coverage", "recall"]


def test_every_measure_explains_itself_in_a_sentence():
    for metric in registry.all_metrics():
        assert metric.explanation.endswith(".")
        assert isinstance(metric.direction, Direction)


@pytest.mark.parametrize(
    ("key", "title"),
    [
        ("ms_ssim", "Multiscale structural similarity (MS-SSIM), random pairs"),
        ("swd/64", "Sliced Wasserstein distance, 64x64"),
        ("global_consistency/halves", "Global consistency, halves of an image together"),
        ("swd/mean", "Sliced Wasserstein distance, mean of the levels"),
        ("T1w/swd/64", "Sliced Wasserstein distance, T1w, 64x64"),
        ("T1w/spectrum", "Power spectrum, T1w, difference in dB"),
    ],
)
def test_a_key_says_what_it_is_called(key, title):
    assert registry.full_title(key) == title


@pytest.mark.parametrize("key", ["unheard", "swdd/64", "T1w/unheard", "T1w/"])
def test_a_key_of_no_measure_is_named(key):
    with pytest.raises(UserError, match=f"{key} is no measure that this mrisynth knows"):
        registry.find(key)


def test_two_files_cannot_have_one_key(unregistered):
    with pytest.raises(ValueError, match="two measures have the key swd"):
        registry.metric("swd", title="", group=Group.FIDELITY, direction=Direction.LOWER, explanation="")(
            lambda comparison: {}
        )


def test_every_repeat_is_of_other_images_and_the_same_with_the_same_seed():
    images, heldout = image_set(10, 0), image_set(10, 1)
    first, again, other = (
        registry.measure(images, heldout, 24, repeats=2, pairs=20, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first.keys() == other.keys()
    assert all(spread.standard_deviation > 0 for spread in first.values())
    assert all(first[key] != other[key] for key in first)


def test_only_what_is_wanted_is_measured_and_gives_the_same_numbers():
    images, heldout = image_set(6, 0), image_set(6, 1)
    options = {"repeats": 2, "pairs": 20}
    some = registry.measure(images, heldout, 24, **options, only=("swd", "frechet"))
    assert {key.partition("/")[0] for key in some} == {"swd", "frechet"}
    assert some.items() <= registry.measure(images, heldout, 24, **options).items()


def test_of_several_channels_each_is_measured_and_features_once():
    """A channel's measures are those of a set with that channel alone."""
    images, heldout = image_set(6, 0, channels=2), image_set(6, 1, channels=2)
    options = {"repeats": 2, "pairs": 20}
    both = registry.measure(images, heldout, 24, **options)
    alone = [registry.measure(images.channel(i), heldout.channel(i), 24, **options) for i in range(2)]
    for key, spread in both.items():
        channel, _, rest = key.partition("/")
        if channel in images.channels:
            assert spread == alone[images.channels.index(channel)][rest]
        else:
            assert spread == alone[0][key]
    assert {"T1w/swd/16", "T2w/swd/mean", "T1w/ms_ssim", "T2w/spectrum", "frechet", "recall"} <= both.keys()
    assert not {"swd/16", "T1w/frechet"} & both.keys()


@pytest.mark.parametrize(
    "fault", [np.linalg.LinAlgError("did not converge"), ZeroDivisionError(), ValueError()]
)
def test_a_measure_that_fails_takes_no_other_with_it(fault, unregistered):
    described = {"title": "", "group": Group.FIDELITY, "direction": Direction.LOWER, "explanation": "."}
    times = iter(range(100))

    @registry.metric("whole", **described, per_channel=False)
    @registry.metric("parts", **described, per_channel=False)
    def fail_at_first(comparison):
        if next(times) == 0:
            raise fault
        return {"whole": 1.0, "parts/a": 2.0}

    images, heldout = image_set(6, 0), image_set(6, 1)
    found = registry.measure(images, heldout, 24, repeats=2, pairs=20)
    assert {key for key, spread in found.items() if np.isnan(spread.mean)} == {"whole", "parts", "parts/a"}
    assert found["frechet"].mean > 0
