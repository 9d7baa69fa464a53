import dataclasses
import functools

import pytest

from mrisynth.comparison.plan import check_data_and_runs
from mrisynth.data import read_manifest
from mrisynth.errors import UserError
from mrisynth.training.run_config import RunConfig, write_run_config
from tests.comparison.plans import planned


@pytest.fixture
def plan(small_dataset, tmp_path):
    """Makes the comparison of a command line."""
    return functools.partial(planned, small_dataset, tmp_path)


def begin(run, **changed):
    """Writes the config.json of a run that has begun."""
    network = dataclasses.replace(run.training.network, **changed)
    run.training.run_dir.mkdir(parents=True)
    fingerprint = read_manifest(run.training.data_dir).fingerprint
    write_run_config(RunConfig(dataclasses.replace(run.training, network=network), fingerprint))


def test_more_seeds_and_models_go_on_with_the_runs_that_are_there(plan):
    for run in plan("--seeds=2").runs:
        begin(run)
    check_data_and_runs(plan("--seeds=3", "--models=a,b,d", "--attention_generator=16", "--images=50"))


@pytest.mark.parametrize("begun", [0, 3])
def test_a_changed_command_is_refused_where_any_run_has_begun(plan, begun):
    config = plan("--seeds=2")
    begin(config.runs[begun], latent_size=9)
    words = r"--output=.* holds a comparison .*--latent_size was 9, is 8.*another --output"
    with pytest.raises(UserError, match=words):
        check_data_and_runs(config)


def test_runs_that_could_not_be_evaluated_are_not_begun(plan, small_dataset, monkeypatch):
    manifest = read_manifest(small_dataset)
    few = {**manifest.splits, "heldout": dataclasses.replace(manifest.splits["heldout"], slices=5)}
    changed = dataclasses.replace(manifest, splits=few)
    monkeypatch.setattr("mrisynth.comparison.plan.read_manifest", lambda _: changed)
    with pytest.raises(UserError, match="has 5 on the heldout side; prepare it with --holdout=0.2"):
        check_data_and_runs(plan())


def test_images_too_small_to_evaluate_are_refused(plan):
    with pytest.raises(UserError, match="8x8 are too small to evaluate"):
        check_data_and_runs(plan("--resolution=8", "--attention_discriminator=8"))
