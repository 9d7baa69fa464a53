"""tools/evaluate.py, and the evaluation in and at the end of a run, as a user starts them."""

import json
import pathlib
import re
import shutil
import types

import pytest
import tensorflow as tf

from mrisynth.data import prepare_dataset
from mrisynth.export.from_run import export_run
from mrisynth.export_folder import ExportFolder
from mrisynth.metrics import registry
from tests.export import private_run
from tests.programs import TRAIN, call, start
from tests.training.events import logged, logged_scalars
from tests.training_flags import EVALUABLE

PROGRAM = "tools/evaluate.py"
SMALL = ["--images=100", "--pairs=100", "--draws=50", "--nochanged_copies"]
# A process that has run deterministically stays so: whatever else the tests do in this one would be slow.
UNWATCHED = [flag for flag in EVALUABLE if not flag.startswith("--eval_interval")]
AGAIN = [flag for flag in EVALUABLE if flag != "--deterministic"]


def read_results(folder):
    return json.loads((folder / "results.json").read_text())


def test_a_run_ends_with_the_short_form(evaluable_run):
    result, run_dir = evaluable_run.ended, evaluable_run.folder
    results = read_results(run_dir / "evaluation")
    assert results["short"] is True
    assert results["data"]["generated_images"] == 2000
    assert results["data"]["pairs"] == 2100
    assert results["generator"]["finished"] == "yes"
    assert "copying (short form, 2,000 images): " in result.stdout
    assert result.stdout.startswith("Finished: ")
    assert "report.html" in result.stdout
    assert "short form" in (run_dir / "evaluation" / "report.html").read_text()


def test_the_model_card_of_a_runs_export_has_the_evaluation(evaluable_run):
    run_dir = evaluable_run.folder
    results = read_results(run_dir / "evaluation")
    found = ExportFolder(run_dir / "saved_model" / "1").read_card()["evaluation"]
    assert found["measures"] == results["measures"]
    assert found["privacy"]["verdict"] == results["privacy"]["verdict"]


def test_what_eval_interval_measures_is_in_tensorboard(evaluable_run):
    found = logged_scalars(evaluable_run.folder)
    # 80 images of 16x16, so five times; 4x4 and 8x8 are too small.
    assert len(found["quality/swd/16"]) == 5
    assert {"quality/swd/mean_real", "quality/ms_ssim", "copying/membership_auc_gray_values"} <= set(found)
    for name, values in found.items():
        assert not (name.startswith("quality/") and name.endswith("_real")) or len(set(values)) == 1


def test_the_evaluation_at_the_end_is_in_tensorboard_with_its_table(evaluable_run):
    run_dir = evaluable_run.folder
    results, found = read_results(run_dir / "evaluation"), logged(run_dir, "scalars")
    for key, measure in results["measures"].items():
        ((step, value),) = found[f"result/quality/{key}"]
        # All images of the run.
        assert step == found["progress/iteration"][-1][0]
        assert float(tf.make_ndarray(value.tensor)) == pytest.approx(measure["generated"]["mean"])
        assert registry.find(key)[0].explanation in value.metadata.summary_description
    ((_, text),) = logged(run_dir, "text")["final_evaluation"]
    table = tf.make_ndarray(text.tensor).item().decode().strip("`\n")
    assert table in evaluable_run.ended.stdout
    assert results["privacy"]["verdict"]["words"] in table


@pytest.mark.slow
def test_the_tool_evaluates_a_run(evaluable_run, small_dataset, tmp_path):
    run_dir = evaluable_run.folder
    result = start(PROGRAM, *SMALL, f"--run_dir={run_dir}", f"--output={tmp_path}")
    assert result.returncode == 0, result.stderr
    results = read_results(tmp_path)
    assert results["short"] is False
    assert results["data"]["generated_images"] == 100
    assert results["generator"]["model"] == "b"
    page = (tmp_path / "report.html").read_text()
    assert results["privacy"]["verdict"]["words"] in page
    for secret in (str(small_dataset), str(run_dir), "sub-0"):
        assert secret not in page
        assert secret not in json.dumps(results)


def test_the_tool_evaluates_a_saved_model_alike(evaluable_run, small_dataset, tmp_path):
    """The run's average and its export are one generator."""
    run_dir = evaluable_run.folder
    for name, source in (("run", f"--run_dir={run_dir}"), ("export", f"--saved_model={run_dir}/saved_model")):
        result = call(PROGRAM, *SMALL, source, f"--data_dir={small_dataset}", f"--output={tmp_path / name}")
        assert result.returncode == 0, result.stderr
    measured = [read_results(tmp_path / name)["measures"] for name in ("run", "export")]
    for key, measure in measured[0].items():
        assert measure["generated"]["mean"] == pytest.approx(measured[1][key]["generated"]["mean"], rel=0.02)


def test_the_export_of_a_run_gets_the_verdict_of_a_later_evaluation(private_data, tmp_path, monkeypatch):
    run_dir = tmp_path / "run"
    private_run.write_run(run_dir, private_data)
    card = ExportFolder(export_run(run_dir, run_dir / "saved_model"))

    def evaluate(config):
        private_run.write_evaluation(run_dir)
        return types.SimpleNamespace(faults=())

    assert card.read_card()["evaluation"] is None
    monkeypatch.setattr("mrisynth.report.evaluate_and_report.evaluate_and_report", evaluate)
    monkeypatch.setattr("mrisynth.report.evaluate_and_report.summary", lambda *_: "")
    assert call(PROGRAM, f"--run_dir={run_dir}", f"--output={tmp_path / 'elsewhere'}").returncode == 0
    assert card.read_card()["evaluation"] is None
    assert call(PROGRAM, f"--run_dir={run_dir}").returncode == 0
    assert card.read_card()["evaluation"]["privacy"]["verdict"]["words"] == "inconclusive"


def test_real_slices_can_be_kept_out_of_the_report(evaluable_run, tmp_path):
    run_dir = evaluable_run.folder
    result = call(PROGRAM, *SMALL, f"--run_dir={run_dir}", f"--output={tmp_path}", "--noshow_real")
    assert result.returncode == 0, result.stderr
    assert "as confidential as the scans" not in (tmp_path / "report.html").read_text()


def test_a_figure_that_is_not_a_number_costs_no_other(evaluable_run, tmp_path, monkeypatch):
    described, _ = registry._REGISTERED["ms_ssim"]
    registered = {**registry._REGISTERED, "ms_ssim": (described, lambda _: {"ms_ssim": float("nan")})}
    monkeypatch.setattr(registry, "_REGISTERED", registered)
    result = call(PROGRAM, *SMALL, f"--run_dir={evaluable_run.folder}", f"--output={tmp_path}")
    assert result.returncode == 1
    line = result.stderr.replace("\r", "\n").splitlines()[-1]
    assert line.startswith(f"error: not every figure is a number; {tmp_path}/results.json has the others")
    assert (
        "not a number: Multiscale structural similarity (MS-SSIM), random pairs, of generated"
        in result.stdout
    )
    results = read_results(tmp_path)
    assert "measures.ms_ssim.generated.mean" in results["faults"]
    assert results["measures"]["ms_ssim"]["generated"] == {"mean": None, "standard_deviation": None}
    assert results["measures"]["swd/16"]["generated"]["mean"] > 0
    assert 'class="verdict good"' not in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give --run_dir, or --saved_model with --data_dir"),
        (["--saved_model=X"], "--saved_model needs --data_dir"),
        (["--run_dir=/nowhere"], "--run_dir=/nowhere holds no run"),
        (["--saved_model=/nowhere", "--data_dir=DATA"], "--saved_model=/nowhere is not a folder"),
        (["--saved_model=OTHER", "--data_dir=DATA"], "not a generator that mrisynth exported"),
        (["--saved_model=WIDE", "--data_dir=DATA"], r"gives images of shape \[None, 16, 8, 1\]"),
        (["--saved_model=NAN", "--data_dir=DATA"], "pixels that are not finite"),
        (["--saved_model=FLAT", "--data_dir=DATA"], "generated images are the same image"),
        (["--saved_model=LARGE", "--data_dir=DATA"], "prepared at --resolution=16, 32 is asked for"),
        (["--saved_model=SMALL", "--data_dir=DATA"], "8x8 are too small to evaluate; 16x16 is the least"),
        (["--run_dir=RUN", "--images=5"], "--images=5 is too few; use at least 20"),
        (["--run_dir=RUN", "--copy_ratio=2"], "--copy_ratio=2.0 must be more than 0 and less than 1"),
        (["--run_dir=RUN", "--pairs=30"], "--pairs=30 are too few for --repeats=4; use at least 40"),
        (["--run_dir=RUN", "--data_dir=NOHELDOUT"], "is not the data set that --run_dir=.* was trained on"),
        (
            ["--saved_model=RUN/saved_model", "--data_dir=NOHELDOUT"],
            r"fingerprint \w{12}\) is not the data set that --saved_model=.* was trained on",
        ),
        (["--saved_model=FLAT", "--data_dir=NOHELDOUT"], "no held-out subjects.*--holdout=0.2"),
        (["--run_dir=RUN", "--features=/nowhere"], "--features=/nowhere is not there; give a SavedModel's"),
        (["--run_dir=RUN", "--output=RUN/config.json"], "--output=.*config.json cannot be written"),
    ],
)
def test_faults_are_one_sentence(flags, message, evaluable_run, small_dataset, models, no_heldout, tmp_path):
    run_dir = evaluable_run.folder
    places = {"DATA": small_dataset, "RUN": run_dir, "NOHELDOUT": no_heldout, **models}
    for name, path in places.items():
        flags = [re.sub(rf"=\b{name}\b", f"={path}", flag) for flag in flags]
    result = call(PROGRAM, *SMALL, f"--output={tmp_path / 'out'}", *flags)  # The last --output is taken.
    assert result.returncode == 1
    assert result.stdout == ""
    line = result.stderr.replace("\r", "\n").splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(message, line), line
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def no_heldout(tmp_path_factory, small_dataset):
    folder = tmp_path_factory.mktemp("no_heldout")
    prepare_dataset(
        input=str(small_dataset.parent / "scans"),
        output=str(folder / "data"),
        voxel_size=5.0,
        field_of_view=160.0,
        resolution=16,
        holdout=0.0,
        num_workers=1,
    )
    return folder / "data"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """SavedModels that cannot be evaluated, by name."""
    folder = tmp_path_factory.mktemp("models")

    def save(name, shape, value):
        module = tf.Module()

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="latents")])
        def serve(latents):
            images = tf.zeros([1, *shape, 1]) + value + 0 * tf.reduce_sum(latents, 1)[:, None, None, None]
            return {"images": tf.ensure_shape(images, [None, *shape, 1])}

        tf.saved_model.save(module, str(folder / name / "1"), signatures={"serving_default": serve})
        return folder / name

    other = tf.Module()
    other.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(other, str(folder / "OTHER" / "1"), signatures={"serving_default": other.double})
    return {
        "OTHER": folder / "OTHER",
        "WIDE": save("WIDE", (16, 8), 0.0),
        "NAN": save("NAN", (16, 16), float("nan")),
        "FLAT": save("FLAT", (16, 16), 0.5),
        "LARGE": save("LARGE", (32, 32), 0.0),
        "SMALL": save("SMALL", (8, 8), 0.0),
    }


def test_a_finished_run_is_not_evaluated_again(evaluable_run, small_dataset):
    run_dir = evaluable_run.folder
    before = (run_dir / "evaluation" / "results.json").stat().st_mtime_ns
    result = call(TRAIN, f"--data_dir={small_dataset}", f"--run_dir={run_dir}", *AGAIN)
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1
    assert (run_dir / "evaluation" / "results.json").stat().st_mtime_ns == before


def test_a_finished_run_whose_evaluation_is_of_before_is_evaluated(evaluable_run, small_dataset, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(evaluable_run.folder, run_dir)
    results = read_results(run_dir / "evaluation")
    early = {**results, "generator": {**results["generator"], "iterations": 7}}
    (run_dir / "evaluation" / "results.json").write_text(json.dumps(early))
    result = call(TRAIN, f"--data_dir={small_dataset}", f"--run_dir={run_dir}", *AGAIN)
    assert result.returncode == 0, result.stderr
    assert "is finished" in result.stdout.splitlines()[0]
    assert "copying (short form" in result.stdout
    assert read_results(run_dir / "evaluation")["generator"] == results["generator"]


@pytest.mark.slow
def test_watching_does_not_change_the_run(evaluable_run, small_dataset, tmp_path):
    run_dir = evaluable_run.folder
    result = start(TRAIN, f"--data_dir={small_dataset}", f"--run_dir={tmp_path / 'run'}", *UNWATCHED)
    assert result.returncode == 0, result.stderr
    weights = pathlib.Path("saved_model", "1", "variables", "variables.data-00000-of-00001")
    assert (run_dir / weights).read_bytes() == (tmp_path / "run" / weights).read_bytes()


@pytest.mark.slow
def test_without_a_heldout_side_a_run_ends_all_the_same(no_heldout, tmp_path):
    flags = [f"--data_dir={no_heldout}", f"--run_dir={tmp_path / 'run'}", *UNWATCHED]
    result = start(TRAIN, *flags)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("Finished: ")
    assert "Not evaluated: --data_dir" in result.stdout
    assert (tmp_path / "run" / "saved_model" / "1").is_dir()
    shutil.rmtree(tmp_path / "run")
    watched = call(TRAIN, *flags, "--eval_interval=16")
    assert watched.returncode == 1
    assert "no slice of" in watched.stderr
