import concurrent.futures
import dataclasses
import functools
import importlib.util
import json
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.cli import train_flags
from mrisynth.data import read_manifest
from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.labels import UNCONDITIONAL, Label, LabelKind, LabelSchema
from mrisynth.data.storing.manifest import Split
from mrisynth.errors import UserError
from mrisynth.locking import exclusive
from mrisynth.networks import NetworkConfig
from mrisynth.training import (
    GrowthSchedule,
    OptimizationConfig,
    RuntimeConfig,
    TrainingConfig,
    checkpoints,
    train,
    trainer,
)
from mrisynth.training.ema import load_average
from mrisynth.training.interruption import Interrupted
from mrisynth.training.state import TrainingState
from mrisynth.training.summaries import Scalar
from tests.training.events import logged_scalars
from tests.training.weights import assert_equal_weights, weights

needs_addons = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_addons") is None, reason="tensorflow-addons is not installed"
)


def make_config(run_dir, data_dir, model="c", **runtime):
    defaults = train_flags.MODELS[model]
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


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_dataset):
    """Trains a model to its end, once, in another thread than the main one.

    Gives its configuration, its state, and what its evaluations were called with.
    """

    @functools.cache
    def trained(model):
        run_dir = tmp_path_factory.mktemp("trained") / model
        config = make_config(run_dir, small_dataset, model, eval_interval=40)
        evaluated = []

        def evaluate(generator, level, alpha, _):
            evaluated.append((generator.name, level, alpha))
            return {"quality/measure": Scalar(float(len(evaluated)), "A number.")}

        with concurrent.futures.ThreadPoolExecutor() as executor:
            state = executor.submit(train, config, evaluate=evaluate).result()
        return config, state, evaluated

    return trained


@pytest.fixture
def finished(trained, tmp_path):
    """A finished run of model a in a folder that may be changed, and its weights."""
    config, state, _ = trained("a")
    shutil.copytree(config.run_dir, tmp_path / "run")
    return dataclasses.replace(config, run_dir=tmp_path / "run"), weights(state)


def from_another(source, run_dir, data_dir):
    """A short run that starts from the weights of a finished one, at its full resolution."""
    return dataclasses.replace(
        make_config(run_dir, data_dir, "a"),
        schedule=GrowthSchedule(8, 32, 32, 2, batch_sizes={8: 8}, start_resolution=8),
        optimization=OptimizationConfig(seed=1),
        init_from=source.run_dir,
    )


def first_weights(config):
    """The weights that a run began with."""
    state = TrainingState(config.network, "float32", seed=0)
    state.checkpoint().read(str(config.folder.checkpoints / "checkpoint-0")).expect_partial()
    return state


@pytest.mark.slow
@pytest.mark.both_stacks
def test_a_run_starts_from_the_weights_of_another_at_its_resolution(
    finished, small_dataset, tmp_path, capsys
):
    source, given = finished
    config = from_another(source, tmp_path / "warm", small_dataset)
    state = train(config)
    said = capsys.readouterr().err
    assert f"first weights from {source.run_dir}: " in said
    assert "anew" not in said
    assert int(state.iteration) == 2
    assert_equal_weights(first_weights(config), given)
    assert set(logged_scalars(config.run_dir)["progress/resolution"]) == {8}
    document = json.loads(config.folder.config.read_text())
    assert document["init_from"] == {
        "path": str(source.run_dir),
        "weights_checksum": load_average(source.run_dir).checksum,
        "data": [{"fingerprint": read_manifest(small_dataset).fingerprint, "kind": "scans"}],
    }
    # It goes on without what it started from, and without a word of it; from another one it does not.
    shutil.rmtree(source.run_dir)
    longer = dataclasses.replace(config, schedule=dataclasses.replace(config.schedule, total_iterations=3))
    for again in (longer, dataclasses.replace(longer, init_from=None)):
        assert int(train(again).iteration) == 3
        assert json.loads(config.folder.config.read_text())["init_from"] == document["init_from"]
    assert "first weights" not in capsys.readouterr().err
    with pytest.raises(UserError, match=r"--init_from was .*, is .*other\); give the same flags"):
        train(dataclasses.replace(longer, init_from=tmp_path / "other"))


def test_a_run_killed_before_its_first_checkpoint_takes_the_weights_again(
    finished, small_dataset, tmp_path, monkeypatch
):
    source, given = finished
    config = from_another(source, tmp_path / "warm", small_dataset)

    class Killed(BaseException):
        pass

    def kill(_):
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(checkpoints.Checkpoints, "save", kill)
        with pytest.raises(Killed):
            train(config)
    assert not checkpoints.saved_iterations(config.folder)
    make_step, rates = trainer.make_train_step, []

    def watched(*arguments):
        step = make_step(*arguments)
        return lambda *inputs, **due: (rates.append(float(inputs[-1])), step(*inputs, **due))[1]

    monkeypatch.setattr(trainer, "make_train_step", watched)
    train(dataclasses.replace(config, init_from=None))
    assert_equal_weights(first_weights(config), given)
    # The average that it took with them is kept.
    assert rates == pytest.approx([1 - config.optimization.ema_decay] * 2)


def test_weights_that_do_not_fit_or_are_not_there_are_named_before_anything_is_written(
    finished, small_dataset, tmp_path
):
    source, _ = finished
    config = from_another(source, tmp_path / "warm", small_dataset)
    narrow = dataclasses.replace(config.network, fmap_base=12, fmap_max=3)
    for changes, message in (
        ({"network": narrow}, "has no weights that fit these networks; give the --fmap_base and --fmap_max"),
        ({"init_from": tmp_path / "nothing"}, "--init_from=.*nothing is neither a run, "),
    ):
        with pytest.raises(UserError, match=message):
            train(dataclasses.replace(config, **changes))
        assert not config.folder.config.exists()
        assert not config.folder.checkpoints.exists()


# Model b is model c without the fine-tuning.
@pytest.mark.parametrize(
    "model",
    [
        "a",
        pytest.param("b", marks=pytest.mark.slow),
        pytest.param("c", marks=pytest.mark.both_stacks),
        "d",
    ],
)
def test_a_whole_run_of_every_model(model, trained):
    config, state, _ = trained(model)
    assert int(state.iteration) == config.schedule.iterations == (15 if model == "c" else 12)
    assert all(np.all(np.isfinite(value)) for value in weights(state).values())
    scalars = logged_scalars(config.run_dir)
    names = ("loss_discriminator", "loss_generator", "score_difference", "gradient_penalty", "slope")
    names += ("score_held_out",)
    expected = {f"learning/{name}" for name in names}
    names = ("alpha", "resolution", "batch_size", "images_per_second")
    expected |= {f"progress/{name}" for name in names}
    attention = {"b": {"discriminator"}, "c": {"discriminator"}, "d": {"discriminator", "generator"}}
    expected |= {f"learning/attention_{name}_8" for name in attention.get(model, ())}
    assert expected <= scalars.keys()
    assert all(np.all(np.isfinite(values)) for values in scalars.values())
    assert not {tag for tag in scalars if tag.startswith("learning/attention")} - expected
    assert {tag.split("/")[0] for tag in scalars} == {"learning", "progress", "quality"}
    grids = {path.name for path in (config.run_dir / "samples").iterdir()}
    assert {"generated_000000032_004x004.png", "generated_000000064_008x008.png"} <= grids
    assert not any(name.startswith("real") for name in grids)
    described = json.loads((config.run_dir / "config.json").read_text())
    assert described["run"]["model"] == model
    assert described["environment"]["replicas"] == 1
    assert described["environment"]["tensorflow"] == tf.__version__
    assert described["schedule"]["batch_sizes"] == {"4": 8, "8": 8}


def test_evaluations_are_due_every_so_many_images_whatever_the_phases(trained):
    config, _, evaluated = trained("a")
    # Phases end at 32, 64 and 96 images.
    assert evaluated == [("average", 1, 0.25), ("average", 1, 1.0)]
    assert logged_scalars(config.run_dir)["quality/measure"] == [1.0, 2.0]


def test_a_finished_run_trains_no_more(finished, monkeypatch):
    config, whole = finished

    def refuse(*_):
        raise AssertionError("trained again")

    monkeypatch.setattr(trainer, "make_train_step", refuse)
    assert_equal_weights(train(config), whole)
    # How a run is carried out may change.
    train(dataclasses.replace(config, runtime=RuntimeConfig(checkpoint_minutes=1)))


def test_a_run_whose_newest_checkpoint_is_damaged_comes_to_the_same_end(finished, capsys):
    config, whole = finished
    newest = config.folder.checkpoints / "checkpoint-12.data-00000-of-00001"
    newest.write_bytes(newest.read_bytes()[:100])
    assert_equal_weights(train(config), whole)
    said = capsys.readouterr().err
    assert "checkpoint-12 is damaged" in said
    assert "resumes   from iteration 8 in 8x8 stable, 64 images are done" in said.splitlines()


def test_another_configuration_in_the_same_folder_is_refused(finished):
    config, _ = finished
    before = config.folder.config.read_bytes()
    optimization = dataclasses.replace(config.optimization, gradient_penalty=5.0)
    with pytest.raises(UserError, match="--gradient_penalty was 10.0, is 5.0"):
        train(dataclasses.replace(config, optimization=optimization))
    assert config.folder.config.read_bytes() == before


def test_a_run_that_lacks_a_setting_that_came_later_is_resumed(finished):
    config, _ = finished
    path = config.folder.config
    document = json.loads(path.read_text())
    del document["optimization"]["augment"], document["runtime"]["profile_steps"]
    path.write_text(json.dumps(document))
    train(config)
    assert json.loads(path.read_text())["optimization"]["augment"] == "none"


@pytest.mark.both_stacks
@pytest.mark.parametrize("optimizer", ["adam", pytest.param("lookahead", marks=needs_addons)])
def test_a_run_stopped_and_resumed_ends_with_the_same_weights(
    optimizer, tmp_path, small_dataset, monkeypatch
):
    chosen = OptimizationConfig(optimizer=optimizer)
    config = dataclasses.replace(make_config(tmp_path / "whole", small_dataset), optimization=chosen)
    whole = weights(train(config))
    config = dataclasses.replace(config, run_dir=tmp_path / "parts")
    make_step = trainer.make_train_step
    done = []

    def stop_now_and_then(state, strategy, phase, *arguments):
        step = make_step(state, strategy, phase, *arguments)

        def counted(*inputs, **due):
            done.append(phase.name)
            if len(done) in (2, 4, 6, 13, 15):
                signal_handler = signal.getsignal(signal.SIGTERM)
                signal_handler(signal.SIGTERM, None)
            return step(*inputs, **due)

        return counted

    monkeypatch.setattr(trainer, "make_train_step", stop_now_and_then)
    for _ in range(5):
        with pytest.raises(Interrupted):
            train(config)
    state = train(config)
    assert len(done) == config.schedule.iterations
    assert (config.run_dir / "samples" / "generated_000000120_008x008.png").is_file()
    assert_equal_weights(state, whole)


def test_distances_of_few_samples_are_measured_without_repeating_any(tmp_path, small_dataset, monkeypatch):
    schema = LabelSchema((Label("position_mm", LabelKind.CONTINUOUS, deviation=20.0),))
    config = dataclasses.replace(make_config(tmp_path / "run", small_dataset, "a"), label_schema=schema)
    measured = []

    def counted(samples, subjects, schema):
        measured.append((len(samples.images), len(subjects)))
        raise RuntimeError("measured")

    monkeypatch.setattr(trainer.diversity, "wanted_distance", counted)
    with pytest.raises(RuntimeError, match="measured"):
        train(config)
    slices = read_manifest(small_dataset).splits[Split.TRAIN].slices
    assert measured == [(slices, slices)]
    assert slices < trainer.diversity.SAMPLES


def test_a_run_with_labels_trains_and_is_read_with_them(tmp_path, small_dataset):
    schema = LabelSchema((Label("position_mm", LabelKind.CONTINUOUS, deviation=20.0),))
    config = dataclasses.replace(make_config(tmp_path / "run", small_dataset, "a"), label_schema=schema)
    state = train(config)
    assert int(state.iteration) == config.schedule.iterations
    average = load_average(config.run_dir)
    assert average.generator.label_schema == average.config.training.label_schema == schema
    assert average.config.channels == ("FLAIR",)
    with pytest.raises(UserError, match="another configuration .*--labels was "):
        train(dataclasses.replace(config, label_schema=UNCONDITIONAL))


def test_a_run_with_conditions_takes_their_encoding_from_the_data_set(tmp_path, small_dataset):
    config = dataclasses.replace(
        make_config(tmp_path / "run", small_dataset, "a"), conditions=("position_mm",)
    )
    train(config)
    schema = label_schema(small_dataset, ("position_mm",))
    assert load_average(config.run_dir).config.training.label_schema == schema
    assert list((config.run_dir / "samples").glob("generated_by_position_mm_*.png"))
    train(config)
    with pytest.raises(UserError, match="--conditions was position_mm, is "):
        train(dataclasses.replace(config, conditions=()))


def test_the_data_set_says_how_many_channels_there_are(tmp_path, small_dataset, monkeypatch):
    manifest = dataclasses.replace(read_manifest(small_dataset), channels=("FLAIR", "T1w"))
    monkeypatch.setattr(trainer, "read_manifest", lambda _: manifest)
    monkeypatch.setattr(trainer, "open_samples", lambda *_, **__: None)
    config, found = trainer.check_data(make_config(tmp_path / "run", small_dataset))
    assert config.network.channels == 2
    assert found is manifest


def test_checkpoints_are_written_between_phases_too(tmp_path, small_dataset, monkeypatch):
    saved = []
    save = checkpoints.Checkpoints.save
    monkeypatch.setattr(checkpoints.Checkpoints, "save", lambda self: (saved.append(1), save(self)))
    train(make_config(tmp_path / "run", small_dataset, "a", checkpoint_minutes=0))
    # At the start, after each of 12 iterations, and at the end of each of 3 phases.
    assert len(saved) == 1 + 12 + 3


@pytest.mark.parametrize("name", ["train-r0004", "heldout-r0008"])
def test_missing_images_of_any_resolution_and_side_are_found_before_training(name, tmp_path, small_dataset):
    data = tmp_path / "data"
    shutil.copytree(small_dataset, data)
    (data / f"{name}.npy").unlink()
    with pytest.raises(UserError, match=f"incomplete.*{name}"):
        train(make_config(tmp_path / "run", data))
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_fit_can_be_made_smaller_before_its_resolution_begins(
    tmp_path, small_dataset, monkeypatch
):
    config = make_config(tmp_path / "run", small_dataset, "a")
    make_step = trainer.make_train_step

    def without_memory_for_8(state, strategy, phase, *arguments):
        step = make_step(state, strategy, phase, *arguments)

        def exhausted(*_, **__):
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

        return exhausted if phase.batch_size == 8 and phase.level else step

    monkeypatch.setattr(trainer, "make_train_step", without_memory_for_8)
    with pytest.raises(
        UserError, match="8x8 fade with 8 images a step does not fit.*--batch_sizes=4:8,8:4 goes on"
    ):
        train(config)

    def with_batches(batch_sizes):
        return dataclasses.replace(
            config, schedule=dataclasses.replace(config.schedule, batch_sizes=batch_sizes)
        )

    with pytest.raises(UserError, match="--batch_sizes was 4:8,8:4, is 4:4,8:4"):
        train(with_batches({4: 4, 8: 4}))
    state = train(with_batches({4: 8, 8: 4}))
    assert int(state.iteration) == 4 + 8 + 8
    # Now 8x8 is done, and its batch part of the run.
    with pytest.raises(UserError, match="--batch_sizes was 4:8,8:4, is 4:8,8:8"):
        train(with_batches({4: 8, 8: 8}))


def test_penalty_generator_steps_and_the_average_go_as_configured(tmp_path, small_dataset, monkeypatch):
    chosen = OptimizationConfig(gp_interval=3, critic_steps=2, augment="diffaug")
    config = dataclasses.replace(
        make_config(tmp_path / "run", small_dataset, "a", scalar_interval=4), optimization=chosen
    )
    make_step = trainer.make_train_step
    seen, rates, kinds = [], [], []

    def watched(*arguments):
        step = make_step(*arguments)

        def call(*inputs, penalizes, generates):
            seen.append((penalizes, generates))
            rates.append(float(inputs[-1]))
            return step(*inputs, penalizes=penalizes, generates=generates)

        return call

    monkeypatch.setattr(trainer, "make_train_step", watched)
    update = trainer.Progress.update
    monkeypatch.setattr(
        trainer.Progress, "update", lambda self, *given: (kinds.append(given[2]), update(self, *given))
    )
    train(config)
    assert kinds == seen == [(i % 3 == 0, i % 2 == 1) for i in range(12)]
    positions = [config.schedule.at_iteration(i) for i in range(12)]
    assert rates == pytest.approx([config.average_rate(position) for position in positions])
    # Iterations 3, 7 and 11 are logged; two of them have no penalty of their own.
    scalars = logged_scalars(config.run_dir)
    assert len(scalars["learning/gradient_penalty"]) == len(scalars["learning/loss_generator"]) == 3


def test_data_smaller_than_the_network_is_refused_before_anything_is_written(tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, "a")
    larger = dataclasses.replace(
        config, network=NetworkConfig(resolution=32, fmap_base=32, fmap_max=8), schedule=GrowthSchedule(32)
    )
    with pytest.raises(UserError, match="prepared at --resolution=16, 32 is asked for"):
        train(larger)
    assert not config.run_dir.exists()


def test_a_run_that_another_process_trains_is_left_alone(tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, "a")
    config.run_dir.mkdir()
    with (
        exclusive(config.run_dir / ".lock"),
        pytest.raises(UserError, match=r"--run_dir: another process is writing to .*run just now"),
    ):
        train(config)
    assert list(config.run_dir.iterdir()) == []


def test_a_run_stopped_and_resumed_is_evaluated_as_often(tmp_path, small_dataset):
    config = make_config(tmp_path / "run", small_dataset, "a", eval_interval=24)
    seen = []

    def stop(generator, level, alpha, _):
        seen.append((level, alpha))
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
        return {}

    for done in (3, 6, 9):
        with pytest.raises(Interrupted):
            train(config, evaluate=stop)
        # Right after the evaluation.
        assert checkpoints.saved_iterations(config.folder)[-1] == done
    with pytest.raises(Interrupted):
        train(config, evaluate=stop)
    train(config, evaluate=stop)
    assert seen == [(0, 1.0), (1, 0.5), (1, 1.0), (1, 1.0)]
