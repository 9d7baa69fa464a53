import functools

import pytest

from mrisynth.cli import benchmark_flags
from mrisynth.errors import UserError
from mrisynth.training.config import OptimizationConfig


@pytest.fixture
def parse(parse_flags):
    """Turns a command line into the configuration of a benchmark."""
    return functools.partial(parse_flags, benchmark_flags)


def test_every_resolution_has_its_network_and_the_attention_it_can_have(parse):
    config = parse("--resolutions=16,64", "--attention_discriminator=16,64", "--attention_generator=64")
    assert [network.resolution for network in config.networks] == [16, 64]
    assert [network.attention_discriminator for network in config.networks] == [(16,), (16, 64)]
    assert [network.attention_generator for network in config.networks] == [(), (64,)]
    assert config.batch_sizes[64] == 8
    assert (config.precision, config.evaluation, config.json) == ("auto", (), False)


def test_the_loss_and_its_penalty_can_be_those_of_a_run(parse):
    optimization = parse("--loss=non_saturating", "--gp_interval=16").optimization
    assert (optimization.loss, optimization.gp_interval) == ("non_saturating", 16)
    assert parse().optimization == OptimizationConfig()


def test_an_evaluation_and_a_release_can_be_measured(parse):
    assert parse("--evaluation=20,400,30").evaluation == (20, 400, 30)
    assert parse("--release=100", "--json").release == 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--resolutions="], "--resolutions is empty"),
        (["--resolutions=12"], "--resolutions: 12 is not 4 times a power of two"),
        (["--resolutions=8,x"], "--resolutions has 'x'"),
        (["--batch_sizes=8:1"], "--batch_sizes has no batch for 16x16; add 16:N"),
        (["--rounds=0"], "--rounds=0 must be at least 1"),
        (["--evaluation=60,400"], "--evaluation takes the numbers of generated, training and held-out"),
        (["--evaluation=60,400,5"], "20 at least"),
        (["--release=-1"], "--release=-1"),
    ],
)
def test_wrong_flags_are_named(parse, arguments, message):
    with pytest.raises(UserError, match=message):
        parse(*arguments)
