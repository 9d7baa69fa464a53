import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mrisynth import image_io
from mrisynth.data import Samples
from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.run_folder import RunFolder
from mrisynth.training.state import TrainingState
from mrisynth.training.stateless_rng import Purpose, StatelessRng
from mrisynth.training.summaries import GRID_IMAGES, Summaries
from tests.training.events import logged_scalars
from tests.untrained_runs import NETWORK, SCHEDULE, make_state


@pytest.fixture(scope="module")
def state():
    return make_state()


@pytest.fixture
def summaries(state, tmp_path):
    made = Summaries(RunFolder(tmp_path), state, seed=5)
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


def test_each_label_has_a_grid_of_its_values_with_the_same_latents(tmp_path):
    schema = LabelSchema(
        (
            Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w", "T2w")),
            Label("participant/age", LabelKind.CONTINUOUS, mean=50.0, deviation=10.0),
        )
    )
    state = TrainingState(NETWORK, "float32", seed=1, label_schema=schema)
    summaries = Summaries(RunFolder(tmp_path), state, seed=5)
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
        killed = Summaries(folder, state, seed=5)
        write(killed, 1, 2, 3, 4)
        killed.close()
        (events,) = folder.tensorboard.iterdir()
        events.write_bytes(events.read_bytes()[:-5])
        state.iteration.assign(2)
        resumed = Summaries(folder, state, seed=5)
        write(resumed, 3, 4, 5)
        state.iteration.assign(3)
        resumed.go_back()
        write(resumed, 4)
        resumed.close()
    finally:
        state.iteration.assign(0)
    shown = EventAccumulator(str(folder.tensorboard))
    shown.Reload()
    for name in ("schedule/images", "images_per_second"):
        assert sorted(event.step for event in shown.Tensors(name)) == [1, 2, 3, 4]
    assert all(path.name.startswith("events.out.tfevents.") for path in folder.tensorboard.iterdir())


def test_scalars_say_where_the_schedule_stands(state, summaries, tmp_path):
    metrics = {"loss/generator": tf.constant(0.25)}
    summaries.write_scalars(SCHEDULE.at_iteration(3), metrics, images_per_second=12.0)
    summaries.write_evaluation(SCHEDULE.at_iteration(3), {"swd/8": 3.0})
    summaries.close()
    scalars = {name: value for name, (value,) in logged_scalars(tmp_path).items()}
    gamma = scalars.pop("attention_gamma/generator_8")
    assert gamma == float(tf.convert_to_tensor(state.generator.attention_gammas()[8]))
    assert scalars == pytest.approx(
        {
            "loss/generator": 0.25,
            "schedule/alpha": 0.5,
            "schedule/resolution": 8,
            "schedule/batch_size": 8,
            "schedule/learning_rate": 1e-3,
            "schedule/images": 24,
            "skipped_iterations": 0,
            "images_per_second": 12.0,
            "evaluation/swd/8": 3.0,
        }
    )
