"""Whatever call fails, the whole is there or nothing is, and the same command again ends right.

pytest --slow -s tests/test_faults.py       tries every fault, and prints how many at which calls
"""

import collections
import functools
import pathlib

import nibabel
import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data import prepare_dataset
from mrisynth.errors import UserError
from mrisynth.evaluation.results import write_results
from mrisynth.export.formats.saved_model import export_generator
from mrisynth.networks import Generator
from mrisynth.phantoms import dataset
from mrisynth.release import release
from mrisynth.release.config import ReleaseConfig
from mrisynth.release.formats import FORMATS
from mrisynth.report import page
from mrisynth.run_folder import RunFolder
from mrisynth.training.checkpoints import Checkpoints, saved_iterations
from tests import untrained_runs
from tests.data.ellipsoid_scans import SMALL, write_bids
from tests.fault_injection import Trial, contents, through_python
from tests.report.example_evaluations import make_evaluation


@pytest.fixture(params=[pytest.param(1, id="all", marks=pytest.mark.slow), pytest.param(47, id="some")])
def attempt(request, tmp_path, monkeypatch):
    """Does some work with every fault, or with some, in turn."""
    folder = tmp_path / "trial"
    folder.mkdir()

    def attempt(work, check, allowed=UserError):
        trial = Trial(folder, monkeypatch, work, check)
        trial.run(allowed, request.param)
        calls = sorted(collections.Counter(trial.calls).items())
        named = ", ".join(f"{count} {call}" for call, count in calls)
        faults = ", ".join(f"{count} {fault}" for fault, count in sorted(trial.tried.items()))
        print(f"\n{request.node.name}: {named}; {trial.tried.total()} faults tried: {faults}")

    return attempt


def is_part_of(folder, whole, done):
    """Files that have their names are whole; all of them are there if the work said so."""
    found, expected = contents(folder), contents(whole)
    assert found.items() <= expected.items()
    assert not done or found == expected


def test_preparation(attempt, tmp_path):
    scans = write_bids(tmp_path / "scans", subjects=2)

    def work(folder):
        prepare_dataset(input=scans, output=folder / "data", **SMALL)

    def check(folder, whole, done):
        is_part_of(folder, whole, done or (folder / "data" / "manifest.json").exists())

    attempt(work, check)


def test_phantoms(attempt, monkeypatch):
    image = nibabel.Nifti1Image(np.arange(64, dtype=np.int16).reshape(4, 4, 4), np.eye(4))
    draw = functools.partial(
        dataset.Phantom, images={"FLAIR": image}, lesion_mask=image, age=50, sex="F", lesions=0
    )
    monkeypatch.setattr(dataset, "draw_phantom", lambda number, seed, contrasts: draw(f"phantom{number:03d}"))

    def work(folder):
        if not (folder / "set").exists():
            dataset.write_phantoms(folder / "set", subjects=2, num_workers=1)

    def check(folder, whole, done):
        is_part_of(folder, whole, done or (folder / "set").exists())

    attempt(work, check, OSError)


def test_checkpoints(attempt, monkeypatch):
    monkeypatch.setattr("mrisynth.training.checkpoints.KEPT", 2)
    monkeypatch.setattr(tf.train.Checkpoint, "write", through_python(tf.train.Checkpoint.write))
    state = untrained_runs.make_state()

    def work(folder):
        untrained_runs.write_run(folder, state, 1)
        Checkpoints(RunFolder(folder), state, tf.distribute.get_strategy()).restore()
        for iteration in (2, 3):
            untrained_runs.write_run(folder, state, iteration)

    def check(folder, whole, done):
        run = RunFolder(folder)
        saved = saved_iterations(run)
        assert not done or saved == [2, 3]
        assert not saved or run.config.read_text() == RunFolder(whole).config.read_text().replace(
            whole.name, folder.name
        )
        for iteration in saved:
            state.iteration.assign(0)
            path = run.checkpoints / f"checkpoint-{iteration}"
            state.checkpoint().read(str(path)).assert_consumed()
            assert int(state.iteration.numpy()) == iteration

    attempt(work, check)


def test_export(attempt, bare, monkeypatch):
    card = {"format": "mrisynth model card", "model": {}}
    monkeypatch.setattr("mrisynth.export.model_card.to_markdown", str)
    generator = Generator(resolution=16, latent_size=12, fmap_base=64, fmap_max=16)

    def copy(_, path, **__):
        for source in sorted(bare.rglob("*")):
            target = pathlib.Path(path) / source.relative_to(bare)
            if source.is_dir():
                target.mkdir(exist_ok=True)
            else:
                target.write_bytes(source.read_bytes())

    monkeypatch.setattr(tf.saved_model, "save", copy)

    def work(folder):
        export_generator(generator, folder / "model", card)

    def check(folder, whole, done):
        versions = sorted((folder / "model").glob("[0-9]*"))
        assert versions or not done
        for version in versions:
            assert contents(version) == contents(whole / "model" / "1")

    attempt(work, check, (UserError, OSError))


@pytest.mark.parametrize("form", FORMATS)
def test_release(form, attempt, model, sampler, monkeypatch):
    monkeypatch.setattr(release, "_WRITERS", 1)

    def work(folder):
        config = ReleaseConfig(saved_model=model, output=folder / "out", count=2, format=form)
        release.make_release(config, sampler=sampler)

    def check(folder, whole, done):
        is_part_of(folder, whole, done or (folder / "out" / "README.md").exists())

    attempt(work, check)


def test_results(attempt, monkeypatch):
    monkeypatch.setattr(page, "render", lambda *_: "a page\n")
    evaluation = make_evaluation(size=16, samples=4, pairs=1)

    def work(folder):
        checksum = page.write_report(evaluation, folder / "report.html")
        write_results(evaluation, folder / "results.json", checksum)

    attempt(work, is_part_of, OSError)
