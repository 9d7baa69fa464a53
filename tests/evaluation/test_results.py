import dataclasses
import json

import numpy as np
import pytest

from mrisynth.evaluation.document import to_json, write_results
from mrisynth.metrics.estimates import Spread
from mrisynth.privacy.verdict import COPIES_FOUND
from tests.report.made_evaluations import REASONS, make_evaluation

SMALL = {"samples": 2, "pairs": 4}


def test_the_document_holds_every_number_and_no_image(tmp_path):
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    write_results(evaluation, tmp_path / "results.json")
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]
    assert document == to_json(evaluation)
    assert (document["format"], document["format_version"]) == ("mrisynth evaluation", 1)
    for name in ("short", "date", "environment", "generator", "data", "features"):
        assert document[name] == getattr(evaluation, name)
    assert not {"samples", "real", "interpolation"} & document.keys()
    for measure in evaluation.measures:
        assert document["measures"][measure.key] == {
            name: value for name, value in dataclasses.asdict(measure).items() if name != "key"
        }
    for name, values in document["spectrum"].items():
        np.testing.assert_array_equal(values, getattr(evaluation.spectrum, name))


def test_the_answer_on_copies_comes_with_intervals_thresholds_and_percentiles():
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    privacy = to_json(evaluation)["privacy"]
    assert privacy["verdict"] == COPIES_FOUND
    assert privacy["reasons"] == list(REASONS[COPIES_FOUND])
    assert privacy["copies"] == 3
    assert privacy["thresholds"] == evaluation.privacy.thresholds
    for closeness in evaluation.privacy.closeness:
        found = privacy["closeness"][closeness.measure]
        for name in ("closer_share", "authenticity", "authenticity_heldout", "c_t", "membership_auc"):
            assert found[name] == dataclasses.asdict(getattr(closeness, name))
        for name in ("generated", "heldout"):
            distances = getattr(closeness, name)
            assert found[name]["images"] == len(distances)
            percentiles = found[name]["percentiles"]
            assert len(percentiles) == 101
            assert percentiles == sorted(percentiles)
            assert percentiles[50] == np.median(distances)
            assert (percentiles[0], percentiles[-1]) == (distances.min(), distances.max())
    second = evaluation.privacy.pairs[1]
    assert privacy["closest_pairs"][1] == {
        "correlation": second.correlation,
        "feature_distance": second.feature_distance,
        "mirrored": True,
        "shift": [2, -1],
        "copy": True,
    }


def test_what_is_not_a_number_is_not_written(tmp_path):
    evaluation = make_evaluation(**SMALL)
    measure = dataclasses.replace(evaluation.measures[0], real=Spread(float("nan"), 0.0))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_results(dataclasses.replace(evaluation, measures=(measure,)), tmp_path / "results.json")
    assert list(tmp_path.iterdir()) == []


def test_two_measures_with_one_key_are_refused():
    evaluation = make_evaluation(**SMALL)
    with pytest.raises(ValueError, match="share a key"):
        to_json(dataclasses.replace(evaluation, measures=evaluation.measures[:1] * 2))
