import dataclasses
import math
import pathlib

import pytest

from mrisynth.data import read_manifest
from mrisynth.networks import NetworkConfig
from mrisynth.training import GrowthSchedule, TrainingConfig
from mrisynth.training.opening import opening, parameters_in_words, time_in_words

SCHEDULE = GrowthSchedule(
    8, fade_images=1000, stable_images=2000, total_iterations=0, batch_sizes={4: 10, 8: 10}
)
CONFIG = TrainingConfig(
    pathlib.Path("runs/my run"),
    pathlib.Path("data"),
    network=NetworkConfig(resolution=8, latent_size=8, fmap_base=64, fmap_max=16),
    schedule=SCHEDULE,
)


@pytest.fixture
def say(small_dataset):
    """The lines of an opening at an iteration."""

    def say(iteration=0, config=CONFIG, **manifest):
        manifest = dataclasses.replace(read_manifest(small_dataset), **manifest)
        position = config.schedule.at_iteration(iteration)
        text = opening(config, manifest, (1_250_000, 900), "CPU, 2 cores, float32", (600.0, 60.0), position)
        return text.splitlines()

    return say


def test_a_new_run_says_what_it_will_do_in_six_lines(say, small_dataset):
    splits = read_manifest(small_dataset).splits
    train, heldout = splits["train"], splits["heldout"]
    held_out = f"{len(heldout.subjects)} subject{'s'[: len(heldout.subjects) != 1]} held out"
    assert say() == [
        f"data      data: {len(train.subjects)} subjects, {train.slices} slices; {held_out}",
        "networks  8x8, parameters: generator 1.2 M, discriminator 900",
        "device    CPU, 2 cores, float32",
        "schedule  3 phases from 4x4 stable to 8x8 stable, 5,000 images in 500 iterations",
        "time      about 10 minutes, 60 s of it for export and evaluation",
        "watch     tensorboard --logdir 'runs/my run'",
    ]


def test_a_resumed_run_says_where_it_goes_on(say):
    assert say(250)[6:] == ["resumes   from iteration 250 in 8x8 fade, 2,500 images are done"]


def test_channels_and_labels_are_named_where_there_are_several(say):
    config = dataclasses.replace(CONFIG, conditions=("suffix", "age"))
    data, networks, *_ = say(config=config, channels=("FLAIR", "mask:lesion"))
    assert "slices of FLAIR, mask:lesion; " in data
    assert networks.endswith("; labels suffix, age")


def test_what_is_not_known_is_not_promised():
    assert time_in_words(math.inf, 60.0) == "unknown"
    assert time_in_words(50.0, 0.0) == "about 50 s"


def test_millions_of_parameters_are_rounded():
    assert parameters_in_words((23_100_000, 999_999)) == "generator 23.1 M, discriminator 999,999"
