import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelSchema
from mrisynth.networks import Discriminator, Generator

SIZE = {"resolution": 32, "fmap_base": 128, "fmap_max": 16, "latent_size": 24}


@pytest.fixture(scope="session")
def size():
    """The arguments of a small network."""
    return SIZE


@pytest.fixture(scope="session")
def schema():
    """A categorical and a continuous label."""
    return LabelSchema(
        (
            Label("suffix", "categorical", vocabulary=("FLAIR", "T1w", "T2w")),
            Label("participant/age", "continuous", mean=50, deviation=10),
        )
    )


@pytest.fixture(scope="session")
def labels(schema):
    """Labels of eight samples: every one known in the first rows, some unknown in the others, [8, 6]."""
    suffixes = ["FLAIR", "T1w", "T2w", "FLAIR", "T1w", None, "T2w", None]
    ages = [50, 35, 62, 71, None, 44, None, None]
    return tf.constant(schema.encode({"suffix": suffixes, "participant/age": ages}, 8))


@pytest.fixture(scope="session")
def latents():
    return tf.random.stateless_normal([8, 24], seed=[1, 1])


@pytest.fixture(scope="session")
def generator():
    tf.keras.utils.set_random_seed(7)
    return Generator(**SIZE, attention_resolutions=(16,))


@pytest.fixture(scope="session")
def discriminator():
    tf.keras.utils.set_random_seed(8)
    return Discriminator(**SIZE, attention_resolutions=(8, 16))


@pytest.fixture(scope="session")
def conditional_generator(schema):
    """The generator with labels, every weight that starts at zero drawn anew."""
    tf.keras.utils.set_random_seed(7)
    return _stirred(Generator(**SIZE, attention_resolutions=(16,), label_schema=schema))


@pytest.fixture(scope="session")
def conditional_discriminator(schema):
    """The discriminator with labels, every weight that starts at zero drawn anew."""
    tf.keras.utils.set_random_seed(8)
    return _stirred(Discriminator(**SIZE, attention_resolutions=(8, 16), label_schema=schema))


def _stirred(network):
    for name, variable in network.named_variables().items():
        if name.startswith(("modulation", "label_projection")):
            variable.assign(tf.random.stateless_normal(variable.shape, seed=[3, variable.shape[0]]))
    return network
