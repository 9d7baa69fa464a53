"""More channels, the same function, and every new channel learns."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.data.labels import Label, LabelKind, LabelSchema
from mrisynth.networks.config import NetworkConfig
from mrisynth.training.state import TrainingState
from mrisynth.training.warm_start import SourceWeights, take_weights, weights_of

pytestmark = pytest.mark.both_stacks

LABELS = LabelSchema(
    (
        Label("suffix", LabelKind.CATEGORICAL, ("FLAIR", "T1w")),
        Label("participant/age", LabelKind.CONTINUOUS, mean=50.0, deviation=20.0),
    )
)
# 8, 8 and 4 channels at 4x4, 8x8 and 16x16.
NARROW = NetworkConfig(
    resolution=16,
    channels=2,
    latent_size=6,
    fmap_base=32,
    fmap_max=8,
    attention_generator=(4, 8),
    attention_discriminator=(4, 8),
    noise_inputs=True,
)


def make(network, seed):
    """A state in which no weight is zero, so that attention, biases and labels have an effect."""
    state = TrainingState(network, "float32", seed=seed, label_schema=LABELS)
    random = np.random.default_rng(seed)
    for part in (state.generator, state.average, state.discriminator):
        part.set_weights([value + random.normal(0, 0.5, value.shape) for value in part.get_weights()])
    return state


def give(narrow, network):
    """A state of other sizes that was given the weights of a narrow one, and what is said of that."""
    parts = (weights_of(part) for part in (narrow.generator, narrow.average, narrow.discriminator))
    wide = make(network, seed=1)
    return wide, take_weights(wide, SourceWeights(*parts, LABELS, NARROW))


def latents_and_labels():
    latents = np.random.default_rng(3).normal(size=(8, 6)).astype(np.float32)
    table = {"suffix": ["FLAIR", "T1w", None, "T1w"] * 2, "participant/age": [20, 70, 45, None] * 2}
    return latents, LABELS.encode(table, 8)


@pytest.mark.parametrize(
    ("widths", "rank"),
    [
        pytest.param({"fmap_max": 12}, 2, id="12-8-4"),
        pytest.param({"fmap_base": 64}, 2, id="8-8-8"),
        pytest.param({"fmap_base": 64, "fmap_max": 24}, 2, id="24-16-8"),
        pytest.param({"fmap_base": 64, "fmap_max": 24}, 3, id="24-16-8 volumes"),
    ],
)
def test_wider_networks_compute_the_same(widths, rank):
    network = dataclasses.replace(NARROW, rank=rank)
    narrow = make(network, seed=0)
    wide, said = give(narrow, dataclasses.replace(network, **widths))
    assert "wider: block_" in said
    assert "anew" not in said
    latents, labels = latents_and_labels()
    for level, alpha in ((0, 1.0), (1, 0.3), (2, 0.7), (2, 1.0)):
        images = narrow.generator(latents, level=level, alpha=alpha, labels=labels)
        found = wide.generator(latents, level=level, alpha=alpha, labels=labels)
        np.testing.assert_allclose(found, images, atol=3e-5 * np.abs(images).max())
        scores = narrow.discriminator(images, level=level, alpha=alpha, labels=labels)
        found = wide.discriminator(images, level=level, alpha=alpha, labels=labels)
        # The standard deviation of a channel of zeros is 1e-4, the root of what keeps it from 0.
        np.testing.assert_allclose(found, scores, atol=1e-4 * np.abs(scores).max())
    np.testing.assert_allclose(
        wide.average(latents, labels=labels), narrow.average(latents, labels=labels), atol=1e-4
    )


@pytest.mark.parametrize("name", ["generator", "discriminator"])
def test_every_new_weight_learns(name):
    """Its gradient is not 0, at once or after a step of those whose is not."""
    wide, _ = give(make(NARROW, seed=0), dataclasses.replace(NARROW, fmap_base=64, fmap_max=24))
    latents, labels = latents_and_labels()
    network = getattr(wide, name)
    images = np.random.default_rng(2).normal(size=(8, 16, 16, 2)).astype(np.float32)
    inputs = {"generator": latents, "discriminator": images}[name]
    variables = network.named_variables()
    learns = {key: np.zeros(variable.shape, bool) for key, variable in variables.items()}
    for _ in range(3):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(network(inputs, labels=labels) - 0.5))
        gradients = tape.gradient(loss, list(variables.values()), unconnected_gradients="zero")
        for (key, variable), gradient in zip(variables.items(), gradients, strict=True):
            learns[key] |= np.asarray(gradient) != 0
            variable.assign_sub(1e-2 * tf.sign(gradient))
    resting = {key.split("/")[0] for key, found in learns.items() if not found.all()}
    # What makes or takes the images of lower resolutions is not in use.
    assert resting == {layer.name for layer in network.image_layers[:-1]}
