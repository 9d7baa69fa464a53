import os
import subprocess
import sys

import pytest

from mrisynth import keras_backend

pytestmark = pytest.mark.both_stacks


def run(program, **environment):
    return subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, **environment}, capture_output=True, text=True
    )


@pytest.mark.parametrize("package", ["layers", "networks", "training"])
def test_packages_refuse_another_backend(package):
    result = run(f"import mrisynth.{package}", KERAS_BACKEND="jax")
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    assert last.startswith("ImportError: mrisynth computes with TensorFlow, not with jax, ")
    assert "set KERAS_BACKEND=tensorflow" in last


def test_programs_refuse_another_backend_in_one_sentence():
    result = run("import mrisynth.main", KERAS_BACKEND="torch")
    assert result.returncode == 1
    assert result.stderr.startswith("error: mrisynth computes with TensorFlow, not with torch, ")
    assert result.stderr.count("\n") == 1


def test_keras_is_asked_once_it_is_there(monkeypatch):
    class Backend:
        def backend(self):
            return "jax"

    class Keras:
        backend = Backend()

    monkeypatch.setitem(sys.modules, "keras", Keras())
    with pytest.raises(ImportError, match="not with jax"):
        keras_backend.require_tensorflow()


def test_programs_leave_tensorflow_for_later():
    program = "import sys, mrisynth.main, mrisynth.networks; sys.exit('tensorflow' in sys.modules)"
    assert run(program, KERAS_BACKEND="").returncode == 0
