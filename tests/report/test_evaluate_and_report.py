"""From a run and a data set to results.json and report.html; what is measured is made up."""

import dataclasses
import hashlib
import json
import math
import pathlib
import re
import shutil

import pytest

from mrisynth.data import read_manifest
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.evaluation.config import AT_END, EvaluationConfig, EvaluationSettings
from mrisynth.evaluation.results import FORMAT, FORMAT_VERSION, read_results
from mrisynth.export.from_run import export_run
from mrisynth.export_folder import ExportFolder
from mrisynth.metrics.estimates import Measure, Spread
from mrisynth.privacy.verdict import INCONCLUSIVE, NO_SIGN, UNKNOWN
from mrisynth.report import evaluate_and_report
from mrisynth.sampling.generators import open_export
from mrisynth.training.state import TrainingState
from tests.report.example_evaluations import make_conditional, make_evaluation
from tests.untrained_runs import NETWORK, SCHEDULE, make_state, write_run

HEAD = {"format": FORMAT, "format_version": FORMAT_VERSION}


@pytest.fixture
def evaluated(monkeypatch):
    """Stands in for the evaluator, and keeps what it is given."""
    given = []

    class Evaluator:
        def __init__(self, real, *_):
            given.append(real)

        def evaluate(self, sampler):
            real, made = given[-1], make_evaluation(samples=2, pairs=2)
            data = {**made.data, "fingerprint": real.fingerprint}
            return dataclasses.replace(made, generator=dict(sampler.facts), data=data)

    monkeypatch.setattr(evaluate_and_report, "Evaluator", Evaluator)
    return given


@pytest.fixture
def run_dir(tmp_path, small_dataset):
    fingerprint = read_manifest(small_dataset).fingerprint
    write_run(tmp_path / "run", make_state(), 8, small_dataset, fingerprint)
    return tmp_path / "run"


def asked(run_dir, output, data_dir=None):
    return EvaluationConfig(run_dir, None, data_dir, output, settings=AT_END)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_results_are_written_last(run_dir, tmp_path, evaluated, monkeypatch):
    order = []
    for name in ("write_report", "write_results"):
        write = getattr(evaluate_and_report, name)
        monkeypatch.setattr(
            evaluate_and_report,
            name,
            lambda *a, name=name, write=write, **k: (order.append(name), write(*a, **k))[1],
        )
    evaluate_and_report.evaluate_and_report(asked(run_dir, tmp_path / "out" / "deep"))
    assert order == ["write_report", "write_results"]
    report, results = (tmp_path / "out" / "deep" / name for name in ("report.html", "results.json"))
    checksum = hashlib.sha256(report.read_bytes()).hexdigest()
    assert json.loads(results.read_text())["report"]["checksum"] == checksum
    assert names(tmp_path / "out" / "deep") == ["report.html", "results.json"]


def file_in_the_way(output):
    output.parent.mkdir(parents=True)
    output.touch()


def file_above(output):
    file_in_the_way(output.parent)


def folder_in_the_way(output):
    (output / "results.json").mkdir(parents=True)


@pytest.mark.parametrize("spoil", [file_in_the_way, file_above, folder_in_the_way])
def test_a_folder_that_cannot_be_written_is_found_before_the_work(spoil, run_dir, tmp_path, evaluated):
    output = tmp_path / "out" / "a" / "b"
    spoil(output)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"--output={output} cannot be written"):
        evaluate_and_report.evaluate_and_report(asked(run_dir, output))
    assert evaluated == []
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("full_from", ["report.html", "results.json"])
def test_a_disk_that_fills_up_is_one_sentence(full_from, run_dir, tmp_path, evaluated, monkeypatch):
    open_file = pathlib.Path.open

    def fill(self, *arguments, **options):
        if full_from in self.name:
            raise OSError(28, "No space left on device")
        return open_file(self, *arguments, **options)

    monkeypatch.setattr(pathlib.Path, "open", fill)
    with pytest.raises(UserError, match=r"--output=.* cannot be written \(No space left on device, "):
        evaluate_and_report.evaluate_and_report(asked(run_dir, tmp_path / "out"))
    left = names(tmp_path / "out") if (tmp_path / "out").exists() else []
    assert left == ([] if full_from == "report.html" else ["report.html"])
    assert evaluate_and_report.evaluated_iterations(tmp_path / "out") is None


def test_a_data_set_that_was_moved_is_found_with_data_dir(run_dir, small_dataset, tmp_path, evaluated):
    gone = tmp_path / "gone"
    write_run(run_dir, make_state(), 8, gone, read_manifest(small_dataset).fingerprint)
    with pytest.raises(UserError, match=f"is not in {gone} any more; --data_dir can name where"):
        evaluate_and_report.evaluate_and_report(asked(run_dir, tmp_path / "out"))
    evaluate_and_report.evaluate_and_report(asked(run_dir, tmp_path / "out", small_dataset))


def test_phantoms_are_found_in_a_run_that_was_moved(small_dataset, tmp_path, evaluated):
    fingerprint = read_manifest(small_dataset).fingerprint
    write_run(tmp_path / "run", make_state(), 8, tmp_path / "gone", fingerprint, phantom_subjects=8)
    shutil.copytree(small_dataset, tmp_path / "run" / "phantoms" / "prepared")
    evaluate_and_report.evaluate_and_report(asked(tmp_path / "run", tmp_path / "out"))


def test_another_data_set_than_the_runs_is_refused(run_dir, small_dataset, tmp_path, evaluated):
    write_run(run_dir, make_state(), 8, small_dataset, "another")
    for data_dir in (None, small_dataset):
        with pytest.raises(UserError, match="--data_dir: .* is not the data set that.*trained on"):
            evaluate_and_report.evaluate_and_report(asked(run_dir, tmp_path / "out", data_dir))
    assert evaluated == []


def test_another_data_set_that_lacks_a_label_of_the_run_is_refused(tmp_path, small_dataset, evaluated):
    schema = LabelSchema((Label("participant/weight", LabelKind.CONTINUOUS, deviation=20.0),))
    state = TrainingState(NETWORK, "float32", seed=0, label_schema=schema)
    write_run(tmp_path / "run", state, 8, small_dataset, "another", label_schema=schema)
    with pytest.raises(UserError, match="--data_dir: .* is not the data set that.*trained on"):
        evaluate_and_report.evaluate_and_report(asked(tmp_path / "run", tmp_path / "out"))
    assert evaluated == []


def test_another_data_set_than_the_exports_is_refused(heads, small_dataset, tmp_path, evaluated):
    config = EvaluationConfig(None, heads, small_dataset, tmp_path / "out", settings=AT_END)
    ours, theirs = read_manifest(small_dataset).fingerprint[:12], open_export(heads).trained_on[:12]
    message = rf"--data_dir: .*{ours}\) is not the data set that --saved_model=.*heads/1 was .*{theirs}\)"
    with pytest.raises(UserError, match=message):
        evaluate_and_report.evaluate_and_report(config)
    assert evaluated == []


def test_of_a_model_that_does_not_say_what_it_was_trained_on_nothing_is_said_about_copying(
    bare, small_dataset, tmp_path
):
    settings = EvaluationSettings(images=40, pairs=20, repeats=2, draws=20, changed_copies=False)
    config = EvaluationConfig(None, bare, small_dataset, tmp_path, settings=settings)
    evaluation = evaluate_and_report.evaluate_and_report(config)
    results, page = read_results(tmp_path / "results.json"), (tmp_path / "report.html").read_text()
    assert set(results["privacy"]) == {"verdict"}
    assert results["privacy"]["verdict"]["words"] == UNKNOWN
    assert results["measures"]["swd/16"]["generated"]["mean"] > 0
    assert "<h1>Nothing can be said about copying</h1>" in page
    assert 'class="verdict good"' not in page
    said = evaluate_and_report.summary(evaluation, tmp_path)
    assert UNKNOWN in said
    assert "does not say which data set it was trained on" in said


def test_a_report_tells_which_of_three_models_it_belongs_to(small_dataset, tmp_path, evaluated):
    fingerprint, runs, exports = read_manifest(small_dataset).fingerprint, [], []
    for number in range(3):
        state, run = make_state(), tmp_path / str(number)
        state.average.set_weights([weight + number for weight in state.average.get_weights()])
        write_run(run, state, SCHEDULE.iterations, small_dataset, fingerprint)
        runs.append(run)
        exports.append(export_run(run, run / "heads"))
    cards = [ExportFolder(export).read_card() for export in exports]
    for source, keys in (
        ((runs[1], None), ["weights_checksum"]),
        ((None, exports[1]), ["weights_checksum", "checksum"]),
    ):
        config = EvaluationConfig(*source, small_dataset, tmp_path / "out", settings=AT_END)
        evaluate_and_report.evaluate_and_report(config)
        page, results = (tmp_path / "out" / name for name in ("report.html", "results.json"))
        verdict = re.search("<h1>.*?</section>", page.read_text(), re.DOTALL).group()
        results = read_results(results)
        for key in keys:
            belongs = [card["model"][key][:12] in verdict for card in cards]
            assert belongs == [card["model"][key] == results["generator"][key] for card in cards]
            assert belongs == [False, True, False]
        assert fingerprint[:12] in verdict
        assert {fingerprint} == {
            results["data"]["fingerprint"],
            *(card["data"]["fingerprint"] for card in cards),
        }
        assert ("heads, version 1, exported on" if source[1] else "run, at iteration 10") in verdict


@pytest.mark.parametrize(
    ("text", "iterations"),
    [
        (json.dumps({**HEAD, "generator": {"iterations": 7}}), 7),
        (json.dumps({**HEAD, "generator": {}}), None),
        ('{"generator": {"iterations": 7}}', None),
        ("[]", None),
        ("{", None),
        (None, None),
    ],
)
def test_how_far_a_run_was_when_it_was_evaluated(text, iterations, tmp_path):
    if text is not None:
        (tmp_path / "results.json").write_text(text)
    assert evaluate_and_report.evaluated_iterations(tmp_path) == iterations


def test_the_short_form_says_so(tmp_path):
    settings = {"words": NO_SIGN, "samples": 2, "pairs": 2}
    short = evaluate_and_report.summary(make_evaluation(**settings, short=True), tmp_path)
    assert f"\ncopying (short form, 2,000 images): {NO_SIGN}\n" in short
    whole = evaluate_and_report.summary(make_evaluation(**settings), tmp_path)
    assert f"\ncopying: {NO_SIGN}\n" in whole
    row = "generated, as many              2,093   0.524 (0.400 to 0.620)   80.0 % (70.0 to 90.0)"
    assert f"\n{row}\n" in whole
    assert "generated, as many" not in short


def test_what_inconclusive_means_is_one_line_on_the_screen(tmp_path):
    said = evaluate_and_report.summary(make_evaluation(INCONCLUSIVE, samples=2, pairs=2), tmp_path)
    words = "Copying is neither shown nor excluded. With few subjects"
    assert f"\ncopying: {INCONCLUSIVE}\n" in said
    assert f"\n  {words}" in said
    clear = evaluate_and_report.summary(make_evaluation(NO_SIGN, samples=2, pairs=2), tmp_path)
    assert "neither shown" not in clear


def test_what_is_not_a_number_and_images_unlike_the_data_are_named_on_the_screen(tmp_path):
    evaluation = make_evaluation(NO_SIGN, samples=2, pairs=2)
    whole = evaluate_and_report.summary(evaluation, tmp_path)
    assert "not a number" not in whole
    assert "like the data" not in whole
    spreads = {"frechet": (374.0, 3.8), "precision": (0.0, 0.8), "ms_ssim": (math.nan, 0.3)}
    measures = {key: Measure(*(Spread(value, 0.0) for value in pair)) for key, pair in spreads.items()}
    spoilt = dataclasses.replace(evaluation, measures={**evaluation.measures, **measures})
    said = evaluate_and_report.summary(spoilt, tmp_path)
    assert f"copying: {NO_SIGN}\n  The images are not like the data: " in said
    assert (
        "\nnot a number: Multiscale structural similarity (MS-SSIM), random pairs, of generated images\n"
        in said
    )


def test_what_was_asked_for_and_what_came_is_said_on_the_screen(tmp_path):
    evaluation = make_conditional(samples=2, pairs=2)
    said = evaluate_and_report.summary(evaluation, tmp_path)
    assert evaluation.fidelity.summary in said
    (row,) = (line.split() for line in said.splitlines() if line.startswith("participant/age, mean"))
    assert row[-2:] == ["14.2", "9.10"]
