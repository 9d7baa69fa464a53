import pytest

from mrisynth.errors import UserError
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.config import InterpolationConfig, SweepConfig, check_seed


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("way.mp4", {}, r"must end in \.gif"),
        ("way.gif", {"count": 1}, "--count=1 is no way"),
        ("way.gif", {"steps": 1}, "--steps=1 must be at least 2"),
        ("way.gif", {"seed": -1}, "--seed=-1"),
    ],
)
def test_impossible_ways_are_one_sentence(name, settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        InterpolationConfig(tmp_path, tmp_path / name, **settings)


def test_seeds_are_those_that_every_reader_of_json_keeps_exact():
    check_seed(0)
    check_seed(2**53 - 1)
    for seed in (-1, 2**53):
        with pytest.raises(UserError, match="--seed=.* must be at least 0 and less than 2"):
            check_seed(seed)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("folder", {}, r"--output=.*folder must end in \.gif"),
        ("sweep.png", {"count": 0}, "--count=0 must be at least 1"),
        ("sweep.png", {"seed": -1}, "--seed=-1"),
    ],
)
def test_impossible_sweeps_are_one_sentence(name, settings, message, tmp_path):
    with pytest.raises(UserError, match=message):
        SweepConfig(tmp_path, tmp_path / name, Condition("suffix", "T1w"), **settings)
