import functools

import pytest

from mrisynth.cli import compare_flags, train_flags
from mrisynth.errors import UserError

GIVEN = ["--output=OUT", "--data_dir=DATA"]


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into a comparison."""
    return functools.partial(parse_flags, compare_flags)


@pytest.fixture
def parse_training(parse_flags):
    """Turns a command line into a run."""
    return functools.partial(parse_flags, train_flags)


def test_every_model_is_run_with_every_seed_pair_by_pair(parse):
    config = parse(*GIVEN, "--models=a,b,d", "--seeds=2", "--seed=5")
    assert [(run.model, run.seed) for run in config.runs] == [
        (model, seed) for seed in (5, 6) for model in "abd"
    ]
    assert (config.models, config.seeds, config.jobs, config.images) == (("a", "b", "d"), (5, 6), 1, 2000)
    assert len({run.training.run_dir for run in config.runs}) == 6


def test_training_is_given_what_the_comparison_was_given(parse, parse_training):
    """A run is the same that one gets by hand, and the runs of a pair differ in the model alone."""
    flags = ["--flagfile=cpu_64.flags", "--data_dir=DATA", "--deterministic", "--eval_interval=500"]
    config = parse("--output=OUT", *flags, "--models=a,b,c,d", "--seeds=2", "--run_dir=ELSEWHERE")
    for run in config.runs:
        assert parse_training(*run.arguments) == run.training
        assert run.training.schedule.batch_sizes[64] == 8
        assert (run.training.runtime.deterministic, run.training.runtime.eval_interval) == (True, 500)
        assert "ELSEWHERE" not in str(run.training.run_dir)
    a, b, c, d = (run.training for run in config.runs[:4])
    # The flagfile has attention at 32x32 and 5,000 iterations of fine-tuning: for those that have any.
    assert [each.network.attention_discriminator for each in (a, b, c, d)] == [(), (32,), (32,), (32,)]
    assert [each.network.attention_generator for each in (a, b, c, d)] == [(), (), (), (32, 64)]
    assert [each.schedule.finetune_iterations for each in (a, b, c, d)] == [0, 0, 5000, 0]
    assert a.optimization == b.optimization == d.optimization
    assert a.schedule == b.schedule == d.schedule


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--data_dir=DATA"], "--output must name the folder"),
        (["--output=OUT"], "--data_dir must name a prepared data set"),
        ([*GIVEN, "--models=a,e"], "--models=e is not one of a, b, c, d"),
        ([*GIVEN, "--models=b"], "--models=b must name two models at least"),
        ([*GIVEN, "--models=a,b,a"], "--models=a,b,a must name two models at least, each once"),
        ([*GIVEN, "--models="], "--models= must name two models"),
        ([*GIVEN, "--seeds=1"], "--seeds=1 is too few; use at least 2"),
        ([*GIVEN, "--seeds=-1"], "--seeds=0 is too few"),
        ([*GIVEN, "--jobs=0"], "--jobs=0 must be at least 1"),
        ([*GIVEN, "--jobs=9999"], "--jobs=9999 .* at most the"),
        ([*GIVEN, "--images=5"], "--images=5 is too few; use at least 20"),
        ([*GIVEN, "--flagfile=paper_a.flags"], "--models=a,b are one and the same"),
        ([*GIVEN, "--resolution=8"], "--resolution=8 has none of the maps"),
        ([*GIVEN, "--seed=4294967295"], "--seed=4294967296 must be"),
        ([*GIVEN, "--utility=auto"], "segmentation"),
        ([*GIVEN, "--dry_run"], "--dry_run estimates a single run"),
    ],
)
def test_wrong_flags_are_named(parse, arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)
