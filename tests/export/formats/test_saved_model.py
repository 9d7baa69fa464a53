import io
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.protobuf import saved_model_pb2

from mrisynth.export.formats.saved_model import export_generator, most_images
from mrisynth.image_io import to_gray
from mrisynth.networks import Generator
from mrisynth.sampling.latents import seeded_latents
from tests.label_tables import SCHEMA

pytestmark = pytest.mark.both_stacks

SIZE = {"resolution": 16, "latent_size": 12, "fmap_base": 64, "fmap_max": 16, "attention_resolutions": (8,)}

WITHOUT_MRISYNTH = """
import sys
sys.modules["mrisynth"] = None  # importing it would fail
import numpy as np
import tensorflow as tf
model = tf.saved_model.load(sys.argv[1])
serve = model.signatures["serving_default"]
latents = tf.constant(np.load(sys.argv[2]))
np.save(sys.argv[3], serve(latents=latents)["images"].numpy())
assert not any(name.startswith("mrisynth.") for name in sys.modules)
"""


@pytest.fixture(scope="module")
def generator():
    """With biases, as a trained one has: without them pixel norm undoes truncation."""
    tf.keras.utils.set_random_seed(11)
    generator = Generator(**SIZE, dtype="mixed_bfloat16")
    for name, variable in generator.named_variables().items():
        if "bias" in name:
            variable.assign(tf.random.normal(variable.shape))
    return generator


@pytest.fixture(scope="module")
def exported(generator, tmp_path_factory):
    return export_generator(generator, tmp_path_factory.mktemp("model") / "heads")


def in_full_precision(generator):
    copy = Generator(**SIZE)
    copy.set_weights(generator.get_weights())
    return copy


def test_runs_in_a_python_without_mrisynth(generator, exported, tmp_path):
    latents = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    np.save(tmp_path / "latents.npy", latents)
    arguments = [exported, tmp_path / "latents.npy", tmp_path / "images.npy"]
    # From a folder in which the package cannot be found by accident.
    subprocess.run(
        [sys.executable, "-c", WITHOUT_MRISYNTH, *map(str, arguments)],
        check=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ""},
    )
    images = np.load(tmp_path / "images.npy")
    expected = np.clip(in_full_precision(generator)(latents), -1, 1)
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 17])
def test_any_batch_size(exported, count):
    serve = tf.saved_model.load(str(exported)).signatures["serving_default"]
    images = serve(latents=tf.random.normal([count, 12]))["images"]
    assert images.shape == (count, 16, 16, 1)
    assert np.min(images) >= -1
    assert np.max(images) <= 1


def test_signature(exported):
    serve = tf.saved_model.load(str(exported)).signatures["serving_default"]
    (latents,) = serve.structured_input_signature[1].values()
    assert latents.shape.as_list() == [None, 12]
    assert latents.dtype == tf.float32
    assert serve.structured_outputs["images"].dtype == tf.float32


def test_versions_count_up_and_nothing_is_left_aside(generator, tmp_path):
    for version in ("1", "2"):
        assert export_generator(generator, tmp_path / "heads").name == version
    assert sorted(path.name for path in (tmp_path / "heads").iterdir()) == ["1", "2"]


@pytest.mark.parametrize("signature", ["generate", "png"])
@pytest.mark.parametrize("count", [-1, 0, 10**8])
def test_a_request_that_would_take_the_servers_memory_is_an_error(exported, generator, signature, count):
    most = most_images(generator)
    assert most == 2**28 // (16 * 16 * 8)
    with pytest.raises(tf.errors.InvalidArgumentError, match=f"count is 1 to {most}; ask for more"):
        tf.saved_model.load(exported).signatures[signature](
            seed=tf.constant(0, tf.int64), count=tf.constant(count), truncation=tf.constant(1.0)
        )


def draw(exported, seed, count, truncation=1.0):
    model = tf.saved_model.load(str(exported))
    generate = model.signatures["generate"]
    return generate(
        seed=tf.constant(seed, tf.int64),
        count=tf.constant(count),
        truncation=tf.constant(truncation, tf.float32),
    )["images"].numpy()


def test_every_image_has_a_seed_of_its_own(exported):
    images = draw(exported, 40, 6)
    assert images.shape == (6, 16, 16, 1)
    np.testing.assert_allclose(draw(exported, 43, 1)[0], images[3], atol=1e-6)
    assert len({image.tobytes() for image in images}) == 6


def test_truncation_narrows_the_spread_and_one_leaves_images_alone(generator, exported):
    spreads = [draw(exported, 0, 64, truncation).std(axis=0).mean() for truncation in (0, 0.5, 0.8, 1)]
    assert spreads[0] == pytest.approx(0, abs=1e-6)
    assert spreads[0] < spreads[1] < spreads[2] < spreads[3]
    latents = seeded_latents(0, 5, 12)
    expected = np.clip(in_full_precision(generator)(latents), -1, 1)
    np.testing.assert_allclose(draw(exported, 0, 5), expected, atol=1e-5)


def test_truncation_moves_the_first_layer_towards_its_mean(generator):
    """As it is defined: m + psi (x - m), with the mean over many latents."""
    full = in_full_precision(generator)
    dense = full.blocks[0].entry

    def before_activation(latents, truncation):
        normalized = truncation * full.latent_norm(tf.constant(latents))
        return tf.matmul(normalized, dense.equalized_kernel()).numpy()

    latents = np.random.default_rng(0).normal(size=(200_000, 12)).astype(np.float32)
    mean = before_activation(latents, 1.0).mean(axis=0)
    x = before_activation(latents[:10], 1.0)
    np.testing.assert_allclose(before_activation(latents[:10], 0.6), mean + 0.6 * (x - mean), atol=0.01)


def test_png_files_are_the_images_in_eight_bits(exported):
    model = tf.saved_model.load(str(exported))
    files = model.signatures["png"](
        seed=tf.constant(3, tf.int64), count=tf.constant(4), truncation=tf.constant(0.7)
    )["png_bytes"].numpy()
    images = draw(exported, 3, 4, 0.7)[..., 0]
    for file, image in zip(files, images, strict=True):
        gray = np.asarray(Image.open(io.BytesIO(file)))
        np.testing.assert_array_equal(gray, to_gray(image))


def test_several_channels_are_given_each_and_shown_side_by_side(tmp_path):
    generator = Generator(resolution=8, channels=3, latent_size=4, fmap_base=16, fmap_max=4)
    exported = export_generator(generator, tmp_path / "model")
    images = draw(exported, 0, 2)
    assert images.shape == (2, 8, 8, 3)
    (file, _) = (
        tf.saved_model.load(str(exported))
        .signatures["png"](seed=tf.constant(0, tf.int64), count=tf.constant(2), truncation=tf.constant(1.0))[
            "png_bytes"
        ]
        .numpy()
    )
    gray = np.asarray(Image.open(io.BytesIO(file)))
    np.testing.assert_array_equal(gray, to_gray(np.concatenate(list(images[0].transpose(2, 0, 1)), axis=1)))


@pytest.fixture(scope="module")
def conditional():
    """A generator that knows a contrast, a sex and a place."""
    tf.keras.utils.set_random_seed(3)
    return Generator(resolution=8, latent_size=4, fmap_base=16, fmap_max=4, label_schema=SCHEMA)


@pytest.fixture(scope="module")
def signatures(conditional, tmp_path_factory):
    exported = export_generator(conditional, tmp_path_factory.mktemp("conditional") / "model")
    return tf.saved_model.load(str(exported)).signatures


def seeds(first, count):
    return {
        "seed": tf.constant(first, tf.int64),
        "count": tf.constant(count),
        "truncation": tf.constant(1.0),
    }


LABELS = {
    "suffix": tf.constant(["T1w", "", "n/a", "FLAIR"]),
    "sex": tf.constant(["F", "M", "", ""]),
    "position_mm": tf.constant([12.5, float("nan"), -1000, float("inf")]),
}


def test_a_conditional_generator_takes_a_tensor_for_every_label(conditional, signatures):
    table = {
        "suffix": ["T1w", None, None, "FLAIR"],
        "participant/sex": ["F", "M", None, None],
        "position_mm": [12.5, None, -1000, None],
    }
    latents = seeded_latents(5, 4, 4)
    expected = np.clip(conditional(latents, labels=SCHEMA.encode(table, 4)), -1, 1)
    for images in (
        signatures["serving_default"](latents=latents, **LABELS)["images"],
        signatures["generate"](**seeds(5, 4), **LABELS)["images"],
    ):
        np.testing.assert_allclose(images, expected, atol=1e-5)
    files = signatures["png"](**seeds(5, 4), **LABELS)["png_bytes"].numpy()
    gray = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in files])
    np.testing.assert_allclose(gray, to_gray(expected)[..., 0].astype(int), atol=1)
    assert np.abs(conditional(latents) - expected)[0].max() > 0.01


def test_one_value_is_for_all_images(signatures):
    one = {"suffix": tf.constant(["T2w"]), "sex": tf.constant([""]), "position_mm": tf.constant([3.0])}
    all_alike = {name: tf.tile(value, [5]) for name, value in one.items()}
    np.testing.assert_array_equal(
        signatures["generate"](**seeds(0, 5), **one)["images"],
        signatures["generate"](**seeds(0, 5), **all_alike)["images"],
    )


def test_all_unknown_is_the_unconditional_network(conditional, signatures):
    unknown = {
        "suffix": tf.constant([""]),
        "sex": tf.constant([""]),
        "position_mm": tf.constant([float("nan")]),
    }
    images = signatures["generate"](**seeds(5, 3), **unknown)["images"]
    np.testing.assert_allclose(images, np.clip(conditional(seeded_latents(5, 3, 4)), -1, 1), atol=1e-5)


def test_signatures_carry_unknown_as_the_default_of_labels(conditional, tmp_path):
    """By which a server answers plain calls, of seed, count and truncation, too."""
    exported = export_generator(conditional, tmp_path / "model")
    proto = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    definitions = proto.meta_graphs[0].signature_def
    for name in ("serving_default", "generate", "png"):
        defaults = {key: tf.make_ndarray(value) for key, value in definitions[name].defaults.items()}
        assert defaults.keys() == {"suffix", "sex", "position_mm"}
        assert defaults["suffix"].tolist() == defaults["sex"].tolist() == [b""]
        assert np.isnan(defaults["position_mm"]).tolist() == [True]


def test_a_text_that_is_no_category_fails_with_those_that_are(signatures):
    asked = {**LABELS, "suffix": tf.constant(["T1w", "PD", "", ""])}
    with pytest.raises(tf.errors.InvalidArgumentError, match="suffix is FLAIR, T1w, T2w"):
        signatures["generate"](**seeds(0, 4), **asked)


def test_without_labels_signatures_are_what_they_were(exported):
    proto = saved_model_pb2.SavedModel.FromString((exported / "saved_model.pb").read_bytes())
    for name, inputs in (
        ("serving_default", {"latents"}),
        ("generate", {"seed", "count", "truncation"}),
        ("png", {"seed", "count", "truncation"}),
    ):
        definition = proto.meta_graphs[0].signature_def[name]
        assert set(definition.inputs) == inputs
        assert not definition.defaults
