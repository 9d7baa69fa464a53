"""Whole runs with poisoned draws: iterations skipped, checkpoints gone back to, a report at the end."""

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig
from mrisynth.training import (
    GrowthSchedule,
    OptimizationConfig,
    RuntimeConfig,
    TrainingConfig,
    recovery,
    train,
)
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from tests.training.weights import assert_equal_weights, weights


@pytest.fixture
def poison(monkeypatch):
    """Makes draws of some iterations NaN, as a function of (iteration, attempt); all latents if not told."""

    def poison(is_bad, kind="normal", purposes=tuple(Purpose)):
        draw = getattr(StatelessRng, kind)

        def poisoned(self, purpose, shape):
            values = draw(self, purpose, shape)
            if purpose not in purposes:
                return values
            bad = is_bad(tf.cast(self.iteration, tf.int64), tf.cast(self.attempt, tf.int64))
            return tf.where(bad, np.nan, values)

        monkeypatch.setattr(StatelessRng, kind, poisoned)

    return poison


def make_config(run_dir, data_dir, optimization=None, **runtime):
    schedule = GrowthSchedule(
        8, fade_images=80, stable_images=240, total_iterations=0, batch_sizes={4: 8, 8: 8}
    )
    network = NetworkConfig(resolution=8, latent_size=8, fmap_base=32, fmap_max=8)
    return TrainingConfig(
        run_dir=run_dir,
        data_dir=data_dir,
        model="a",
        network=network,
        schedule=schedule,
        optimization=optimization or OptimizationConfig(),
        runtime=RuntimeConfig(**{"grid_interval": 10_000, **runtime}),
    )


def test_a_few_bad_iterations_are_skipped(tmp_path, small_dataset, poison, capsys):
    poison(lambda iteration, _: (iteration % 7) == 3)
    config = make_config(tmp_path, small_dataset)
    state = train(config)
    assert int(state.iteration) == config.schedule.iterations == 70
    assert int(state.skipped) == 10
    assert int(state.attempt) == 0
    assert all(np.all(np.isfinite(value)) for value in weights(state).values())
    assert "back at iteration" not in capsys.readouterr().err


def test_many_bad_iterations_send_it_back_with_other_draws(tmp_path, small_dataset, poison, capsys):
    # Nothing but other draws gets past iteration 35.
    poison(lambda iteration, attempt: (iteration >= 35) & (attempt < 2))
    state = train(make_config(tmp_path, small_dataset))
    assert int(state.iteration) == 70
    # Back to the end of 4x4, once and once more: the second time counts from the checkpoint's attempt, 0.
    assert int(state.attempt) == 2
    errors = capsys.readouterr().err
    assert errors.count("back at iteration 30 with other random draws") == 2
    assert all(np.all(np.isfinite(value)) for value in weights(state).values())


@pytest.mark.slow
def test_going_back_ends_the_same_when_it_is_interrupted(tmp_path, small_dataset, poison, monkeypatch):
    poison(lambda iteration, attempt: (iteration >= 35) & (attempt < 2))
    whole = weights(train(make_config(tmp_path / "whole", small_dataset)))
    roll_back = recovery.Checkpoints.roll_back
    times = []

    class Killed(BaseException):
        pass

    def killed_after_the_second(self):
        times.append(1)
        result = roll_back(self)
        if len(times) == 2:
            raise Killed
        return result

    monkeypatch.setattr(recovery.Checkpoints, "roll_back", killed_after_the_second)
    config = make_config(tmp_path / "parts", small_dataset)
    with pytest.raises(Killed):
        train(config)
    assert_equal_weights(train(config), whole)


def test_checkpoints_are_not_written_while_iterations_are_skipped(tmp_path, small_dataset, poison):
    poison(lambda iteration, _: (iteration >= 33) & (iteration < 38))
    train(make_config(tmp_path, small_dataset, checkpoint_minutes=0))
    # The newest three and the end of every phase; 40 is the end of the fade.
    kept = sorted(int(path.stem.split("-")[1]) for path in (tmp_path / "checkpoints").glob("*.index"))
    assert kept == [30, 40, 68, 69, 70]


@pytest.mark.slow
def test_what_cannot_be_helped_ends_with_a_report(tmp_path, small_dataset, poison):
    poison(lambda iteration, _: iteration >= 35)
    config = make_config(tmp_path, small_dataset)
    report = (
        r"diverged in 8x8 .* at iteration 5\d: .*going back 3 times.*gradient_norm/generator nan.*"
        r"weights of the discriminator 0\.\d+.*try half the --learning_rate=0.001"
    )
    with pytest.raises(UserError, match=report):
        train(config)
    newest = max(int(path.stem.split("-")[1]) for path in (tmp_path / "checkpoints").glob("*.index"))
    reader = tf.train.load_checkpoint(str(tmp_path / "checkpoints" / f"checkpoint-{newest}"))
    for name in reader.get_variable_to_shape_map():
        values = reader.get_tensor(name)
        if isinstance(values, np.ndarray) and values.dtype == np.float32:
            assert np.all(np.isfinite(values)), name


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "purpose", "optimization"),
    [
        ("normal", Purpose.GENERATOR_LATENTS, OptimizationConfig(critic_steps=2)),
        ("uniform", Purpose.PENALTY_MIX, OptimizationConfig(gp_interval=2)),
    ],
    ids=["the generator", "the penalty"],
)
def test_what_fails_only_when_it_is_due_is_noticed_too(
    kind, purpose, optimization, tmp_path, small_dataset, poison
):
    poison(lambda iteration, _: iteration >= 41, kind, (purpose,))
    with pytest.raises(UserError, match="diverged in 8x8 stable"):
        train(make_config(tmp_path, small_dataset, optimization))
