"""tools/generate.py as a user starts it, and the commands of docs/release.md."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest
import tensorflow as tf

from mrisynth.data import read_manifest
from mrisynth.export.formats.saved_model import export_generator
from mrisynth.networks import Generator
from tests.folders import contents
from tests.programs import ROOT, call, command, start
from tests.untrained_exports import CARD, replaced, write_card

PROGRAM = "tools/generate.py"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    export_generator(generator, folder)
    return folder


@pytest.mark.both_stacks
def test_a_release_says_what_it_holds_and_nothing_else(model, tmp_path):
    flags = [f"--saved_model={model}", "--count=5", f"--output={tmp_path / 'out'}"]
    result = start(PROGRAM, *flags)
    said = "The model was not evaluated for copying: images may be copies of training data.\n"
    assert (result.returncode, result.stdout) == (0, f"{tmp_path / 'out'}: 5 images, 5 of them new\n{said}")
    assert all(line.startswith("drawing: ") for line in result.stderr.splitlines())
    assert len(list((tmp_path / "out").glob("sub-*"))) == 5
    again = call(PROGRAM, *flags)
    assert again.stdout == f"{tmp_path / 'out'}: 5 images, nothing left to do\n{said}"


def test_images_can_be_asked_for(conditional, tmp_path):
    flags = [f"--saved_model={conditional}", "--condition=suffix=T1w", "--condition=sex="]
    ended = call(PROGRAM, *flags, "--count=2", f"--output={tmp_path / 'out'}")
    assert ended.returncode == 0, ended.stderr
    ended = call(
        PROGRAM, *flags, "--sweep=position_mm=-40:40:40", f"--output={tmp_path / 'new' / 'sweep.gif'}"
    )
    assert "sweep.gif: position_mm at -40, 0, 40 for 5 seeds" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("form", ["nifti", "png", "npy"])
def test_killed_at_any_moment_and_started_again(form, model, tmp_path):
    flags = [f"--saved_model={model}", "--count=6000", f"--format={form}", "--truncation=0.9"]
    assert call(PROGRAM, *flags, f"--output={tmp_path / 'whole'}").returncode == 0
    out = tmp_path / "out"
    for wanted in (1, 2):
        started = subprocess.Popen(
            command(PROGRAM, *flags, f"--output={out}"), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        while started.poll() is None and not _has_begun(out, form, wanted):
            time.sleep(0.002)
        os.kill(started.pid, signal.SIGKILL)
        started.wait()
        assert not (out / "README.md").exists()
    assert call(PROGRAM, *flags, f"--output={out}").returncode == 0
    assert contents(out) == contents(tmp_path / "whole")


def _has_begun(folder, form, times):
    """Whether some images are there, more the second time."""
    if form == "npy":
        seeds = folder / ".seeds.npy.partial"
        # Bytes of -1 stand for what is not there yet.
        return seeds.is_file() and seeds.read_bytes()[128 + 8 * 500 * times :][:8] not in (b"", b"\xff" * 8)
    name = {"nifti": "sub-syn{:06d}", "png": "images/syn{:06d}.png"}[form]
    return (folder / name.format(500 * times)).exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--saved_model="], "give --saved_model"),
        (["--saved_model=/nowhere"], "--saved_model=/nowhere is not a folder"),
        (["--saved_model=EMPTY"], "holds no SavedModel"),
        (
            ["--saved_model=OTHER"],
            "is not a generator that mrisynth exported: it has no signature serving_default",
        ),
        (["--saved_model=CUT"], "--saved_model=.*CUT cannot be read .*; copy it again"),
        (["--saved_model=NAN"], "pixels that are not finite"),
        (["--count=0"], "--count=0 must be at least 1"),
        (["--count=many"], "count"),
        (["--output="], "give --output, as in --output=DIR"),
        (["--output=/proc/nowhere/out"], "--output=/proc/nowhere/out cannot be written"),
        (["--output=FILE"], r"cannot be written \(.*file is a file\); name another place$"),
        (["--output=FILE/out"], r"cannot be written \(.*file is a file\); name another place$"),
        (["--format=mha"], "format.*dicom.*nifti.*npy.*png"),
        (["--rescale"], "--rescale is for --format=dicom, not for --format=nifti"),
        (["--format=png", "--bits=12"], "bits.*8.*16"),
        (["--filter_copies"], "--filter_copies needs --data_dir"),
        (["--data_dir=DATA"], "--filter_copies needs --data_dir"),
        (["--filter_copies", "--data_dir=/nowhere"], "--data_dir: there is no folder /nowhere"),
        (["--filter_copies", "--data_dir=DATA", "--copy_ratio=2"], "--copy_ratio=2.0 must be"),
        (["--interpolate=way.gif"], "--output is for a release"),
        (["--condition=suffix=T1w"], "--condition=suffix: the model knows no labels"),
        (["--seeds=3"], "--seeds is not a flag"),
    ],
)
def test_faults_are_one_sentence(flags, message, model, models, small_dataset, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    places = {"DATA": small_dataset, "FILE": tmp_path / "file", "EMPTY": tmp_path / "empty", **models}
    for name, path in places.items():
        flags = [flag.replace(f"={name}", f"={path}") for flag in flags]
    result = call(PROGRAM, f"--saved_model={model}", "--count=3", f"--output={tmp_path / 'out'}", *flags)
    assert result.returncode == 1
    assert result.stdout == ""
    line = result.stderr.replace("\r", "\n").splitlines()[-1]
    assert line.startswith("error: ")
    assert re.search(message, line), line
    assert "Traceback" not in result.stderr
    assert not list(tmp_path.rglob("sub-*"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """SavedModels that no images can be drawn from, by name."""
    folder = tmp_path_factory.mktemp("models")
    other = tf.Module()
    other.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], tf.float32)])
    tf.saved_model.save(other, str(folder / "OTHER" / "1"), signatures={"serving_default": other.double})
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16)
    for variable in generator.weights:
        variable.assign(float("nan") * variable)
    export_generator(generator, folder / "NAN")
    shutil.copytree(folder / "NAN", folder / "CUT")
    (weights,) = (folder / "CUT" / "1" / "variables").glob("*.data*")
    weights.write_bytes(weights.read_bytes()[:100])
    return {name: folder / name for name in ("OTHER", "NAN", "CUT")}


@pytest.fixture
def model_of_the_data(model, small_dataset, tmp_path):
    """The model with a card that says that it was trained on the small data set."""
    copied = shutil.copytree(model, tmp_path / "models" / "named")
    write_card(copied / "1", replaced(CARD, "data", fingerprint=read_manifest(small_dataset).fingerprint))
    return copied


@pytest.mark.slow
def test_the_commands_of_the_page(model_of_the_data, small_dataset, tmp_path):
    text = (ROOT / "docs" / "release.md").read_text()
    section = text[: text.index("\n## ")]
    commands = re.findall(r"^    python (tools/generate\.py .*)$", section, re.MULTILINE)
    assert len(commands) >= 5
    shown = set(re.findall(r"^    RELEASE/(\S+\.(?:json|md|tsv|gz))", section, re.MULTILINE))
    for line in commands:
        arguments = [
            argument.replace("saved_models/NAME", str(model_of_the_data))
            .replace("--count=1000", "--count=40")
            .replace("=DATA", f"={small_dataset}")
            .replace("--output=", f"--output={tmp_path}/")
            .replace("--interpolate=", f"--interpolate={tmp_path}/")
            for argument in shlex.split(line)
        ]
        result = call(*arguments)
        assert result.returncode == 0, result.stderr
    written = contents(tmp_path)
    assert sum("saved_models/head_phantom" in line for line in commands) >= 4
    assert len(shown) == 5
    assert {f"RELEASE/{name}" for name in shown} <= set(written)
    folders = re.findall(r"`RELEASE_PNG/(images/\w+)`", section)
    assert len(folders) == 2
    assert {f"RELEASE_PNG/{folder}/syn000040.png" for folder in folders} <= set(written)
    assert {"RELEASE_NPY/images.npy", "RELEASE_NPY/seeds.npy", "way.gif"} <= set(written)
    assert b"were left out, 0 of 40" in written["RELEASE_FILTERED/README.md"]


@pytest.mark.slow
def test_from_an_export_to_dicom_and_its_readers_as_printed(tmp_path, monkeypatch):
    pytest.importorskip("pydicom", reason="pydicom is not installed")
    text = (ROOT / "docs" / "release.md").read_text()
    (section,) = re.findall(r"\n## DICOM.*?(?=\n## )", text, re.DOTALL)
    install, generate, convert = re.findall(r"^    (.*)$", section, re.MULTILINE)
    assert install == "pip install '.[dicom]'"
    monkeypatch.chdir(tmp_path)
    ended = call(*shlex.split(generate.removeprefix("python ")))
    assert ended.returncode == 0, ended.stderr
    subprocess.run(shlex.split(convert), check=True, capture_output=True)
    assert len(list(tmp_path.glob("SYNTHETIC-*.nii"))) == 20 + 20
    (shown,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    names = {}
    exec(shown, names)
    assert names["picture"].shape == (64, 64)


WITHOUT_UNIX = """
import os, runpy, sys
for module in ("fcntl", "resource", "pwd", "grp", "termios"):
    sys.modules[module] = None  # importing it fails
for function in ("sched_getaffinity", "geteuid", "statvfs"):
    if hasattr(os, function):
        delattr(os, function)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.slow
@pytest.mark.both_stacks
def test_nothing_that_only_unix_has_is_needed(model_of_the_data, small_dataset, tmp_path):
    flags = [f"--saved_model={model_of_the_data}", "--count=5", f"--output={tmp_path / 'out'}"]
    flags += ["--filter_copies", f"--data_dir={small_dataset}"]
    started = [sys.executable, "-c", WITHOUT_UNIX, str(ROOT / PROGRAM), *map(str, flags)]
    result = subprocess.run(started, capture_output=True, text=True, cwd=ROOT, check=False)
    assert result.returncode == 0, result.stderr
    assert len(list((tmp_path / "out").glob("sub-*"))) == 5
