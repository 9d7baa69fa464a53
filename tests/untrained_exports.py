"""Generators and exports that were never trained, and cards for them."""

import json

import numpy as np
import tensorflow as tf

from mrisynth import checksums
from mrisynth.export_folder import ExportFolder
from mrisynth.networks import Generator
from tests.label_tables import DISTRIBUTION

CARD = {
    "format": "mrisynth model card",
    "format_version": 1,
    "model": {},
    "training": {},
    "data": {},
    "preparation": {"suffix": "T2w"},
    "evaluation": None,
    "geometry": {
        "plane": "coronal",
        "orientation": "row 0 superior, column 0 the patient's right; slices from back to front",
        "field_of_view_mm": 160.0,
        "pixel_size_mm": 10.0,
        "slice_spacing_mm": 3.0,
        "slice_thickness_mm": 2.5,
        "slice_thickness_range_mm": [2.0, 4.0],
    },
    "intensity": {"range": [-50.0, 950.0], "unit": "arbitrary units of the scanner"},
}


def evaluation(words, report):
    """What a card says of an evaluation with this verdict, as far as images from the model tell it."""
    return {
        "date": "2026-11-25",
        "privacy": {"verdict": {"words": words, "reasons": []}, "copies": 0},
        "report": {"checksum": report},
        "unlike_the_data": "",
    }


def untrained_generator(**settings):
    """A small one whose biases, gains and modulations are none of them zero."""
    tf.keras.utils.set_random_seed(3)
    generator = Generator(**{"resolution": 16, "fmap_base": 64, "attention_resolutions": (8,), **settings})
    for variable in generator.named_variables().values():
        variable.assign(variable + 0.3 * tf.random.normal(variable.shape))
    return generator


def write_card(version_folder, card):
    path = ExportFolder(version_folder).card
    path.parent.mkdir(exist_ok=True)
    path.write_text(card if isinstance(card, str) else json.dumps(card))


def card_of(generator, **model):
    """A card of these weights, with what it says of the model replaced in part."""
    said = {
        "resolution": generator.resolution,
        "channels": [f"channel{number}" for number in range(generator.channels)],
        "latent_size": generator.latent_size,
        "attention_generator": list(generator.attention_resolutions),
        "bilinear_resampling": generator.bilinear_resampling,
        "noise_inputs": generator.noise_inputs,
        "weights_checksum": checksums.of_arrays(generator.get_weights()),
    }
    labels = {"labels": DISTRIBUTION.to_json()} if generator.label_schema.width else {}
    return {**CARD, "model": {**said, **model}, **labels}


def save_bank(folder, images):
    """An export whose image of seed s is images[s], [N, r, r]; latents give nothing."""
    module = tf.Module()
    module.bank = tf.Variable(np.asarray(images, np.float32)[..., np.newaxis])
    size = images.shape[1]
    drawn = [
        tf.TensorSpec([], tf.int64, name="seed"),
        tf.TensorSpec([], tf.int32, name="count"),
        tf.TensorSpec([], tf.float32, name="truncation"),
    ]

    @tf.function(input_signature=drawn)
    def generate(seed, count, truncation):
        return {"images": truncation * tf.gather(module.bank, seed + tf.cast(tf.range(count), tf.int64))}

    @tf.function(input_signature=[tf.TensorSpec([None, 12], tf.float32, name="latents")])
    def serve(latents):
        return {"images": tf.zeros([tf.shape(latents)[0], size, size, 1])}

    tf.saved_model.save(
        module, str(folder / "1"), signatures={"generate": generate, "serving_default": serve}
    )
    return folder


def replaced(card, section, **values):
    return {**card, section: {**card[section], **values}}
