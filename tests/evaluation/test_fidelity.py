"""Labels of generators of which it is known what they show."""

import csv
import dataclasses
import shutil

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.conditions.schema import label_schema
from mrisynth.data.labels import Label, LabelKind
from mrisynth.data.storing.manifest import Split
from mrisynth.data.storing.storage import quantize
from mrisynth.evaluation import fidelity
from mrisynth.evaluation.fidelity import (
    ACCURACY,
    AREA,
    AS_REAL,
    BY_MASK,
    CORRELATION,
    ERROR,
    LESS,
    MORE,
    MOVED_SEEDS,
    UNCLEAR,
    UNREADABLE,
    Asked,
    measure_fidelity,
)
from mrisynth.evaluation.reference import load_reference
from mrisynth.image_io import to_gray
from mrisynth.metrics.estimates import Interval
from mrisynth.networks.config import NetworkConfig
from mrisynth.privacy.bootstrap import Bootstrap
from mrisynth.training import train
from mrisynth.training.config import OptimizationConfig, TrainingConfig
from mrisynth.training.schedule import GrowthSchedule
from tests.evaluation.labeled_images import SCHEMA, draw_heads, draw_values, make_reference

STEPS = 60
GAN_STEPS = 600


@pytest.fixture(scope="module")
def real():
    return make_reference()


def measure(real, asked):
    return measure_fidelity(SCHEMA, real, asked, STEPS, Bootstrap(draws=40))


def values_of(labels):
    return {name: np.array(values) for name, values in SCHEMA.decode(labels).items()}


@pytest.fixture(scope="module")
def oracle(real):
    """A generator that has real training images with their own labels, and draws what else is asked for."""
    side = real.training
    return measure(real, Asked(side.images, side.labels, lambda labels: draw_heads(values_of(labels), 5)))


@pytest.fixture(scope="module")
def heedless(real):
    """A generator that draws whatever it likes; what `suffix` does to its images is that they are bright."""

    def draw_again(labels):
        values = draw_values(len(labels), 6)
        along = labels[:, 1:2].ravel()
        return draw_heads({**values, "brightness": 0.2 + 0.6 * along}, 6)

    side = real.training
    shuffled = side.labels[np.random.RandomState(0).permutation(len(side.labels))]
    return measure(real, Asked(side.images, shuffled, draw_again))


def by_title(found):
    return {row.title: row for row in found.shown}


def test_images_that_are_what_was_asked_for_are_read_as_real_ones_are(oracle):
    rows = by_title(oracle)
    for title in (f"suffix, {ACCURACY}", f"suffix, {AREA}", f"brightness, {CORRELATION}"):
        assert rows[title].finding == AS_REAL, rows[title]
        assert rows[title].generated > 0.9
    assert rows[f"suffix, {ACCURACY}"].learned > 0.9
    error = rows[f"brightness, {ERROR}"]
    assert error.finding not in (LESS, UNREADABLE)
    assert error.generated < 0.1
    assert error.learned < 0.15
    assert error.chance == pytest.approx(0.25, abs=0.03)  # Of U[0, 1] and its median.


def test_images_that_have_nothing_to_do_with_what_was_asked_for_are_read_as_by_chance(oracle, heedless):
    rows = by_title(heedless)
    for title in (f"suffix, {ACCURACY}", f"suffix, {AREA}", f"brightness, {CORRELATION}"):
        chance = 0.0 if CORRELATION in title else 0.5
        assert rows[title].finding == LESS
        assert rows[title].generated == pytest.approx(chance, abs=0.12)
        # What is read off real images has nothing to do with the generator.
        assert rows[title].real == by_title(oracle)[title].real
    error = rows[f"brightness, {ERROR}"]
    assert error.finding == LESS
    assert error.generated > error.chance
    assert error.learned > 0.8 * error.chance
    assert rows[f"suffix, {ACCURACY}"].learned == pytest.approx(0.5, abs=0.1)


def test_what_only_a_mask_shows_is_not_read_off_images_but_off_the_mask(oracle, heedless):
    for figure in (ERROR, CORRELATION):
        assert by_title(oracle)[f"lesion_fraction, {figure}"].finding == UNREADABLE
    rows = by_title(oracle)
    assert rows[f"lesion_fraction, {CORRELATION}{BY_MASK}"].finding == AS_REAL
    assert rows[f"lesion_fraction, {CORRELATION}{BY_MASK}"].real.value > 0.99
    assert rows[f"lesion_fraction, {ERROR}{BY_MASK}"].generated < 0.01
    assert rows[f"lesion_fraction, {ERROR}{BY_MASK}"].learned is None
    shuffled = by_title(heedless)[f"lesion_fraction, {CORRELATION}{BY_MASK}"]
    assert shuffled.finding == LESS
    assert abs(shuffled.generated) < 0.15


def test_a_label_that_is_moved_leaves_the_others_where_they_are(oracle, heedless):
    assert {(moved.label, moved.other) for moved in oracle.moved} == {
        ("suffix", "brightness"),
        ("brightness", "suffix"),
        ("lesion_fraction", "suffix"),
        ("lesion_fraction", "brightness"),
    }
    assert max(moved.part for moved in oracle.moved) < fidelity.MOST_MOVED
    parts = {(moved.label, moved.other): moved.part for moved in heedless.moved}
    assert parts["suffix", "brightness"] == pytest.approx(0.6, abs=0.15)
    assert parts["lesion_fraction", "brightness"] < fidelity.MOST_MOVED
    assert "where suffix is moved, brightness goes with it by" in heedless.summary
    assert heedless.summary.endswith("of its range at most, which is too far.")
    assert oracle.summary.endswith("of its range at most, which is little enough.")


def test_the_summary_names_what_is_not_shown(oracle, heedless):
    assert "lesion_fraction, correlation of the mask's area" not in oracle.summary
    assert f"{UNREADABLE}: lesion_fraction, {ERROR}, lesion_fraction, {CORRELATION}" in oracle.summary
    assert f"0 of 8 figures {AS_REAL}; {LESS}: suffix, {ACCURACY}" in heedless.summary


def test_labels_that_too_few_images_have_are_left_out(real):
    """Whatever their networks learn in a single step."""
    labels = real.heldout.labels.copy()
    labels[15:, :3] = 0
    few = dataclasses.replace(real, heldout=dataclasses.replace(real.heldout, labels=labels))
    asked = Asked(
        real.training.images, real.training.labels, lambda labels: real.training.images[:MOVED_SEEDS]
    )
    found = measure_fidelity(SCHEMA, few, asked, 1, Bootstrap(draws=20))
    assert {row.label for row in found.shown} == {"brightness", "lesion_fraction"}


@pytest.mark.parametrize(
    ("figure", "generated", "real", "finding"),
    [
        (ACCURACY, 0.95, (1.0, 0.99, 1.0), AS_REAL),
        (ACCURACY, 0.94, (1.0, 0.995, 1.0), LESS),
        (ACCURACY, 0.94, (1.0, 0.9, 1.0), UNCLEAR),
        (CORRELATION, 0.9, (0.8, 0.75, 0.85), MORE),
        (CORRELATION, 0.9, (0.8, 0.0, 0.85), UNREADABLE),
        (CORRELATION, -0.1, (0.8, 0.1, 0.85), LESS),
        (ERROR, 10.0, (9.7, 9.6, 9.8), AS_REAL),
        (ERROR, 20.0, (10.0, 9.0, 11.0), LESS),
        (ERROR, 5.0, (10.0, 9.0, 11.0), MORE),
    ],
)
def test_findings_follow_the_ratio_to_real_images(figure, generated, real, finding):
    ratio = fidelity._ratio(figure, generated, Interval(*real))
    assert fidelity._finding(ratio, is_read=True) == finding
    assert fidelity._finding(ratio, is_read=False) == UNREADABLE


def test_figures_count_every_image_as_often_as_its_weight_says():
    sex = Label("sex", LabelKind.CATEGORICAL, ("F", "M"))
    truth = sex.encode(["F", "M", "M"])
    read = np.float32([[0.9, 0.1, 1], [0.2, 0.8, 1], [0.95, 0.05, 1]])
    assert fidelity._accuracy(truth, read, np.array([1.0, 1, 1])) == pytest.approx(2 / 3)
    assert fidelity._accuracy(truth, read, np.array([1.0, 3, 0])) == 1
    assert fidelity._area(truth, read, np.array([1.0, 1, 1])) == 0.5
    assert fidelity._area(truth, read, np.array([2.0, 3, 1])) == 0.75
    assert np.isnan(fidelity._area(truth, read, np.array([1.0, 0, 0])))
    numbers, others = np.float32([[0, 1], [1, 1], [2, 1]]), np.float32([[0, 1], [2, 1], [2, 1]])
    assert fidelity._error(numbers, others, np.array([1.0, 2, 1])) == 0.5
    assert fidelity._correlation(numbers, others, np.array([1.0, 0, 1])) == pytest.approx(1)
    expected = np.corrcoef([0, 1, 1, 2], [0, 2, 2, 2])[0, 1]
    assert fidelity._correlation(numbers, others, np.array([1.0, 2, 1])) == pytest.approx(expected)
    assert fidelity._correlation(numbers, np.ones_like(numbers), np.ones(3)) == 0
    assert fidelity._probability(truth, read) == pytest.approx((0.9 + 0.8 + 0.05) / 3)


def test_the_part_of_the_head_that_is_mask_is_counted_in_pixels():
    image = np.zeros((8, 8), np.uint8)
    image[2:6, 2:7] = 200
    image[3, 3] = 0  # A cavity is of the head.
    mask = np.where(image > 0, 127, 0)
    mask[4, 2:6] = 128
    nothing = np.zeros_like(image)
    shares = fidelity._mask_shares(np.stack([mask, nothing, mask]), np.stack([image, image, nothing]))
    assert shares == [4 / 20, 0, 4]


def draw_squares(brightness, random):
    """A square as bright as it says, from -0.8 to 0.8, and noise, float32 [N, 8, 8, 1]."""
    images = np.full((len(brightness), 8, 8, 1), -0.9, np.float32)
    images[:, 2:6, 2:6] = 1.6 * np.reshape(brightness, (-1, 1, 1, 1)) - 0.8
    return images + random.uniform(-0.1, 0.1, images.shape)


@pytest.fixture(scope="module")
def squares(small_dataset, tmp_path_factory):
    """The small data set with squares in the place of heads, as bright as its lesion_fraction says."""
    folder = tmp_path_factory.mktemp("squares") / "data"
    shutil.copytree(small_dataset, folder)
    random, table = np.random.RandomState(0), read_table(folder)
    for row in table:
        row["lesion_fraction"] = f"{random.uniform(0, 1):.3f}"
    write_table(folder, table)
    for split in Split:
        images = draw_squares(
            [float(row["lesion_fraction"]) for row in table if row["split"] == split], random
        )
        half = images.reshape(-1, 4, 2, 4, 2, 1).mean((2, 4))
        for size, scaled in ((4, half), (8, images), (16, images.repeat(2, axis=1).repeat(2, axis=2))):
            np.save(folder / f"{split}-r{size:04d}.npy", quantize(scaled))
    return folder


def read_table(folder):
    with (folder / "labels.tsv").open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def write_table(folder, rows):
    with (folder / "labels.tsv").open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]), delimiter="\t", lineterminator="\n")
        table.writeheader()
        table.writerows(rows)


@pytest.mark.slow
@pytest.mark.parametrize("shuffled", [False, True])
def test_labels_that_are_shuffled_in_training_give_chance_and_others_do_not(shuffled, squares, tmp_path):
    data_dir = tmp_path / "data"
    shutil.copytree(squares, data_dir)
    if shuffled:
        table = read_table(data_dir)
        values = [row["lesion_fraction"] for row in table]
        orders = (np.random.RandomState(seed).permutation(values) for seed in range(100))
        # Of so few slices, what any order has to do with brightness by chance could be learned.
        values = min(orders, key=lambda order: abs(np.corrcoef(*map(np.float64, (values, order)))[0, 1]))
        write_table(data_dir, [{**r, "lesion_fraction": v} for r, v in zip(table, values, strict=True)])
    schema = label_schema(squares, ["lesion_fraction"])
    config = TrainingConfig(
        run_dir=tmp_path / "run",
        data_dir=data_dir,
        model="a",
        network=NetworkConfig(resolution=8, latent_size=8, fmap_base=128, fmap_max=16),
        schedule=GrowthSchedule(
            resolution=8,
            fade_images=64,
            stable_images=64,
            total_iterations=GAN_STEPS,
            batch_sizes={4: 32, 8: 32},
        ),
        optimization=OptimizationConfig(ema_decay=0.98, label_dropping=0.0),
        label_schema=schema,
    )
    state = train(config)
    real = load_reference(squares, 16, schema=schema)
    labels = np.tile(real.training.labels, (4, 1))
    latents = tf.random.stateless_normal([len(labels), 8], [0, 1])
    images = to_gray(state.average(latents, level=1, labels=tf.constant(labels)).numpy())
    images = images.repeat(2, axis=1).repeat(2, axis=2)
    asked = Asked(images, labels, lambda labels: images[:MOVED_SEEDS])
    found = measure_fidelity(schema, real, asked, STEPS, Bootstrap(draws=40))
    rows = by_title(found)
    correlation, error = (rows[f"lesion_fraction, {figure}"] for figure in (CORRELATION, ERROR))
    if shuffled:
        assert correlation.finding == error.finding == LESS
        assert abs(correlation.generated) < 0.2
        assert error.learned > 0.8 * error.chance
    else:
        assert correlation.generated > 0.5
