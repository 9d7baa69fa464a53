import json

import numpy as np
import pytest

from mrisynth.benchmarks import evaluation
from mrisynth.benchmarks.evaluation import EvaluationCost
from tests.programs import call, check_refusal, start

PROGRAM = "tools/benchmark.py"


@pytest.mark.slow
def test_an_evaluation_is_measured():
    result = start(PROGRAM, "--resolutions=16", "--evaluation=60,400,200", "--json")
    assert result.returncode == 0, result.stderr
    cost = json.loads(result.stdout)
    assert (cost["resolution"], cost["generated"], cost["training"], cost["heldout"]) == (16, 60, 400, 200)
    assert 0 < cost["seconds"] < 600
    # TensorFlow alone takes more than 100 MiB.
    assert 2**27 < cost["peak_bytes"] < 2**33


def test_an_evaluation_of_two_numbers_is_refused():
    refused = call(PROGRAM, "--evaluation=60,400")
    check_refusal(refused, "--evaluation takes the numbers of generated, training and held-out images")


def test_a_cost_in_words():
    cost = EvaluationCost(64, 2000, 3500, 700, 81.4, 3 * 2**30)
    words = "evaluating 2,000 images of 64x64 against 3,500 training and 700 held-out slices: 81 s"
    assert str(cost) == f"{words}, at most 3.0 GiB of memory"
    assert str(EvaluationCost(64, 2000, 3500, 700, 81.4, None)) == words


def test_made_up_images_differ_and_belong_to_subjects_of_many_slices():
    slices = evaluation._made_up_slices(32, 310, seed=1)
    assert slices.images.shape[:3] == (310, 32, 32)
    assert len(np.unique(slices.images.reshape(310, -1), axis=0)) == 310
    assert list(np.unique(slices.subjects, return_counts=True)[1]) == [150, 150, 10]
