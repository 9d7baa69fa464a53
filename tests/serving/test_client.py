"""The client against a server that speaks TensorFlow Serving's two protocols over the same SavedModel."""

import http.server
import socket
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from mrisynth.errors import UserError
from mrisynth.image_io import save_images, side_by_side, to_gray
from mrisynth.sampling.conditions import Condition
from mrisynth.sampling.generators import open_export
from mrisynth.serving.client import PROTOCOLS, Query, fetch
from tests.serving.model_server import ModelServer

pytestmark = pytest.mark.both_stacks


def address(server, protocol):
    if protocol == "grpc" and server.grpc is None:
        pytest.skip("tensorflow-serving-api is not installed")
    return server.rest if protocol == "rest" else server.grpc


@pytest.fixture(scope="module")
def expected(heads):
    """The images of seeds 40 to 42, by the SavedModel itself."""

    def draw(truncation):
        return (
            tf.saved_model.load(str(heads))
            .signatures["generate"](
                seed=tf.constant(40, tf.int64),
                count=tf.constant(3),
                truncation=tf.constant(truncation, tf.float32),
            )["images"]
            .numpy()
        )

    return draw


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_images_are_those_of_the_model(protocol, server, expected):
    images = fetch(Query(address(server, protocol), protocol, "heads", "generate", 3, 40, 0.7))
    assert images.dtype == np.float32
    np.testing.assert_allclose(images, expected(0.7), atol=1e-6)
    assert np.abs(expected(0.7) - expected(1.0)).max() > 0.01


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_png_files_are_those_images_in_eight_bits(protocol, server, expected):
    images = fetch(Query(address(server, protocol), protocol, "heads", "png", 3, 40, 0.7))
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, to_gray(expected(0.7)))


def test_channels_are_side_by_side_in_files_whatever_is_asked_for(several_channels, tmp_path):
    server = ModelServer({"masked": several_channels})
    try:
        images, files = (
            fetch(Query(server.rest, "rest", "masked", name, 3, 40)) for name in ("generate", "png")
        )
    finally:
        server.close()
    assert images.shape == (3, 8, 8, 2)
    np.testing.assert_array_equal(files[..., 0], side_by_side(to_gray(images)))
    for name, drawn in (("images.png", images), ("files.png", files)):
        save_images(drawn, 40, tmp_path / name)
    grid, of_files = (np.asarray(Image.open(tmp_path / name)) for name in ("images.png", "files.png"))
    np.testing.assert_array_equal(grid, of_files)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_seed_means_the_same_image_when_latents_are_sent(protocol, server, expected):
    images = fetch(Query(address(server, protocol), protocol, "heads", "serving_default", 3, 40))
    np.testing.assert_allclose(images, expected(1.0), atol=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("signature", ["generate", "serving_default"])
def test_an_unknown_model_is_named(protocol, signature, server):
    query = Query(address(server, protocol), protocol, "hearts", signature)
    with pytest.raises(UserError, match=r"serves no --model=hearts .*model.config"):
        fetch(query)


@pytest.fixture(scope="module")
def foreign_server(tmp_path_factory):
    """A server of a model that is not ours, and of one that refuses whatever it is asked."""
    from tests.serving.model_server import ModelServer

    folder = tmp_path_factory.mktemp("foreign")
    other, stubborn = tf.Module(), tf.Module()
    other.double = tf.function(lambda x: {"y": 2 * x}, input_signature=[tf.TensorSpec([None], tf.float32)])
    stubborn.generate = tf.function(lambda x: {"y": x}, input_signature=[tf.TensorSpec([], tf.float32, "x")])
    tf.saved_model.save(other, str(folder / "other" / "1"), signatures={"double": other.double})
    signatures = {"generate": stubborn.generate}
    tf.saved_model.save(stubborn, str(folder / "stubborn" / "1"), signatures=signatures)
    server = ModelServer({name: folder / name for name in ("other", "stubborn")})
    yield server
    server.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("signature", ["generate", "png", "serving_default"])
def test_a_signature_that_is_not_there_is_named(protocol, signature, foreign_server):
    query = Query(address(foreign_server, protocol), protocol, "other", signature)
    with pytest.raises(UserError, match=f"--model=other has no --signature={signature}; .*mrisynth-export"):
        fetch(query)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_the_server_says_is_passed_on(protocol, foreign_server):
    query = Query(address(foreign_server, protocol), protocol, "stubborn")
    with pytest.raises(UserError, match="refuses --signature=generate: input size does not match"):
        fetch(query)


@pytest.fixture(scope="module")
def asked_server(conditional):
    """A server of a model that knows labels."""
    from tests.serving.model_server import ModelServer

    server = ModelServer({"asked": conditional})
    yield server
    server.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("signature", ["generate", "png", "serving_default"])
def test_what_is_asked_of_labels_is_what_a_sampler_draws(protocol, signature, asked_server, conditional):
    """With the same numbers of a range for the same seeds; what is not asked is unknown here."""
    asked = tuple(Condition.read(text) for text in ("suffix=T2w", "position_mm=-30:0"))
    unknown = (*asked, Condition.read("participant/sex="))
    expected = open_export(conditional).asking(unknown).draw(40, 3)
    query = Query(address(asked_server, protocol), protocol, "asked", signature, 3, 40, conditions=asked)
    images = fetch(query)
    if signature == "png":
        np.testing.assert_allclose(images, to_gray(expected).astype(int), atol=1)
    else:
        np.testing.assert_allclose(images, expected, atol=1e-5)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_plain_calls_of_a_model_with_labels_ask_for_nothing(protocol, asked_server, conditional):
    sampler = open_export(conditional)
    unknown = np.zeros((3, sampler.label_schema.width), np.float32)
    images = fetch(Query(address(asked_server, protocol), protocol, "asked", count=3, seed=40))
    np.testing.assert_allclose(images, sampler.draw(40, 3, labels=unknown), atol=1e-5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age=30", "--condition=age: --model=asked has no such label; it knows position_mm, sex, suffix"),
        ("suffix=PD", "refuses --signature=generate: .*suffix is FLAIR, T1w, T2w"),
        ("position_mm=high", "position_mm is a number"),
    ],
)
def test_what_a_model_cannot_be_asked_is_one_sentence(text, message, asked_server):
    with pytest.raises(UserError, match=message):
        fetch(Query(asked_server.rest, model="asked", conditions=(Condition.read(text),)))


def test_what_is_asked_of_a_model_without_labels_is_refused(server):
    with pytest.raises(UserError, match="--condition=age: --model=heads has no such label; it knows none"):
        fetch(Query(server.rest, model="heads", conditions=(Condition.read("age=30"),)))


def free_port():
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_server_is_said_in_a_sentence(protocol, server):
    address(server, protocol)
    with pytest.raises(
        UserError, match=rf"does not answer by --protocol={protocol} .*is it running.*850[01]"
    ):
        fetch(Query(f"localhost:{free_port()}", protocol, "heads"))


def test_the_other_protocols_port_is_said_in_a_sentence(server):
    with pytest.raises(UserError, match=r"does not answer by --protocol=rest .*850[01]"):
        fetch(Query(address(server, "grpc"), "rest", "heads"))
    with pytest.raises(UserError, match=r"does not answer by --protocol=grpc .*850[01]"):
        fetch(Query(server.rest, "grpc", "heads"))


def test_what_is_no_model_server_is_said_in_a_sentence():
    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("localhost", 0), Page) as page:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        with pytest.raises(UserError, match="does not answer by --protocol=rest .what it says is not REST"):
            fetch(Query(f"localhost:{page.server_port}", "rest", "heads"))
        page.shutdown()


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving", None)
    with pytest.raises(UserError, match=r"--protocol=grpc needs tensorflow-serving-api.*extra serving"):
        fetch(Query("localhost:8500", "grpc", "heads"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"server": "localhost"}, "--server=localhost is not HOST:PORT, as in localhost:8501"),
        ({"server": "http://localhost:x", "protocol": "grpc"}, "is not HOST:PORT, as in localhost:8500"),
        ({"model": ""}, "--model"),
        ({"count": 0}, "--count=0 must be at least 1"),
        ({"seed": 2**63 - 15}, "--seed=.* does not fit 64 bits"),
        ({"truncation": 1.5}, "--truncation=1.5 must lie between 0 and 1"),
        ({"truncation": float("nan")}, "--truncation=nan"),
        ({"signature": "serving_default", "truncation": 0.5}, "--truncation is not known to"),
    ],
)
def test_settings_that_cannot_be_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        Query(**{"server": "localhost:8501", **settings})


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_proxy_is_not_asked_for_this_machine(protocol, server, expected, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "grpc_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    host, _, port = address(server, protocol).rpartition(":")
    assert host in ("localhost", "127.0.0.1")
    images = fetch(Query(f"127.0.0.1:{port}", protocol, "heads", "generate", 3, 40, 0.7))
    np.testing.assert_allclose(images, expected(0.7), atol=1e-6)


@pytest.mark.parametrize(
    ("server", "local"),
    [
        *(("localhost:1", True), ("127.0.0.1:1", True), ("127.3.2.1:1", True), ("[::1]:1", True)),
        *(("gpu.localhost:1", True), ("localhost.org:1", False), ("10.0.0.1:1", False), ("gpu7:1", False)),
    ],
)
def test_which_servers_are_on_this_machine(server, local):
    assert Query(server).is_local == local


def test_a_proxy_on_the_way_is_named_without_its_password(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://me:secret@127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(UserError, match=r"by way of the proxy 127.0.0.1:9\).*set no_proxy=gpu7") as raised:
        fetch(Query("gpu7:8501"))
    assert "secret" not in str(raised.value)
