import json

import pytest

from mrisynth.atomic_io import write_json_aside
from mrisynth.comparison.results import JSON_NAME, TABLE_NAME, evaluation_of, write_comparison
from mrisynth.evaluation.results import FORMAT, FORMAT_VERSION
from tests.comparison.plans import planned

# Recall and MS-SSIM of models a and b by seed. Recall of the last b is not a number.
MEASURED = {
    "a": [(0.1, 0.5), (0.2, 0.5), (0.3, 0.4)],
    "b": [(0.2, 0.3), (0.4, 0.2), (None, 0.1)],
}


def evaluate(run, recall, ms_ssim, images=2000, utility=None, **generator):
    """Writes results.json of a run."""

    def measure(mean, real):
        return {
            side: {"mean": value, "standard_deviation": 0.01}
            for side, value in (("generated", mean), ("real", real))
        }

    results = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "generator": {"iterations": run.training.schedule.iterations, **generator},
        "data": {"generated_images": images},
        "utility": utility,
        "measures": {"recall": measure(recall, 0.9), "ms_ssim": measure(ms_ssim, 0.2)},
    }
    run.training.folder.evaluation.mkdir(parents=True)
    write_json_aside(run.training.folder.results, results)


@pytest.fixture
def config(tmp_path):
    return planned("DATA", tmp_path, "--seeds=3")


def evaluate_all(runs):
    for run in runs:
        evaluate(run, *MEASURED[run.model][run.seed])


def written(config):
    return json.loads((config.output / JSON_NAME).read_text())


def test_the_differences_of_all_pairs(config):
    evaluate_all(config.runs)
    table = write_comparison(config)
    (found,) = written(config)["differences"]
    assert (found["first"], found["second"]) == ("a", "b")
    recall, ms_ssim = (found["measures"][key] for key in ("recall", "ms_ssim"))
    # Higher is better: 0.1 and 0.2 more; the pair with a number that is none is left out.
    assert (recall["pairs"], recall["better"], recall["worse"]) == (2, 2, 0)
    assert recall["difference"]["value"] == pytest.approx(0.15)
    assert recall["first"]["mean"] == pytest.approx(0.15)
    # Like real, 0.2, is better: distances of 0.3, 0.3, 0.2 become 0.1, 0.0, 0.1.
    assert (ms_ssim["pairs"], ms_ssim["better"]) == (3, 3)
    assert ms_ssim["difference"]["value"] == pytest.approx(-0.2)
    assert ms_ssim["sign_test"] == pytest.approx(2 / 8)
    (row,) = (line for line in table.splitlines() if line.startswith("| Multiscale"))
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    assert cells[:4] == ["like real", "0.200", "0.467 ± 0.058", "0.20 ± 0.10"]
    assert cells[4:] == ["-0.200 (-0.448 to 0.0484)", "0.310", "3 of 3", "0.25"]
    assert (config.output / TABLE_NAME).read_text() == table
    runs = {(run["model"], run["seed"]): run["measures"] for run in written(config)["runs"]}
    assert runs["b", 1]["recall"]["mean"] == 0.4
    assert runs["b", 2]["recall"]["mean"] is None


def test_what_is_not_complete_is_left_out(config):
    evaluate_all(config.runs[:3])
    assert "Not two pairs have been evaluated yet." in write_comparison(config)
    evaluate_all(config.runs[3:4])
    write_comparison(config)
    assert written(config)["differences"][0]["measures"]["ms_ssim"]["pairs"] == 2


def test_every_pair_of_models_is_compared(tmp_path):
    config = planned("DATA", tmp_path, "--seeds=2", "--models=a,b,d", "--attention_generator=16")
    table = write_comparison(config)
    assert [line for line in table.splitlines() if line.startswith("## ")] == [
        "## Model b less model a",
        "## Model d less model a",
        "## Model d less model b",
    ]


def test_only_the_evaluation_of_a_finished_run_with_as_many_images_counts(config):
    first, second, third, *_ = config.runs
    evaluate(first, 0.1, 0.5, iterations=1)
    evaluate(second, 0.1, 0.5, images=50)
    evaluate(third, 0.1, 0.5)
    assert evaluation_of(first) is None
    assert evaluation_of(second) is not None
    write_comparison(config)
    assert [(run["model"], run["seed"]) for run in written(config)["runs"]] == [("a", 1)]
    third.training.folder.results.write_text("{")
    assert evaluation_of(third) is None


def test_utility_is_compared_where_it_is_asked_for(tmp_path):
    config = planned("DATA", tmp_path, "--seeds=2", "--utility=segmentation")
    for run in config.runs[:3]:
        dice = {"real": 0.8, "generated": 0.5 + 0.1 * (run.model == "b") + 0.01 * run.seed}
        rows = {name: {"score": {"value": value}} for name, value in dice.items()}
        evaluate(run, 0.1, 0.5, utility={"task": "segmentation", "rows": rows})
    evaluate(config.runs[3], 0.1, 0.5, utility={"task": "classification", "rows": {}})
    assert "Not two pairs" in write_comparison(config)
    results = evaluation_of(config.runs[2])
    results["utility"]["rows"]["generated"]["score"]["value"] = 0.71
    write_json_aside(config.runs[3].training.folder.results, results)
    assert "| Utility, generated | higher | 0.800 |" in write_comparison(config)
    found = written(config)["differences"][0]["measures"]["utility/generated"]
    assert found["difference"]["value"] == pytest.approx((0.1 + 0.2) / 2)
    assert (found["pairs"], found["better"]) == (2, 2)
    assert "utility/real" not in written(config)["differences"][0]["measures"]
