"""Weights as the page takes them; tests/export/formats/test_page.py draws with them."""

import base64
import math

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.export.half_weights import half_weights
from mrisynth.networks import Generator
from tests.label_tables import SCHEMA

pytestmark = pytest.mark.both_stacks


def test_every_array_is_in_its_place_as_it_is_applied():
    sizes = {"resolution": 8, "latent_size": 6, "fmap_base": 64, "fmap_max": 8}
    generator = Generator(**sizes, attention_resolutions=(8,), noise_inputs=True, label_schema=SCHEMA)
    attention = generator.blocks[1].attention
    attention.gamma.assign(0.5)
    strength = np.linspace(-1, 1, 8)
    generator.blocks[1].noise_input.strength.assign(strength)
    network, text = half_weights(generator)
    numbers = np.frombuffer(base64.b64decode(text), "<f2")

    def check(place, expected):
        found = numbers[place["first"] : place["first"] + place["length"]]
        np.testing.assert_allclose(found, np.ravel(expected), rtol=1e-3, atol=1e-6)

    first, second = network["blocks"]
    dense = generator.blocks[0].entry
    check(first["entry"]["kernel"], tf.convert_to_tensor(dense.kernel) * math.sqrt(2) / 4 / math.sqrt(6))
    check(second["convolution"]["bias"], generator.blocks[1].convolution.bias)
    check(second["attention"]["output"], 0.5 * attention.output_projection.equalized_kernel())
    check(second["modulation"], generator.label_layers[-1].equalized_kernel())
    embeddings = network["labels"]["embeddings"]
    assert [entry["width"] for entry in embeddings] == [4, 3, 2]
    assert [bool(entry["frequencies"]) for entry in embeddings] == [False, False, True]
    check(embeddings[2]["kernel"], generator.label_layers[0].dense_layers[2].equalized_kernel())
    check(second["noise"], strength)
    assert "attention" not in first
    assert "noise" not in first
