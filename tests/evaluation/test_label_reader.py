import numpy as np
import pytest

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.evaluation import label_reader
from mrisynth.evaluation.label_reader import LabelReader

SCHEMA = LabelSchema(
    (
        Label("sex", LabelKind.CATEGORICAL, ("F", "M")),
        Label("never known", LabelKind.CATEGORICAL, ("a", "b", "c")),
        Label("age", LabelKind.CONTINUOUS, (), 50.0, 10.0),
    )
)


@pytest.fixture(scope="module")
def images():
    return np.random.RandomState(0).randint(0, 256, (40, 16, 16, 1)).astype(np.uint8)


@pytest.fixture(scope="module")
def labels():
    ages = np.random.RandomState(1).uniform(30, 70, 40)
    return SCHEMA.encode({"sex": ["F", "M"] * 20, "age": ages}, 40)


@pytest.fixture(scope="module")
def reader(images, labels):
    return LabelReader(SCHEMA, images, labels, steps=3)


def test_readings_are_probabilities_and_numbers_in_the_encoding_of_the_schema(reader, images):
    readings = reader.read(images)
    assert readings.shape == (40, SCHEMA.width)
    values = SCHEMA.decode(readings)
    assert set(values["sex"]) <= {"F", "M"}
    assert np.ptp(values["age"]) > 0
    np.testing.assert_allclose(readings[:, :2].sum(1), 1, atol=1e-6)


def test_what_is_never_known_is_never_learned(reader, images):
    np.testing.assert_array_equal(reader.read(images)[:, 3:6], np.float32(1 / 3))


def test_the_same_arguments_give_the_same_readings(reader, images, labels):
    again = LabelReader(SCHEMA, images, labels, steps=3).read(images)
    np.testing.assert_array_equal(again, reader.read(images))
    assert not np.array_equal(LabelReader(SCHEMA, images, labels, steps=3, seed=1).read(images), again)


def test_however_many_images_are_read_how_often_the_reader_is_traced_twice_at_most(images, labels):
    reader = LabelReader(SCHEMA, images, labels, steps=1)
    for count in (40, 13, 27, 40, 1):
        assert len(reader.read(images[:count])) == count
    assert reader._predict.experimental_get_tracing_count() <= 2


def test_large_images_are_averaged_down(reader, images, monkeypatch):
    monkeypatch.setattr(label_reader, "LARGEST", 16)
    blocks = np.repeat(np.repeat(images, 4, axis=1), 4, axis=2)
    blocks[:, ::2], blocks[:, 1::2] = blocks[:, ::2] // 2, blocks[:, ::2] // 2 + blocks[:, 1::2] % 2
    means = blocks.reshape(40, 16, 4, 16, 4, 1).mean((2, 4))
    np.testing.assert_array_equal(reader.read(blocks), reader.read(np.rint(means).astype(np.uint8)))
