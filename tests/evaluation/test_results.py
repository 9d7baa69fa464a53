import dataclasses
import json

import numpy as np
import pytest

from mrisynth.errors import UserError
from mrisynth.evaluation.results import read_results, to_json, write_results
from mrisynth.privacy.verdict import COPIES_FOUND, Thresholds
from tests.report.example_evaluations import REASONS, make_evaluation

SMALL = {"samples": 2, "pairs": 4}


def test_the_document_holds_every_number_and_no_image(tmp_path):
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    write_results(evaluation, tmp_path / "results.json", "checksum of the report")
    document = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]
    assert document == to_json(evaluation) | {"report": {"checksum": "checksum of the report"}}
    assert document["faults"] == []
    assert document["unlike_the_data"] == ""
    assert (document["format"], document["format_version"]) == ("mrisynth results", 1)
    for name in ("short", "date", "environment", "generator", "data", "features"):
        assert document[name] == getattr(evaluation, name)
    assert not {"samples", "real", "interpolation"} & document.keys()
    assert document == read_results(tmp_path / "results.json")
    assert list(document["measures"]) == list(evaluation.measures)
    for key, measure in evaluation.measures.items():
        assert document["measures"][key] == dataclasses.asdict(measure)
    for name, values in document["spectra"]["image"].items():
        np.testing.assert_array_equal(values, getattr(evaluation.spectra["image"], name))


def test_the_answer_on_copies_comes_with_intervals_thresholds_and_percentiles():
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    privacy = to_json(evaluation)["privacy"]
    assert privacy["verdict"] == {
        "words": COPIES_FOUND,
        "reasons": list(REASONS[COPIES_FOUND]),
        "figures": [dataclasses.asdict(figure) for figure in evaluation.privacy.verdict.figures],
    }
    assert privacy["copies"] == 3
    assert privacy["thresholds"] == dataclasses.asdict(evaluation.privacy.thresholds)
    assert list(privacy["closeness"]) == ["gray_values", "features"]
    for distance, closeness in evaluation.privacy.closeness.items():
        found = privacy["closeness"][distance]
        for name in ("closer_share", "authenticity", "authenticity_heldout", "nearer_auc", "membership_auc"):
            assert found[name] == dataclasses.asdict(getattr(closeness, name))
        for name in ("generated", "heldout"):
            distances = getattr(closeness, name)
            assert found[name]["images"] == len(distances)
            percentiles = found[name]["percentiles"]
            assert len(percentiles) == 101
            assert percentiles == sorted(percentiles)
            assert percentiles[50] == np.median(distances)
            assert (percentiles[0], percentiles[-1]) == (distances.min(), distances.max())
    second = evaluation.privacy.closest_pairs[1]
    assert privacy["closest_pairs"][1] == {
        "ratio": second.ratio,
        "distance": second.distance,
        "correlation": second.correlation,
        "feature_distance": second.feature_distance,
        "mirrored": True,
        "shift": [2, -1],
        "copy": True,
    }


def numbers_of(value, path=()):
    """Every place of an evaluation's figures that holds floats, with the numbers there."""
    if isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype != np.uint8):
        yield path
    elif dataclasses.is_dataclass(value) and not isinstance(value, Thresholds):
        for field in dataclasses.fields(value):
            yield from numbers_of(getattr(value, field.name), (*path, field.name))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from numbers_of(item, (*path, key))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from numbers_of(item, (*path, index))


def with_number(value, path, number):
    """An evaluation with one of its numbers, or the first of an array, replaced."""
    if isinstance(value, np.ndarray):
        return np.concatenate([[number], value[1:]])
    if not path:
        return number
    first, *rest = path
    if dataclasses.is_dataclass(value):
        return dataclasses.replace(value, **{first: with_number(getattr(value, first), rest, number)})
    if isinstance(value, dict):
        return value | {first: with_number(value[first], rest, number)}
    return (*value[:first], with_number(value[first], rest, number), *value[first + 1 :])


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_whatever_is_not_a_number_is_null_and_named_and_the_rest_is_kept(number, tmp_path):
    evaluation = make_evaluation(COPIES_FOUND, **SMALL)
    whole = to_json(evaluation)
    paths = list(numbers_of(evaluation))
    assert len(paths) > 50
    for path in paths:
        spoilt = with_number(evaluation, path, number)
        document = json.loads(json.dumps(to_json(spoilt), allow_nan=False))
        assert document["faults"], path
        keys = [str(key) for key in path if not isinstance(key, int)]
        for fault in document["faults"]:
            assert fault.startswith(".".join(keys)), (fault, path)
        assert len(spoilt.faults) == 1
        for part in whole.keys() - {path[0], "faults", "unlike_the_data"}:
            assert document[part] == whole[part]
    spoilt = with_number(evaluation, ("measures", "ms_ssim", "real", "mean"), number)
    assert to_json(spoilt)["faults"] == ["measures.ms_ssim.real.mean"]
    assert spoilt.faults == ("Multiscale structural similarity (MS-SSIM), random pairs, of real images",)
    assert to_json(spoilt)["measures"]["ms_ssim"]["real"]["mean"] is None
    write_results(spoilt, tmp_path / "results.json", "")
    assert read_results(tmp_path / "results.json")["measures"]["recall"] == whole["measures"]["recall"]


def test_every_key_is_a_word_and_not_a_sentence():
    def keys(value):
        if isinstance(value, dict):
            for key, item in value.items():
                yield key
                yield from keys(item)
        elif isinstance(value, list):
            for item in value:
                yield from keys(item)

    assert [key for key in keys(to_json(make_evaluation(COPIES_FOUND, **SMALL))) if " " in key] == []


@pytest.mark.parametrize("text", ["{", "[]", '{"format": "mrisynth evaluation", "format_version": 1}'])
def test_what_is_not_results_is_refused_in_one_sentence(text, tmp_path):
    path = tmp_path / "results.json"
    assert read_results(path) is None
    path.write_text(text)
    with pytest.raises(UserError, match=rf"{path} cannot be read \(.*\); evaluate the run again"):
        read_results(path)
