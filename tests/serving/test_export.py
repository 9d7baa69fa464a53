import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from mrisynth.networks import Generator
from mrisynth.serving.export import export_generator, next_version

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
    tf.keras.utils.set_random_seed(11)
    return Generator(**SIZE, dtype="mixed_bfloat16")


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
    assert next_version(tmp_path / "heads") == 1
    assert export_generator(generator, tmp_path / "heads").name == "1"
    assert export_generator(generator, tmp_path / "heads").name == "2"
    (tmp_path / "heads" / "10").mkdir()
    assert next_version(tmp_path / "heads") == 11
    assert sorted(path.name for path in (tmp_path / "heads").iterdir()) == ["1", "10", "2"]
