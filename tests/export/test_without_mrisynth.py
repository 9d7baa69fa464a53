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


def test_a_program_in_c_runs_it(heads, images, tmp_path):
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    package = pathlib.Path(tf.__file__).parent
    libraries = ["libtensorflow_cc.so.2", "libtensorflow_framework.so.2"]
    if not all((package / name).is_file() for name in libraries):
        pytest.skip("this TensorFlow does not carry its C library")
    subprocess.run(
        [
            *(compiler, HERE / "serve.c", "-o", tmp_path / "serve", "-I", package / "include"),
            *("-L", package, *(f"-l:{name}" for name in libraries), f"-Wl,-rpath,{package}"),
        ],
        check=True,
    )
    saved_model = saved_model_pb2.SavedModel.FromString((heads / "saved_model.pb").read_bytes())
    signature = saved_model.meta_graphs[0].signature_def["serving_default"]
    operations = []
    for tensor in (signature.inputs["latents"], signature.outputs["images"]):
        operation, index = tensor.name.split(":")
        assert index == "0"
        operations.append(operation)
    sizes = map(str, LATENTS.shape)
    result = without_mrisynth(
        [tmp_path / "serve", heads, *operations, *sizes], tmp_path, input=LATENTS.tobytes()
    )
    found = np.frombuffer(result.stdout, np.float32).reshape(images.shape)
    np.testing.assert_allclose(found, images, atol=1e-5)
    assert np.ptp(found) > 0.1
