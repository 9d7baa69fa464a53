"""The export as a server loads it: by TensorFlow alone, its command line and its C library."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from mrisynth.sampling.generators import open_export

pytestmark = [pytest.mark.both_stacks, pytest.mark.slow]

HERE = pathlib.Path(__file__).parent
LATENTS = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)


def without_mrisynth(command, cwd, **settings):
    """Runs a program in a folder and an environment in which mrisynth is not found by accident."""
    environment = {**os.environ, "PYTHONPATH": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, check=True, cwd=cwd, env=environment, capture_output=True, **settings)


@pytest.fixture(scope="module")
def images(heads):
    """What Python makes of the latents."""
    return tf.saved_model.load(str(heads)).signatures["serving_default"](latents=LATENTS)["images"].numpy()


def test_the_command_line_of_tensorflow_runs_it(heads, images, tmp_path):
    np.save(tmp_path / "latents.npy", LATENTS)
    program = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    chosen = ["run", "--dir", heads, "--tag_set", "serve", "--outdir", tmp_path]
    inputs = ["--signature_def", "serving_default", "--inputs", "latents=latents.npy"]
    without_mrisynth([*program, *chosen, *inputs], tmp_path)
    np.testing.assert_allclose(np.load(tmp_path / "images.npy"), images, atol=1e-5)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """serve.c, compiled."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    package = pathlib.Path(tf.__file__).parent
    libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
    if not all((package / name).is_file() for name in libraries):
        pytest.skip("this TensorFlow does not carry its C library")
    path = tmp_path_factory.mktemp("program") / "serve"
    subprocess.run(
        [
            *(compiler, HERE / "serve.c", "-o", path, "-I", package / "include"),
            *("-L", package, *(f"-l:{name}" for name in libraries), f"-Wl,-rpath,{package}"),
        ],
        check=True,
    )
    return path


def serve(program, folder, latents, cwd, **labels):
    """What the program makes of latents and labels."""
    saved_model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = saved_model.meta_graphs[0].signature_def["serving_default"]

    def operation(tensor):
        name, index = tensor.name.split(":")
        assert index == "0"
        return name

    operations = [operation(signature.inputs["latents"]), operation(signature.outputs["images"])]
    given = [word for name, value in labels.items() for word in (operation(signature.inputs[name]), value)]
    command = [program, folder, *operations, *map(str, latents.shape), *given]
    result = without_mrisynth(command, cwd, input=latents.tobytes())
    return np.frombuffer(result.stdout, np.float32).reshape(-1, 16, 16, 1)


def test_a_program_in_c_runs_it(heads, images, program, tmp_path):
    found = serve(program, heads, LATENTS, tmp_path)
    np.testing.assert_allclose(found, images, atol=1e-5)
    assert np.ptp(found) > 0.1


def test_a_program_in_c_asks_for_labels(conditional, program, tmp_path):
    latents = np.random.default_rng(0).normal(size=(3, 12)).astype(np.float32)
    sampler = open_export(conditional)
    table = {"suffix": ["T2w"] * 3, "participant/sex": [None] * 3, "position_mm": [-12.5] * 3}
    expected = sampler.images(latents, sampler.label_schema.encode(table, 3))
    found = serve(program, conditional / "1", latents, tmp_path, suffix="T2w", sex="", position_mm="-12.5")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    unknown = serve(program, conditional / "1", latents, tmp_path, suffix="", sex="", position_mm="nan")
    np.testing.assert_allclose(unknown, sampler.images(latents), atol=1e-5)
    assert np.abs(found - unknown).max() > 0.01
