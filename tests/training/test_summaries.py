import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from mrisynth import image_io
from mrisynth.data import Samples
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.run_folder import RunFolder
from mrisynth.training.config import OptimizationConfig, RuntimeConfig, TrainingConfig
from mrisynth.training.run_config import RunConfig
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.summaries import GRID_IMAGES, Scalar, Summaries, write_final_evaluation
from tests.training.events import logged, logged_scalars
from tests.untrained_runs import NETWORK, SCHEDULE, make_state


@pytest.fixture(scope="module")
def state():
    return make_state()


def make_run(folder, log_real=True):
    config = TrainingConfig(
        folder,
        folder / "data",
        network=NETWORK,
        schedule=SCHEDULE,
        optimization=OptimizationConfig(seed=5),
        runtime=RuntimeConfig(log_real=log_real),
    )
    return RunConfig(config, "fingerprint", {"tensorflow": "2.99"})


@pytest.fixture
def summaries(state, tmp_path):
    made = Summaries(make_run(tmp_path), state)
    yield made
    made.close()


REAL = Samples(
    tf.random.stateless_uniform([GRID_IMAGES, 8, 8, 1], seed=[1, 1], minval=-1.0), tf.zeros([GRID_IMAGES, 0])
)


def grids(folder):
    return sorted(path.name for path in RunFolder(folder).samples.iterdir())


def test_the_average_draws_the_same_latents_every_time(state, summaries, tmp_path):
    position = SCHEDULE.at_iteration(3)
    assert (position.phase.resolution, position.alpha) == (8, 0.5)
    summaries.write_grids(position, REAL)
    latents = StatelessRng(5).normal(Purpose.GRID_LATENTS, [GRID_IMAGES, NETWORK.latent_size])
    expected = state.average(latents, level=1, alpha=0.5).numpy()
    shown = np.asarray(Image.open(tmp_path / "samples" / "generated_000000024_008x008.png"))
    np.testing.assert_allclose(shown.astype(int), image_io.make_grid(expected), atol=1)


def test_real_images_are_shown_again_only_where_they_look_different(summaries, tmp_path):
    for iteration in (2, 3, 4, 5):
        summaries.write_grids(SCHEDULE.at_iteration(iteration), REAL)
    # At the start of the fade, half way, at its end; then nothing changes.
    real = [name for name in grids(tmp_path) if name.startswith("real")]
    assert real == [f"real_0000000{images}_008x008.png" for images in (16, 24, 32)]
    assert len(grids(tmp_path)) == 4 + 3


def test_real_images_are_shown_nowhere_unless_asked_for(state, tmp_path):
    summaries = Summaries(make_run(tmp_path, log_real=False), state)
    summaries.write_grids(SCHEDULE.at_iteration(3), REAL)
    summaries.close()
    assert grids(tmp_path) == ["generated_000000024_008x008.png"]
    assert set(logged(tmp_path, "images")) == {"quality/generated"}


def test_each_label_has_a_grid_of_its_values_with_the_same_latents(tmp_path):
    schema = LabelSchema(
        (
            Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w", "T2w")),
            Label("participant/age", LabelKind.CONTINUOUS, mean=50.0, deviation=10.0),
        )
    )
    state = TrainingState(NETWORK, "float32", seed=1, label_schema=schema)
    summaries = Summaries(make_run(tmp_path), state)
    table = {"suffix": ["T1w", None] * 32, "participant/age": list(range(20, 20 + GRID_IMAGES))}
    real = REAL._replace(labels=tf.constant(schema.encode(table, GRID_IMAGES)))
    summaries.write_grids(SCHEDULE.at_iteration(3), real)
    summaries.close()
    latents = StatelessRng(5).normal(Purpose.GRID_LATENTS, [GRID_IMAGES, NETWORK.latent_size])[:8]
    for name, values in (("suffix", ["FLAIR", "T1w", "T2w"]), ("age", [30, 40, 50, 60, 70])):
        column = "suffix" if name == "suffix" else "participant/age"
        # All else is as the real samples of the columns have it.
        table = {name: values[:8] for name, values in table.items()}
        rows = [
            state.average(
                latents, level=1, alpha=0.5, labels=schema.encode({**table, column: [value] * 8}, 8)
            )
            for value in values
        ]
        shown = np.asarray(Image.open(tmp_path / "samples" / f"generated_by_{name}_000000024_008x008.png"))
        expected = image_io.make_grid(np.concatenate(rows), columns=8)
        np.testing.assert_allclose(shown.astype(int), expected, atol=1)
        assert not np.array_equal(rows[0], rows[1])


def test_a_run_that_goes_back_shows_every_step_once(state, tmp_path):
    folder = RunFolder(tmp_path)

    def write(writer, *iterations):
        for iteration in iterations:
            writer.write_scalars(SCHEDULE.at_iteration(iteration), {}, images_per_second=iteration)

    try:
        killed = Summaries(make_run(tmp_path), state)
        write(killed, 1, 2, 3, 4)
        killed.close()
        (events,) = folder.tensorboard.iterdir()
        events.write_bytes(events.read_bytes()[:-5])
        state.iteration.assign(2)
        resumed = Summaries(make_run(tmp_path), state)
        write(resumed, 3, 4, 5)
        state.iteration.assign(3)
        resumed.go_back()
        write(resumed, 4)
        resumed.close()
    finally:
        state.iteration.assign(0)
    shown = EventAccumulator(str(folder.tensorboard))
    shown.Reload()
    for name in ("progress/iteration", "progress/images_per_second"):
        events = sorted(
            (event.step, float(tf.make_ndarray(event.tensor_proto))) for event in shown.Tensors(name)
        )
        # An iteration stands at the images that it has come to: 8 in each.
        assert events == [(8, 1), (16, 2), (24, 3), (32, 4)]
    assert all(path.name.startswith("events.out.tfevents.") for path in folder.tensorboard.iterdir())


def test_scalars_say_where_the_schedule_stands_and_what_they_are(state, summaries, tmp_path):
    metrics = {"loss/generator": tf.constant(0.25)}
    summaries.write_scalars(SCHEDULE.at_iteration(3), metrics, images_per_second=12.0)
    summaries.write_evaluation(SCHEDULE.at_iteration(3), {"quality/swd/8": Scalar(3.0, "Patches.")})
    summaries.close()
    write_final_evaluation(RunFolder(tmp_path), 80, {"copying/copies": Scalar(0.5, "Copies.")}, "as words")
    scalars = {name: value for name, (value,) in logged_scalars(tmp_path).items()}
    gamma = scalars.pop("learning/attention_generator_8")
    assert gamma == float(tf.convert_to_tensor(state.generator.attention_gammas()[8]))
    assert scalars == pytest.approx(
        {
            "learning/loss_generator": 0.25,
            "learning/skipped_iterations": 0,
            "progress/alpha": 0.5,
            "progress/resolution": 8,
            "progress/batch_size": 8,
            "progress/learning_rate": 1e-3,
            "progress/iteration": 3,
            "progress/images_per_second": 12.0,
            "quality/swd/8": 3.0,
            "result/copying/copies": 0.5,
        }
    )
    for name, ((step, value),) in logged(tmp_path, "scalars").items():
        assert step == (80 if name.startswith("result/") else 24)
        assert value.metadata.summary_description.endswith(".")
    ((step, words),) = logged(tmp_path, "text")["final_evaluation"]
    assert (step, tf.make_ndarray(words.tensor).item()) == (80, b"```\nas words\n```")


def test_the_configuration_is_there_as_text_and_to_compare_runs_by(summaries, tmp_path):
    summaries.close()
    ((step, text),) = logged(tmp_path, "text")["configuration"]
    assert step == 0
    rows = tf.make_ndarray(text.tensor).item().decode().splitlines()
    assert {"| optimization | seed | 5 |", "| schedule | fade_images | 16 |"} < set(rows)
    assert "| environment | tensorflow | 2.99 |" in rows
    assert "| runtime | log_real | True |" in rows
    (((_, start),),) = logged(tmp_path, "hparams").values()
    compared = plugin_data_pb2.HParamsPluginData.FromString(start.metadata.plugin_data.content)
    compared = compared.session_start_info.hparams
    assert compared["fmap_max"].number_value == 8
    assert compared["attention_generator"].string_value == "[8]"
    assert not {"run_dir", "data_dir", "fingerprint", "strategy"} & set(compared)
