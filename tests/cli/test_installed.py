"""A wheel's commands, from an empty folder and without the checkout."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# The quickstart, cut short: 16x16 is the least that can be evaluated.
SHORT = [
    "--resolution=16",
    "--attention_discriminator=16",
    "--latent_size=8",
    "--fmap_base=64",
    "--fmap_max=8",
    "--fade_images=32",
    "--stable_images=32",
    "--total_iterations=0",
    "--finetune_iterations=2",
    "--batch_sizes=4:8,8:8,16:8",
    "--phantom_subjects=6",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of the checkout, made without network."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    for name in ("mrisynth", "flags", "saved_models"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(source / "saved_models" / "head_phantom", source / "saved_models" / "of_patients")
    _pip("wheel", "--no-build-isolation", f"--wheel-dir={folder}", source)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def command(wheel, tmp_path_factory):
    """Runs a command of the installed wheel, in an empty folder that stays the same."""
    site = tmp_path_factory.mktemp("site")
    _pip("install", "--no-index", f"--target={site}", wheel)
    empty = tmp_path_factory.mktemp("empty")
    environment = {**os.environ, "PYTHONPATH": str(site)}

    def command(name, *flags):
        program = [site / "bin" / f"mrisynth-{name}", *flags]
        ended = subprocess.run(
            program, cwd=empty, env=environment, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    where = [sys.executable, "-c", "import mrisynth; print(mrisynth.__file__)"]
    found = subprocess.run(where, cwd=empty, env=environment, capture_output=True, text=True, check=True)
    assert found.stdout.startswith(str(site))
    command.folder = empty
    return command


def _pip(verb, *arguments):
    program = [sys.executable, "-m", "pip", verb, "--quiet", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run([*program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_wheel_holds_what_comes_with_mrisynth_and_no_other_model(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        (metadata,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        assert "# mrisynth" in archive.read(metadata).decode()
    shipped = {path.relative_to(ROOT) for path in (ROOT / "flags").iterdir()}
    shipped |= {p.relative_to(ROOT) for p in (ROOT / "saved_models/head_phantom").rglob("*") if p.is_file()}
    assert {f"mrisynth/shipped/{path.as_posix()}" for path in shipped} <= names
    assert "mrisynth/report/report.html.jinja" in names
    page = {"page.html.jinja", "network.js", "onnxruntime-web/LICENSE", "onnxruntime-web/ort.wasm.min.mjs"}
    assert {f"mrisynth/export/page/{name}" for name in page} <= names
    assert not any("of_patients" in name for name in names)
    assert {name.split("/")[0].split("-")[0] for name in names} == {"mrisynth"}


def test_every_program_from_an_empty_folder(command):
    said = command("train", "--flagfile=quickstart.flags", *SHORT)
    assert "Finished: " in said
    assert [path.name for path in command.folder.iterdir()] == ["runs"]
    run = command.folder / "runs" / "quickstart"
    assert (run / "evaluation" / "report.html").is_file()

    scans = f"--input={run / 'phantoms' / 'scans'}"
    said = command("prepare", scans, "--output=data", "--suffix=FLAIR", "--resolution=16", "--voxel_size=4")
    assert "files: 6 used" in said
    small = ["--images=40", "--pairs=40", "--draws=20"]
    command("evaluate", "--run_dir=runs/quickstart", "--output=evaluation", *small)
    assert (command.folder / "evaluation" / "results.json").is_file()
    assert "saved_models/heads/1" in command(
        "export", "--run_dir=runs/quickstart", "--output=saved_models/heads"
    )
    # What comes with mrisynth is found beside a folder of that name, too.
    for name in ("saved_models/heads", "saved_models/head_phantom"):
        output = f"release_{pathlib.Path(name).name}"
        said = command("generate", f"--saved_model={name}", "--count=2", f"--output={output}", "--format=png")
        assert said.startswith(f"{output}: 2 images, 2 of them new\nVerdict on copying of training data: ")
    for name in ("query", "benchmark", "compare"):
        assert f"mrisynth-{name} --" in command(name, "--help")
