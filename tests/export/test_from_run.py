"""tools/export.py and what lies in the folder that it writes."""

import dataclasses
import json
import pathlib
import re
import shutil
import socket
import sys
import zlib

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import read_manifest
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.data.storing.manifest import write_manifest
from mrisynth.errors import UserError
from mrisynth.export.from_run import add_evaluation, export_run
from mrisynth.export_folder import ExportFolder
from mrisynth.sampling.latents import seeded_latents
from mrisynth.training.ema import load_average
from mrisynth.training.origin import Origin, TrainingData
from mrisynth.training.state import TrainingState
from tests import untrained_runs
from tests.export import private_run
from tests.programs import ROOT, call, check_refusal, start
from tests.untrained_exports import replaced

PROGRAM = "tools/export.py"

pytestmark = pytest.mark.both_stacks


def contents(folder):
    """Every byte of a folder's files, names included, and what is compressed in them."""
    parts = []
    for path in folder.rglob("*"):
        parts.append(str(path.relative_to(folder)).encode())
        if path.is_file():
            data = path.read_bytes()
            parts += [data, *decompressed(data)]
    return b"\n".join(parts)


def decompressed(data):
    """What every gzip or zlib stream within some bytes holds."""
    for match in re.finditer(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]", data):
        try:
            yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(data[match.start() :])
        except zlib.error:
            continue


def test_the_average_is_exported_with_its_card(ended_run, heads):
    generator = load_average(ended_run).generator
    latents = seeded_latents(5, 4, generator.latent_size)
    images = tf.saved_model.load(str(heads)).signatures["serving_default"](latents=latents)["images"]
    np.testing.assert_allclose(images, np.clip(generator(latents), -1, 1), atol=1e-5)
    assert sorted(path.name for path in (heads / "assets.extra").iterdir()) == [
        "model_card.json",
        "model_card.md",
        "tf_serving_warmup_requests",
    ]


def test_nothing_of_a_subject_or_this_machine_is_in_it(ended_run, private_data, heads):
    exported = contents(heads)
    manifest = read_manifest(private_data)
    secrets = set(private_run.SECRETS)
    for source in manifest.sources:
        secrets |= {source.checksum, source.name, source.subject}
    machine = {
        str(ROOT),
        str(pathlib.Path.home()) + "/",
        sys.prefix,
        str(ended_run.parent),
        str(heads.parent),
    }
    machine |= {socket.gethostname(), "site-packages", "export/saved_model.py", ".py:"}
    assert {text for text in secrets | machine if text.encode() in exported} == set()
    # The search finds what is there, compressed or not.
    stored = contents(private_data)
    assert all(secret.encode() in stored for secret in private_run.SECRETS)
    for wbits in (zlib.MAX_WBITS, zlib.MAX_WBITS | 16):
        packed = zlib.compressobj(wbits=wbits)
        hidden = b"before" + packed.compress(b"Zebediah") + packed.flush()
        assert list(decompressed(hidden)) == [b"Zebediah"]


def test_the_card_holds_the_evaluation_of_this_generator_only(ended_run, heads, tmp_path):
    evaluation = ExportFolder(heads).read_card()["evaluation"]
    assert evaluation["privacy"]["verdict"]["words"] == "inconclusive"
    assert evaluation["measures"]["ms_ssim"]["real"]["mean"] == 0.25
    assert evaluation["date"] == "2026-11-25"
    assert evaluation["report"]["checksum"] == private_run.REPORT_CHECKSUM
    page = (heads / "assets.extra" / "model_card.md").read_text()
    assert "**inconclusive**" in page
    assert f"report.html: {private_run.REPORT_CHECKSUM}" in page
    assert "(MS-SSIM), random pairs | 0.250 ± 0.010 | 0.250 ± 0.010 | like real |" in page
    run_dir = tmp_path / "run"
    shutil.copytree(ended_run, run_dir)
    for of_another in ({"weights_checksum": "another"}, {"fingerprint": "another"}):
        private_run.write_evaluation(run_dir, **of_another)
        card = ExportFolder(export_run(run_dir, tmp_path / "another-1.5mm")).read_card()
        assert card["model"]["name"] == "another-1.5mm"
        assert card["evaluation"] is None
        assert any("has not been measured" in sentence for sentence in card["limits"])
    (run_dir / "evaluation" / "results.json").write_text("{")
    with pytest.raises(UserError, match=r"results.json cannot be read.*mrisynth-evaluate"):
        export_run(run_dir, tmp_path / "broken")
    assert not (tmp_path / "broken").exists()


def test_an_evaluation_that_comes_after_the_export_gets_into_its_card(private_data, tmp_path):
    private_run.write_run(tmp_path / "run", private_data)
    exported = export_run(
        tmp_path / "run", tmp_path / "model", with_discriminator=True, even_of_patients=True
    )
    before = ExportFolder(exported).read_card()
    add_evaluation(exported, tmp_path / "run")
    assert ExportFolder(exported).read_card() == before
    private_run.write_evaluation(tmp_path / "run")
    add_evaluation(exported, tmp_path / "run")
    after = ExportFolder(exported).read_card()
    assert after["evaluation"]["privacy"]["verdict"]["words"] == "inconclusive"
    assert "**inconclusive**" in (exported / "assets.extra" / "model_card.md").read_text()
    changed = {"evaluation", "limits"}
    assert {key for key in before if before[key] != after[key]} == changed


def test_the_card_of_an_older_export_is_not_that_of_the_run_as_it_is_now(ended_run, tmp_path):
    shutil.copytree(ended_run, tmp_path / "run")
    exported = export_run(tmp_path / "run", tmp_path / "model")
    folder = ExportFolder(exported)
    card = folder.read_card()
    older = replaced({**card, "evaluation": None}, "model", weights_checksum="of an iteration before")
    folder.card.write_text(json.dumps(older))
    add_evaluation(exported, tmp_path / "run")
    assert folder.read_card() == older


@pytest.mark.slow
def test_the_tool_counts_versions_and_is_quiet(ended_run, tmp_path):
    for version in ("1", "2"):
        result = start(PROGRAM, f"--run_dir={ended_run}", "--output=saved_models/heads", cwd=tmp_path)
        assert (result.returncode, result.stderr) == (0, "")
        assert len(result.stdout.splitlines()) == 1
        assert f"saved_models/heads/{version}" in result.stdout
    folder = tmp_path / "saved_models" / "heads"
    assert sorted(path.name for path in folder.iterdir()) == ["1", "2"]
    assert json.loads((folder / "2/assets.extra/model_card.json").read_text())["model"]["name"] == "heads"


def test_what_fails_half_way_leaves_nothing(ended_run, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mrisynth.export.formats.saved_model.write_card", fail)
    with pytest.raises(OSError, match="No space"):
        export_run(ended_run, tmp_path / "heads")
    assert not (tmp_path / "heads").exists()


def test_the_tool_fails_in_one_sentence(tmp_path):
    for flags, message in (
        (["--run_dir=/nowhere"], "give --run_dir=RUN, or --saved_model=NAME, and --output"),
        (["--run_dir=/nowhere", f"--output={tmp_path / 'out'}"], "--run_dir=/nowhere holds no run"),
    ):
        check_refusal(call(PROGRAM, *flags), message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("iteration", "message"),
    # 4x4 takes 2 iterations, 8x8 fades in over 2 and is stable for 2, 16x16 has begun to fade in.
    [(5, "still grows .it is at 8x8.; .* until 16x16 has faded in"), (7, "still grows .it fades 16x16 in.")],
)
def test_a_run_that_still_grows_is_not_exported(iteration, message, private_data, tmp_path):
    private_run.write_run(tmp_path / "run", private_data, iteration)
    with pytest.raises(UserError, match=message):
        export_run(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_run_that_gives_its_labels_half_their_weight_is_not_exported(private_data, tmp_path):
    """An export draws with all of it, which is another function than the one that was evaluated."""
    schema = LabelSchema((Label("position_mm", LabelKind.CONTINUOUS, deviation=20.0),))
    settings = {
        "schedule": dataclasses.replace(untrained_runs.SCHEDULE, total_iterations=60),
        "label_schema": schema,
    }
    state = TrainingState(untrained_runs.NETWORK, "float32", seed=0, label_schema=schema)
    fingerprint = read_manifest(private_data).fingerprint
    untrained_runs.write_run(tmp_path / "run", state, 30, private_data, fingerprint, **settings)
    with pytest.raises(UserError, match="does not give its labels their whole weight yet, but 50% of it"):
        export_run(tmp_path / "run", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_runs_data_set_is_needed_wherever_it_is(ended_run, private_data, small_dataset, tmp_path):
    run_dir = tmp_path / "run"
    shutil.copytree(ended_run, run_dir)
    config = json.loads((run_dir / "config.json").read_text())
    config["runtime"]["data_dir"] = "/nowhere"
    (run_dir / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match="--data_dir: there is no folder /nowhere"):
        export_run(run_dir, tmp_path / "out")
    with pytest.raises(UserError, match="--data_dir=.* is not the data set that --run_dir="):
        export_run(run_dir, tmp_path / "out", small_dataset)
    assert not (tmp_path / "out").exists()
    assert export_run(run_dir, tmp_path / "out", private_data).name == "1"


def test_a_file_in_the_way_is_named(ended_run, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="--output=.*file is not a folder"):
        export_run(ended_run, tmp_path / "file")


def test_the_discriminator_goes_beside_phantoms_and_patients_only_knowingly(private_data, tmp_path):
    """Of whom a discriminator tells is decided by all generations of a model."""
    of_patients = Origin("checksum", (TrainingData("x", False),), tmp_path / "source")
    write_manifest(dataclasses.replace(read_manifest(private_data), phantoms=True), tmp_path)
    runs = {
        "patients": (private_data, None),
        "earlier": (tmp_path, of_patients),
        "phantoms": (tmp_path, None),
    }
    for name, (data, origin) in runs.items():
        run = tmp_path / name / "run"
        private_run.write_run(run, data, origin=origin)
        flags = [f"--run_dir={run}", f"--output={tmp_path / name / 'model'}", "--with_discriminator"]
        if name != "phantoms":
            check_refusal(
                call(PROGRAM, *flags), r"tells of the patients it was trained on; leave it out, or "
            )
            assert not (tmp_path / name / "model").exists()
            flags.append("--even_of_patients")
        done = call(PROGRAM, *flags)
        assert done.returncode == 0, done.stderr
        folder = ExportFolder(tmp_path / name / "model" / "1")
        checksum = folder.read_card()["model"]["discriminator_checksum"]
        assert checksum in folder.card_page.read_text()
        assert folder.discriminator.is_file()
    flags = [f"--run_dir={run}", f"--output={tmp_path / 'onnx'}", "--with_discriminator", "--format=onnx"]
    check_refusal(call(PROGRAM, *flags), "--with_discriminator needs --format=saved_model, not onnx")
