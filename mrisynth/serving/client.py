"""Asks a running TensorFlow Serving for images, by REST or by gRPC."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import io
import ipaddress
import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np
from google.protobuf import json_format
from numpy.typing import NDArray
from PIL import Image

from mrisynth.errors import UserError
from mrisynth.sampling.conditions import OTHER_INPUTS, Condition, draw_between, input_name

PROTOCOLS = ("rest", "grpc")
SIGNATURES = ("generate", "png", "serving_default")
_PORTS = {"rest": 8501, "grpc": 8500}
_TIMEOUT_SECONDS = 300


@dataclasses.dataclass(frozen=True)
class Query:
    """What is asked of a server.

    Attributes:
        server: HOST:PORT.
        protocol: "rest" or "grpc".
        model: The name that the server knows the model by.
        signature: "generate" or "png", whose images the server draws from seeds; or "serving_default", for
            which the latents of those seeds are drawn here and sent.
        count: How many images.
        seed: Of the first image; the others have the seeds that follow.
        truncation: 1 leaves images as they are; less makes them more alike.
        conditions: What is asked of labels; the others are unknown.
    """

    server: str
    protocol: str = "rest"
    model: str = "model"
    signature: str = "generate"
    count: int = 16
    seed: int = 0
    truncation: float = 1.0
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        host, separator, port = self.server.rpartition(":")
        if not (host and separator and port.isdigit()):
            raise UserError(
                f"--server={self.server} is not HOST:PORT, as in localhost:{_PORTS[self.protocol]}"
            )
        if not self.model:
            raise UserError("--model is the name that the server knows the model by; it is empty")
        if self.count < 1:
            raise UserError(f"--count={self.count} must be at least 1")
        if not -(2**63) <= self.seed <= 2**63 - self.count:
            raise UserError(f"--seed={self.seed} does not fit 64 bits")
        if not 0 <= self.truncation <= 1:
            raise UserError(f"--truncation={self.truncation} must lie between 0 and 1")
        if self.signature == "serving_default" and self.truncation != 1:
            raise UserError("--truncation is not known to --signature=serving_default; use generate or png")

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        host = self.server.rpartition(":")[0].strip("[]").lower()
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def needs_tensorflow(self) -> bool:
        """Whether TensorFlow must be imported here: for gRPC's messages, or to draw latents."""
        return self.protocol == "grpc" or self.signature == "serving_default"


def fetch(query: Query) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Asks a server for images.

    Args:
        query: What to ask.

    Returns:
        [N, H, W, channels]: float32 in [-1, 1], or uint8 of the signature "png".

    Raises:
        UserError: If the server does not answer or refuses, or a package is missing.
    """
    ask, signatures = (
        (_ask_grpc, _signatures_grpc) if query.protocol == "grpc" else (_ask_rest, _signatures_rest)
    )
    known = signatures(query)
    if query.signature not in known:
        raise _lacks_signature(query)
    answer = ask(query, _inputs(query, known[query.signature]["inputs"]))
    if query.signature != "png":
        return np.asarray(answer, np.float32)
    images = np.stack([np.asarray(Image.open(io.BytesIO(file))) for file in answer])
    return images.reshape(*images.shape[:3], -1)


def _inputs(query: Query, described: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray]:
    """The tensors of the query's signature, by name.

    Args:
        query: What is asked.
        described: Type and shape of every input, as the server describes them.
    """
    labels = _labels(query, described)
    if query.signature == "serving_default":
        from mrisynth.sampling.latents import seeded_latents

        latent_size = int(described["latents"]["tensor_shape"]["dim"][1]["size"])
        return {"latents": seeded_latents(query.seed, query.count, latent_size).numpy(), **labels}
    return {
        "seed": np.int64(query.seed),
        "count": np.int32(query.count),
        "truncation": np.float32(query.truncation),
        **labels,
    }


def _labels(query: Query, described: Mapping[str, Mapping[str, Any]]) -> dict[str, NDArray]:
    """What is asked of every label that the signature takes, by the name of the input."""
    known = sorted(described.keys() - set(OTHER_INPUTS))
    asked = {input_name(condition.name): condition for condition in query.conditions}
    for name, condition in asked.items():
        if name not in known:
            words = f"it knows {', '.join(known)}" if known else "it knows none"
            raise UserError(f"--condition={condition.name}: --model={query.model} has no such label; {words}")
    return {
        name: _label(query, name, described[name]["dtype"] == "DT_STRING", asked.get(name)) for name in known
    }


def _label(query: Query, name: str, is_category: bool, asked: Condition | None) -> NDArray:
    """The values of one label: one for all images, or as many as there are."""
    if is_category:
        return np.array([asked.text if asked else ""], object)
    numbers = asked.range() if asked else None
    if numbers is None:
        return np.array([np.nan], np.float32)
    seeds = range(query.seed, query.seed + query.count)
    return np.array([draw_between(seed, name, numbers) for seed in seeds], np.float32)


def _ask_rest(query: Query, inputs: Mapping[str, NDArray]) -> list:
    body = {
        "signature_name": query.signature,
        "inputs": {name: value.tolist() for name, value in inputs.items()},
    }
    # A signature of one output has it under "outputs" without its name.
    outputs = _call_rest(query, ":predict", body)["outputs"]
    if query.signature == "png":
        return [base64.b64decode(element["b64"]) for element in outputs]
    return outputs


def _signatures_rest(query: Query) -> dict[str, Any]:
    """Every signature of the model by its name: the JSON of its SignatureDef."""
    return _call_rest(query, "/metadata")["metadata"]["signature_def"]["signature_def"]


def _call_rest(query: Query, method: str, body: Mapping[str, object] | None = None) -> dict:
    """Calls a method of the model; POST if there is a body, else GET."""
    request = urllib.request.Request(
        f"http://{query.server}/v1/models/{query.model}{method}",
        None if body is None else json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with _opener(query).open(request, timeout=_TIMEOUT_SECONDS) as response:
            return json.load(response)
    except urllib.error.HTTPError as error:
        raise _refusal(query, _rest_message(error), unknown_model=error.code == 404) from error
    except urllib.error.URLError as error:
        raise _no_answer(query, str(getattr(error.reason, "strerror", None) or error.reason)) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _no_answer(query, f"what it says is not REST: {type(error).__name__}") from error


def _opener(query: Query) -> urllib.request.OpenerDirector:
    """Opens addresses by way of the environment's proxy, which knows nothing of a server on this machine."""
    proxies = {} if query.is_local else None
    return urllib.request.build_opener(urllib.request.ProxyHandler(proxies))


def _rest_message(error: urllib.error.HTTPError) -> str:
    """What the server says is wrong, in {"error": ...}."""
    try:
        return str(json.load(error)["error"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def _ask_grpc(query: Query, inputs: Mapping[str, NDArray]) -> NDArray:
    import tensorflow as tf

    apis = _import_apis()
    request = apis.predict_pb2.PredictRequest()
    request.model_spec.name = query.model
    request.model_spec.signature_name = query.signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    (output,) = _call_grpc(query, "Predict", request).outputs.values()
    return tf.make_ndarray(output)


def _signatures_grpc(query: Query) -> dict[str, Any]:
    """See `_signatures_rest`."""
    apis = _import_apis()
    request = apis.get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = query.model
    signatures = apis.get_model_metadata_pb2.SignatureDefMap()
    _call_grpc(query, "GetModelMetadata", request).metadata["signature_def"].Unpack(signatures)
    return json_format.MessageToDict(signatures, preserving_proto_field_name=True)["signature_def"]


def _call_grpc(query: Query, method: str, request: object) -> object:
    import grpc

    apis = _import_apis()
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    options.append(("grpc.enable_http_proxy", int(not query.is_local)))
    with grpc.insecure_channel(query.server, options) as channel:
        stub = apis.prediction_service_pb2_grpc.PredictionServiceStub(channel)
        try:
            return getattr(stub, method)(request, timeout=_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            if error.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                raise _no_answer(query, error.code().name.lower().replace("_", " ")) from error
            raise _refusal(query, error.details(), error.code() is grpc.StatusCode.NOT_FOUND) from error


def _import_apis() -> object:
    """tensorflow_serving.apis with the modules that are used."""
    try:
        from tensorflow_serving import apis
        from tensorflow_serving.apis import (  # noqa: F401
            get_model_metadata_pb2,
            predict_pb2,
            prediction_service_pb2_grpc,
        )
    except ImportError as error:
        raise UserError(
            "--protocol=grpc needs tensorflow-serving-api; install mrisynth's extra serving, or use "
            "--protocol=rest"
        ) from error
    return apis


def _no_answer(query: Query, reason: str) -> UserError:
    host = query.server.rpartition(":")[0]
    proxy = None if query.is_local or urllib.request.proxy_bypass(host) else _proxy()
    asked = f", asked by way of the proxy {proxy}" if proxy else ""
    advice = f"; if the proxy does not know it, set no_proxy={host}" if proxy else ""
    return UserError(
        f"--server={query.server} does not answer by --protocol={query.protocol} ({reason}{asked}); is it "
        f"running, and is this its port for that (usually {_PORTS[query.protocol]}){advice}"
    )


def _proxy() -> str | None:
    """The proxy that requests go by; without name and password, if it has them."""
    proxy = urllib.request.getproxies().get("http")
    return proxy and proxy.rpartition("@")[2]


def _refusal(query: Query, message: str, unknown_model: bool) -> UserError:
    if unknown_model:
        return UserError(
            f"--server={query.server} serves no --model={query.model} ({message}); the name is that in the "
            "server's model.config"
        )
    if "signature" in message and "not found" in message:
        return _lacks_signature(query)
    assertion = re.search(r"assertion failed: \[(.*?)\]", message)
    words = assertion[1] if assertion else " ".join(message.split())
    return UserError(f"--server={query.server} refuses --signature={query.signature}: {words}")


def _lacks_signature(query: Query) -> UserError:
    return UserError(
        f"--model={query.model} has no --signature={query.signature}; serve one that mrisynth-export wrote"
    )
