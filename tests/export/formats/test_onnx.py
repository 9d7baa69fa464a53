"""The same images from ONNX runtimes as from TensorFlow."""

import functools
import json
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest

from mrisynth.data.labels import LabelKind, LabelSchema
from mrisynth.errors import UserError
from mrisynth.export.formats import saved_model
from mrisynth.sampling.conditions import input_names
from tests.label_tables import SCHEMA
from tests.untrained_exports import untrained_generator

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
openvino = pytest.importorskip("openvino")

from mrisynth.export.formats.onnx import OPSET, export_generator  # noqa: E402

pytestmark = pytest.mark.both_stacks

LATENTS = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
TRUNCATION = np.array([0.7], np.float32)
POSITIONS = (0, 1, -1, 0, -1)
DEVIATIONS = (0.0, 1.0, np.nan, -9.0, 0.3)

generator_of = functools.partial(untrained_generator, channels=2, latent_size=12, fmap_max=16)


def asked(schema):
    """Values of five images as an ONNX model takes them, and encoded."""
    inputs, table = {}, {}
    for label in schema.labels:
        if label.kind is LabelKind.CATEGORICAL:
            inputs[input_names(schema)[label.name]] = np.array(POSITIONS)
            table[label.name] = [label.vocabulary[place] if place >= 0 else None for place in POSITIONS]
        else:
            values = np.array(label.mean + label.deviation * np.array(DEVIATIONS), np.float32)
            inputs[input_names(schema)[label.name]] = values
            table[label.name] = values.tolist()
    return inputs, schema.encode(table, 5)


@pytest.fixture(scope="module", params=[LabelSchema(), SCHEMA], ids=["unconditional", "conditional"])
def exported(request, tmp_path_factory):
    """The file, what it is asked, and TensorFlow's images."""
    generator = generator_of(label_schema=request.param)
    file = export_generator(generator, tmp_path_factory.mktemp("onnx") / "heads")
    inputs, labels = asked(request.param)
    images = generator(LATENTS, truncation=0.7, labels=labels if request.param.width else None)
    return file, {"latents": LATENTS, "truncation": TRUNCATION, **inputs}, np.clip(images, -1, 1)


def test_onnxruntime_draws_the_same_images(exported):
    file, inputs, images = exported
    (drawn,) = onnxruntime.InferenceSession(str(file)).run(["images"], inputs)
    assert np.std(images) > 0.1
    np.testing.assert_allclose(drawn, images, atol=1e-4)


def test_openvino_draws_the_same_images(exported):
    file, inputs, images = exported
    model = openvino.Core().compile_model(str(file), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(model(inputs)["images"], images, atol=1e-4)


def test_noise_is_of_the_first_numbers_of_a_latent_whatever_the_truncation(tmp_path):
    generator = untrained_generator(noise_inputs=True, latent_size=20, fmap_max=16)
    latents = np.random.default_rng(0).normal(size=(3, 20)).astype(np.float32)
    file = export_generator(generator, tmp_path / "heads")
    (drawn,) = onnxruntime.InferenceSession(str(file)).run(
        None, {"latents": latents, "truncation": TRUNCATION}
    )
    np.testing.assert_allclose(drawn, np.clip(generator(latents, truncation=0.7), -1, 1), atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"fused_resampling": False, "channels": 1},
        {"resolution": 4},
        {"bilinear_resampling": True},
        {"noise_inputs": True, "fmap_base": 32},
    ],
)
def test_networks_of_other_kinds_are_written_too(settings, tmp_path):
    generator = generator_of(attention_resolutions=(4,), **settings)
    file = export_generator(generator, tmp_path / "heads")
    inputs = {"latents": LATENTS, "truncation": np.ones(1, np.float32)}
    (drawn,) = onnxruntime.InferenceSession(str(file)).run(None, inputs)
    np.testing.assert_allclose(drawn, np.clip(generator(LATENTS), -1, 1), atol=1e-4)


def test_the_page_shows_how_a_python_with_onnxruntime_alone_draws(tmp_path):
    file = export_generator(generator_of(), tmp_path / "heads")
    page = (pathlib.Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    shown = shown.replace("MODEL/generator.onnx", str(file))
    program = f"import sys\nsys.modules['tensorflow'] = None\n{shown}"
    started = [sys.executable, "-c", program]
    ended = subprocess.run(started, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert np.load(tmp_path / "images.npy").shape == (16, 16, 16, 2)


def test_the_model_says_what_it_takes(exported):
    file, inputs, _ = exported
    model = onnx.load(file)
    assert [opset.version for opset in model.opset_import] == [OPSET]
    session = onnxruntime.InferenceSession(str(file))
    assert {entry.name for entry in session.get_inputs()} == set(inputs)
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])
    assert len(labels) == len(inputs) - 2


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "heads").mkdir()
    with pytest.raises(UserError, match="--output=.*heads exists already; name a new folder"):
        export_generator(generator_of(), tmp_path / "heads")
    assert not list((tmp_path / "heads").iterdir())


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UserError, match=r"--format=onnx needs .* 'mrisynth\[onnx\]'"):
        export_generator(generator_of(), tmp_path / "heads")
    assert not (tmp_path / "heads").exists()


def test_openvino_reads_the_saved_model(tmp_path):
    """A runtime that is not TensorFlow reads the plain signature."""
    generator = generator_of()
    folder = saved_model.export_generator(generator, tmp_path / "heads")
    model = openvino.Core().compile_model(str(folder), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    np.testing.assert_allclose(model({"latents": LATENTS})[0], np.clip(generator(LATENTS), -1, 1), atol=1e-4)
