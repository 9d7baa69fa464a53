"""What a model card says of a run."""

import dataclasses
import json
import statistics

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import read_manifest
from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.storing.manifest import write_manifest
from mrisynth.evaluation.results import to_json
from mrisynth.export.from_run import export_run
from mrisynth.export.model_card import describe, to_markdown
from mrisynth.export_folder import ExportFolder
from mrisynth.privacy.verdict import Thresholds
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.generators import open_export, open_run
from mrisynth.sampling.provenance import Provenance
from mrisynth.training.ema import load_average
from mrisynth.training.origin import Origin, TrainingData
from mrisynth.training.state import TrainingState
from tests import untrained_runs
from tests.export import private_run
from tests.report.example_evaluations import make_conditional, make_utility
from tests.untrained_runs import SCHEDULE

pytestmark = pytest.mark.both_stacks


def test_the_card_says_what_was_trained_on_what(private_data, ended_run, heads):
    card = ExportFolder(heads).read_card()
    manifest = read_manifest(private_data)
    assert card["model"] == {
        "name": "heads",
        "letter": "c",
        "resolution": 16,
        "channels": ["FLAIR"],
        "latent_size": 8,
        "parameters": card["model"]["parameters"],
        "weights_checksum": load_average(ended_run).checksum,
        "checksum": ExportFolder(heads).checksum,
        "attention_generator": [8],
        "attention_discriminator": [],
        "bilinear_resampling": False,
        "noise_inputs": False,
    }
    assert "labels" not in card
    variables = tf.train.load_checkpoint(str(heads / "variables" / "variables")).get_variable_to_shape_map()
    sizes = [int(np.prod(shape)) for name, shape in variables.items() if "generator_variables" in name]
    assert card["model"]["parameters"] == sum(sizes)
    assert card["training"]["images_shown"] == SCHEDULE.images
    assert card["training"]["precision"] == "mixed_bfloat16"
    assert card["training"]["schedule"]["fade_images"] == 16
    sides = {side: split for side, split in manifest.splits.items()}
    assert card["data"]["training"] == {
        "subjects": len(sides["train"].subjects),
        "slices": sides["train"].slices,
    }
    assert card["data"]["held_out"]["slices"] == sides["heldout"].slices
    assert card["data"]["files_used"] == 8
    assert card["data"]["fingerprint"] == manifest.fingerprint
    page = ExportFolder(heads).card_page.read_text()
    for checksum in (manifest.fingerprint, card["model"]["checksum"], card["model"]["weights_checksum"]):
        assert checksum in page
    assert card["preparation"]["voxel_size"] == 5.0
    assert card["geometry"]["plane"] == "axial"
    assert card["geometry"]["field_of_view_mm"] == 160
    assert card["geometry"]["pixel_size_mm"] == 10
    assert card["geometry"]["slice_spacing_mm"] == 5
    trained = [source for source in manifest.used if source.split == "train"]
    ranges = [source.intensity_range for source in trained]
    assert card["intensity"]["range"] == [statistics.median(ends) for ends in zip(*ranges, strict=True)]
    thicknesses = [source.slice_thickness_mm for source in trained]
    median, ends = statistics.median(thicknesses), [min(thicknesses), max(thicknesses)]
    assert (card["geometry"]["slice_thickness_mm"], card["geometry"]["slice_thickness_range_mm"]) == (
        median,
        ends,
    )
    assert card["geometry"]["slice_spacing_range_mm"] == [5, 5]
    assert card["geometry"]["scans_with_acquired_slices"] == sum(source.acquired for source in trained)
    assert f"| {median:.3g} mm in the median training scan, {ends[0]:g} to {ends[1]:g} mm in all |" in page
    assert "| distance from slice to slice | 5 mm |" in page
    assert 0 < len(trained) < len(manifest.used)


def test_phantoms_are_said_to_be_phantoms(private_data, tmp_path):
    write_manifest(dataclasses.replace(read_manifest(private_data), phantoms=True), tmp_path)
    private_run.write_run(tmp_path / "run", tmp_path)
    card = ExportFolder(export_run(tmp_path / "run", tmp_path / "model")).read_card()
    assert card["data"]["kind"] == "phantoms"


def test_the_card_says_whose_scans_the_first_weights_had_seen(private_data, tmp_path):
    """A model of phantoms that was started from one of patients is one of patients."""
    write_manifest(dataclasses.replace(read_manifest(private_data), phantoms=True), tmp_path)
    for kind, phantoms in (("phantoms", True), ("scans", False)):
        data = (TrainingData("newer", True), TrainingData("oldest", phantoms))
        origin = Origin("first", data, tmp_path / "geheim")
        private_run.write_run(tmp_path / kind / "run", tmp_path, origin=origin)
        folder = ExportFolder(export_run(tmp_path / kind / "run", tmp_path / kind / "model"))
        card, page = folder.read_card(), folder.card_page.read_text()
        assert card["data"]["kind"] == kind
        assert card["data"]["first_weights"] == {
            "weights_checksum": "first",
            "data": [
                {"fingerprint": "newer", "kind": "phantoms"},
                {"fingerprint": "oldest", "kind": kind},
            ],
        }
        assert "fingerprint oldest |" in page
        assert ("was started from a model of patients' scans" in page) is not phantoms
        assert "geheim" not in page + json.dumps(card)
        sampler = open_export(folder.path)
        assert sampler.earlier_data == open_run(tmp_path / kind / "run")[0].earlier_data == data
        assert Provenance.of(sampler).phantoms is phantoms


def test_labels_that_the_model_knows_stand_in_the_card(small_dataset, tmp_path):
    """Of 6 subjects no number is told, whatever is drawn has unknown labels."""
    schema = label_schema(small_dataset, ("position_mm",))
    state = TrainingState(untrained_runs.NETWORK, "float32", seed=0, label_schema=schema)
    settings = {"conditions": ("position_mm",), "label_schema": schema}
    fingerprint = read_manifest(small_dataset).fingerprint
    run = (tmp_path / "run", state, SCHEDULE.iterations, small_dataset, fingerprint)
    untrained_runs.write_run(*run, **settings)
    folder = ExportFolder(export_run(tmp_path / "run", tmp_path / "model"))
    (label,) = folder.read_card()["labels"]["labels"]
    assert (label["name"], label["input"], label["kind"]) == ("position_mm", "position_mm", "continuous")
    assert label["bins"] == []
    assert label["range"] == pytest.approx(schema.labels[0].reach)
    assert folder.read_card()["labels"]["cells"] == [{"values": [None], "weight": 1.0, "subjects": None}]
    page = folder.card_page.read_text()
    low, high = label["range"]
    assert f"| position_mm | position_mm | {low:g} to {high:g} |" in page
    assert "| unknown | fewer than 10 | 100.0% |" in page
    sampler, (of_run, _) = open_export(folder.path), open_run(tmp_path / "run")
    assert sampler.label_schema == of_run.label_schema == schema
    asked = [Condition.read(f"position_mm={low}:{high}")]
    drawn = [each.asking(asked, force=True).draw(5, 4) for each in (sampler, of_run)]
    np.testing.assert_allclose(*drawn, atol=1e-5)


def test_limits_that_are_not_mrisynths_stand_in_the_card_and_no_others(private_data, ended_run):
    results = json.loads((ended_run / "evaluation" / "results.json").read_text())
    average, manifest = load_average(ended_run), read_manifest(private_data)
    for changed in ({}, {"max_membership_auc": 0.99}):
        results["privacy"]["thresholds"] = dataclasses.asdict(Thresholds(**changed))
        card = describe("heads", average, manifest, results)
        assert card["evaluation"]["privacy"].get("thresholds", {}) == changed
        said = "The verdict is by other limits than mrisynth's: max_membership_auc 0.99 (not 0.7)."
        assert (said in card["limits"]) == bool(changed)


@pytest.mark.parametrize("channels", [("FLAIR", "T1w", "lesion mask"), ("image", "lesion mask")])
def test_every_contrast_has_its_own_intensities(channels, private_data, ended_run):
    """Of channels by what lies beside each scan, in any letters; of samples by each scan's own."""
    average, manifest = load_average(ended_run), read_manifest(private_data)
    number, changed = 0, []
    for source in manifest.sources:
        found = {"intensity_range": (0.0, 10.0)}
        if source.split == "train" and channels[0] != "image":
            found["others"] = {"t1w": {"checksum": "c", "intensity_range": [number, 100 + number]}}
        elif source.split == "train" and number % 2:
            found = {"suffix": "T1w", "intensity_range": (number, 100 + number)}
        number += source.split == "train"
        changed.append(dataclasses.replace(source, **found))
    manifest = dataclasses.replace(manifest, sources=tuple(changed), channels=channels)
    card = describe("heads", average, manifest, None)
    t1 = [source for source in range(number) if channels[0] != "image" or source % 2]
    middle = statistics.median(t1)
    assert card["intensity"]["ranges"] == {"FLAIR": [0, 10], "T1w": [middle, 100 + middle]}
    page = to_markdown({**card, "model": {**card["model"], "checksum": "c" * 64}})
    assert "| -1 and 1 stand for, FLAIR | 0 and 10 |" in page
    assert f"| -1 and 1 stand for, T1w | {middle:g} and {100 + middle:g} |" in page


def test_what_networks_reach_stands_in_the_card_where_it_was_tried_out(private_data, ended_run):
    results = json.loads((ended_run / "evaluation" / "results.json").read_text())
    average, manifest = load_average(ended_run), read_manifest(private_data)
    assert "utility" not in describe("heads", average, manifest, results)["evaluation"]
    results["utility"] = json.loads(json.dumps(dataclasses.asdict(make_utility())))
    card = describe("heads", average, manifest, results)
    assert card["evaluation"]["utility"] == results["utility"]
    checksum = {"model": {**card["model"], "checksum": ""}}
    page = to_markdown({**card, **checksum})
    assert "| trained on | images | Dice, lesion mask | of what real images reach |" in page
    assert "| generated, as many | 2,093 | 0.524 (0.400 to 0.620) | 80.0 % (70.0 to 90.0) |" in page


def test_the_card_says_how_well_images_show_what_they_are_asked_for(private_data, ended_run):
    results = json.loads((ended_run / "evaluation" / "results.json").read_text())
    average, manifest = load_average(ended_run), read_manifest(private_data)
    assert "fidelity" not in describe("heads", average, manifest, results)["evaluation"]
    results["fidelity"] = to_json(make_conditional(size=16, samples=2, pairs=1))["fidelity"]
    card = describe("heads", average, manifest, results)
    assert card["evaluation"]["fidelity"] == results["fidelity"]
    page = to_markdown({**card, "model": {**card["model"], "checksum": ""}})
    assert "| participant/age, mean absolute error | 14.2 | 9.10 | 11.8 | less than real images |" in page
