import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from mrisynth import options
from mrisynth.errors import UserError
from mrisynth.networks import NetworkConfig
from mrisynth.training import GrowthSchedule, RuntimeConfig, TrainingConfig, strategies, train, trainer


def make_config(run_dir, data_dir, model="c", **runtime):
    defaults = options.MODELS[model]
    return TrainingConfig(
        run_dir=run_dir,
        data_dir=data_dir,
        model=model,
        network=NetworkConfig(
            resolution=8,
            latent_size=8,
            fmap_base=32,
            fmap_max=8,
            attention_discriminator=(8,) if defaults.attention_discriminator else (),
            attention_generator=(8,) if defaults.attention_generator else (),
        ),
        schedule=GrowthSchedule(
            resolution=8,
            fade_images=32,
            stable_images=32,
            total_iterations=0,
            finetune_iterations=3 if defaults.finetune_iterations else 0,
            batch_sizes={4: 8, 8: 8},
        ),
        runtime=RuntimeConfig(**{"scalar_interval": 2, "grid_interval": 16, **runtime}),
    )


def weights(state):
    networks = (state.generator, state.average, state.discriminator)
    return {
        f"{network.name}/{name}": variable.numpy()
        for network in networks
        for name, variable in network.named_variables().items()
    }


def logged_scalars(run_dir):
    found = {}
    for path in (run_dir / "tensorboard").glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == "scalars":
                    found.setdefault(value.tag, []).append(float(tf.make_ndarray(value.tensor)))
    return found


@pytest.mark.parametrize("model", list(options.MODELS))
def test_a_whole_run_of_every_model(model, tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, model)
    state = train(config)
    assert int(state.iteration) == config.schedule.iterations == (15 if model == "c" else 12)
    assert all(np.all(np.isfinite(value)) for value in weights(state).values())
    scalars = logged_scalars(config.run_dir)
    expected = {"loss/discriminator", "loss/generator", "wasserstein_estimate", "gradient_penalty"}
    expected |= {"critic_gradient_norm", "schedule/alpha", "schedule/resolution", "schedule/batch_size"}
    expected |= {"images_per_second"}
    attention = {"b": {"discriminator"}, "c": {"discriminator"}, "d": {"discriminator", "generator"}}
    expected |= {f"attention_gamma/{name}_8" for name in attention.get(model, ())}
    assert expected <= scalars.keys()
    assert all(np.all(np.isfinite(values)) for values in scalars.values())
    assert not {tag for tag in scalars if tag.startswith("attention")} - expected
    grids = {path.name for path in (config.run_dir / "samples").iterdir()}
    assert {"generated_000000032_004x004.png", "real_000000096_008x008.png"} <= grids
    described = json.loads((config.run_dir / "config.json").read_text())
    assert described["run"]["model"] == model
    assert described["schedule"]["batch_sizes"] == {"4": 8, "8": 8}


def test_a_run_stopped_and_resumed_ends_with_the_same_weights(tmp_path, small_dataset, monkeypatch):
    whole = weights(train(make_config(tmp_path / "whole", small_dataset)))
    config = make_config(tmp_path / "parts", small_dataset)
    make_step = trainer.make_train_step
    done = []

    def stop_now_and_then(state, strategy, phase, *arguments):
        step = make_step(state, strategy, phase, *arguments)

        def counted(*inputs):
            done.append(phase.name)
            if len(done) in (2, 6, 13):
                signal_handler = trainer.signal.getsignal(trainer.signal.SIGTERM)
                signal_handler(trainer.signal.SIGTERM, None)
            return step(*inputs)

        return counted

    monkeypatch.setattr(trainer, "make_train_step", stop_now_and_then)
    for _ in range(3):
        with pytest.raises(trainer.Interrupted):
            train(config)
    state = train(config)
    assert len(done) == config.schedule.iterations
    for name, value in weights(state).items():
        np.testing.assert_array_equal(value, whole[name], err_msg=name)


def test_a_finished_run_trains_no_more(tmp_path, small_dataset, monkeypatch):
    config = make_config(tmp_path / "run", small_dataset, "a")
    first = weights(train(config))

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(trainer, "make_train_step", refuse)
    for name, value in weights(train(config)).items():
        np.testing.assert_array_equal(value, first[name])


def test_another_configuration_in_the_same_folder_is_refused(tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, "a")
    train(config)
    before = (config.run_dir / "config.json").read_bytes()
    other = dataclasses.replace(
        config, optimization=dataclasses.replace(config.optimization, gradient_penalty=5.0)
    )
    with pytest.raises(UserError, match="--gradient_penalty was 10.0, is 5.0"):
        train(other)
    assert (config.run_dir / "config.json").read_bytes() == before
    # How a run is carried out may change.
    train(dataclasses.replace(config, runtime=RuntimeConfig(checkpoint_minutes=1)))


def test_data_smaller_than_the_network_is_refused_before_anything_is_written(tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, "a")
    larger = dataclasses.replace(
        config, network=NetworkConfig(resolution=32, fmap_base=32, fmap_max=8), schedule=GrowthSchedule(32)
    )
    with pytest.raises(UserError, match="--data_dir|--resolution"):
        train(larger)
    assert not config.run_dir.exists()


@pytest.mark.parametrize(
    ("batch", "replicas", "message"),
    [
        (9, 2, "9 images at 4x4, which 2 replicas cannot share evenly; use a multiple of 2"),
        (12, 2, "6 images at 4x4.*groups of 4; use 8 or 16"),
        (6, 1, "6 images at 4x4.*groups of 4; use 4 or 8"),
    ],
)
def test_batches_that_do_not_divide_are_refused(batch, replicas, message):
    schedule = GrowthSchedule(4, total_iterations=0, batch_sizes={4: batch})
    with pytest.raises(UserError, match=message):
        strategies.check_batches(schedule, replicas)


@pytest.mark.parametrize(("batch", "replicas"), [(8, 2), (2, 1), (6, 2), (3, 1), (4, 4), (128, 8)])
def test_batches_that_divide_are_taken(batch, replicas):
    strategies.check_batches(GrowthSchedule(4, total_iterations=0, batch_sizes={4: batch}), replicas)
