"""docs/serving.md, followed from top to bottom as it is printed."""

import importlib.util
import os
import pathlib
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from google.protobuf import text_format
from PIL import Image

from tests.serving.model_server import ModelServer

ROOT = pathlib.Path(__file__).parents[2]
FILES = ROOT / "tools" / "serving"


def commands():
    """The page's indented lines, those that go on joined."""
    page = (ROOT / "docs" / "serving.md").read_text()
    printed = "".join(re.findall(r"^    .*\n", page, re.M)).replace("\\\n", "")
    return [line.strip() for line in printed.splitlines()]


@pytest.mark.slow
@pytest.mark.both_stacks
def test_every_command_works_as_it_is_printed(ended_run, tmp_path):
    (tmp_path / "tools").symlink_to(ROOT / "tools")
    (tmp_path / "bin").mkdir()
    for name, arguments in (
        ("python", ""),
        ("saved_model_cli", "-m tensorflow.python.tools.saved_model_cli"),
    ):
        (tmp_path / "bin" / name).write_text(f'#!/bin/sh\nexec {sys.executable} {arguments} "$@"\n')
        (tmp_path / "bin" / name).chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    # A hospital's proxy, which knows no server on this machine.
    environment |= dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy"), "http://127.0.0.1:9")
    environment.pop("no_proxy", None)
    server = ModelServer({"heads": tmp_path / "saved_models" / "heads"})
    places = {"RUN": str(ended_run), "NAME": "heads", "localhost:8501": server.rest}
    skipped = ["docker", "pip"] + ([] if shutil.which("curl") else ["curl"])
    has_onnx = importlib.util.find_spec("onnx") is not None
    if server.grpc:
        places["localhost:8500"] = server.grpc
    outputs = {}
    for command in commands():
        if command.split()[0] in skipped or ("grpc" in command and not server.grpc):
            continue
        if "onnx" in command and not has_onnx:
            continue
        for name, place in places.items():
            command = re.sub(rf"\b{name}\b", place, command)
        result = subprocess.run(
            command, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, f"{command}\n{result.stderr}"
        outputs[command.split()[0]] = result.stdout
    server.close()
    assert (tmp_path / "MODEL" / "generator.onnx").is_file() == has_onnx
    assert (tmp_path / "saved_models/heads/1/assets.extra/model_card.md").is_file()
    assert np.load(tmp_path / "OUT" / "images.npy").shape == (16, 16, 16, 1)
    assert np.asarray(Image.open(tmp_path / "images.png")).shape == (1024, 1024)
    if "curl" not in skipped:
        assert '"b64": "iVBORw0KGgo' in outputs["curl"]
    if server.grpc:
        assert np.load(tmp_path / "images.npy").shape == (16, 16, 16, 1)


def test_the_page_has_the_commands_that_are_tested():
    programs = [command.split()[0] for command in commands()]
    serving = ["python", "saved_model_cli", "docker", "curl", "python", "python"]
    assert programs == [*serving, "pip", "python"]


def test_model_config_is_what_tensorflow_serving_reads():
    config_pb2 = pytest.importorskip(
        "tensorflow_serving.config.model_server_config_pb2", reason="tensorflow-serving-api is not installed"
    )
    config = text_format.Parse((FILES / "model.config").read_text(), config_pb2.ModelServerConfig())
    for model in config.model_config_list.config:
        # What docker-compose.yml mounts saved_models/ as.
        assert model.base_path == f"/models/{model.name}"
        assert model.model_platform == "tensorflow"


def test_batches_are_of_allowed_sizes_up_to_the_largest():
    """What TensorFlow Serving requires: sizes in increasing order, the last one max_batch_size."""
    text = (FILES / "batching_parameters.txt").read_text()
    sizes = [int(size) for size in re.findall(r"^allowed_batch_sizes: (\d+)$", text, re.M)]
    (largest,) = re.findall(r"^max_batch_size \{ value: (\d+) \}$", text, re.M)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == int(largest)


def test_the_compose_file_names_files_that_are_there():
    text = (FILES / "docker-compose.yml").read_text()
    assert "- ../../saved_models:/models:ro" in text
    named = set(re.findall(r"/config/([\w.]+)", text))
    assert named == {"model.config", "batching_parameters.txt"}
    assert all((FILES / name).is_file() for name in named)
