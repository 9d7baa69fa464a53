import dataclasses
import pathlib

import pytest

from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig
from mrisynth.training.config import (
    Augmentation,
    JitCompile,
    OptimizationConfig,
    OptimizerName,
    Precision,
    RuntimeConfig,
    Strategy,
    TrainingConfig,
)
from mrisynth.training.schedule import GrowthSchedule


def test_plain_words_become_members_of_enums():
    optimization = OptimizationConfig(optimizer="lamb", augment="diffaug")
    assert optimization.optimizer is OptimizerName.LAMB
    assert optimization.augment is Augmentation.DIFFAUG
    runtime = RuntimeConfig(strategy="mirrored", precision="float32", jit_compile="true")
    assert runtime.strategy is Strategy.MIRRORED
    assert runtime.precision is Precision.FLOAT32
    assert runtime.jit_compile is JitCompile.TRUE


@pytest.mark.parametrize(
    ("kind", "settings", "message"),
    [
        (OptimizationConfig, {"optimizer": "sgd"}, "--optimizer=sgd is not one of adam, rectified_adam, "),
        (OptimizationConfig, {"loss": "hinge"}, "--loss=hinge is not one of wasserstein, non_saturating"),
        (OptimizationConfig, {"augment": "noise"}, "--augment=noise is not one of none, mirror, diffaug"),
        (OptimizationConfig, {"gradient_penalty": -1.0}, "--gradient_penalty=-1.0 must be .* not negative"),
        (OptimizationConfig, {"drift": float("nan")}, "--drift=nan must be"),
        (OptimizationConfig, {"ema_decay": 1.0}, "--ema_decay=1.0 must be at least 0 and less than 1"),
        (OptimizationConfig, {"ema_rampup": -0.1}, "--ema_rampup=-0.1 must be at least 0 and at most 1"),
        (OptimizationConfig, {"ema_rampup": 1.5}, "--ema_rampup=1.5 must be at least 0 and at most 1"),
        (OptimizationConfig, {"gp_interval": 0}, "--gp_interval=0 must be at least 1"),
        (OptimizationConfig, {"critic_steps": 0}, "--critic_steps=0 must be at least 1"),
        (OptimizationConfig, {"seed": 2**32}, "--seed=4294967296 must be .*less than 2.32"),
        (RuntimeConfig, {"strategy": "tpu"}, "--strategy=tpu is not one of default, mirrored, multi_worker"),
        (RuntimeConfig, {"precision": "half"}, "--precision=half is not one of auto, float32"),
        (RuntimeConfig, {"jit_compile": "yes"}, "--jit_compile=yes is not one of auto, true, false"),
        (RuntimeConfig, {"grid_interval": 0}, "--grid_interval=0 must be at least 1"),
        (RuntimeConfig, {"eval_interval": -1}, "--eval_interval=-1 must not be negative"),
        (RuntimeConfig, {"eval_interval": 1, "strategy": "multi_worker"}, "would keep other workers waiting"),
        (RuntimeConfig, {"profile_steps": (3, 2)}, "--profile_steps takes the first and the last iteration"),
        (RuntimeConfig, {"checkpoint_minutes": float("nan")}, "--checkpoint_minutes=nan must not be"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_their_flags(kind, settings, message):
    with pytest.raises(UserError, match=message):
        kind(**settings)


def test_each_loss_has_its_own_weight_of_the_penalty_unless_one_is_given():
    assert OptimizationConfig().gradient_penalty == 10
    assert OptimizationConfig(loss="non_saturating").gradient_penalty == 2.5
    assert OptimizationConfig(loss="non_saturating", gradient_penalty=7.0).gradient_penalty == 7


def test_a_schedule_of_another_size_than_the_networks_is_refused():
    config = TrainingConfig(pathlib.Path("run"), pathlib.Path("data"))
    with pytest.raises(UserError, match="the schedule ends at 16x16, the networks at 256x256"):
        dataclasses.replace(config, schedule=GrowthSchedule(16, total_iterations=0))
    with pytest.raises(UserError, match="the schedule ends at 256x256, the networks at 8x8"):
        dataclasses.replace(config, network=NetworkConfig(8))


def test_when_the_penalty_and_the_generator_are_due():
    config = OptimizationConfig(gp_interval=3, critic_steps=2)
    assert [config.penalizes(i) for i in range(7)] == [True, False, False, True, False, False, True]
    assert [config.generates(i) for i in range(6)] == [False, True, False, True, False, True]
    assert config.due(3) == (True, True)
    assert config.due(4)._asdict() == {"penalizes": False, "generates": False}


def average_rates(init_from=None, **optimization):
    """The average's rate in the first iteration, after 792 images, and after 800,000 images; batches of 8."""
    config = TrainingConfig(
        pathlib.Path("run"),
        pathlib.Path("data"),
        schedule=GrowthSchedule(total_iterations=0, batch_sizes={2**n: 8 for n in range(2, 9)}),
        optimization=OptimizationConfig(**optimization),
        init_from=init_from,
    )
    phases = config.schedule.phases
    positions = (phases[0].position(0), phases[0].position(99), phases[1].position(25_000))
    return [config.average_rate(position) for position in positions]


def test_the_average_reaches_back_a_twentieth_of_the_images_until_its_decay_reaches_less():
    first, early, late = average_rates()
    assert 1 - 2**-20 <= first < 1
    # A half-life of 40 images is five batches.
    assert (1 - early) ** 5 == pytest.approx(0.5)
    assert late == pytest.approx(0.001)
    # Of two iterations one moves the generator, so there are half as many steps in as many images.
    assert (1 - average_rates(critic_steps=2)[1]) ** 2.5 == pytest.approx(0.5)
    assert (1 - average_rates(ema_rampup=0.2)[1]) ** 20 == pytest.approx(0.5)


@pytest.mark.parametrize("given", [{"ema_rampup": 0.0}, {"init_from": pathlib.Path("other")}])
def test_the_average_goes_by_its_decay_alone_if_asked_to_or_where_it_came_from_elsewhere(given):
    assert average_rates(ema_decay=0.99, **given) == pytest.approx([0.01] * 3)
