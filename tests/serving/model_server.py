"""A server that speaks TensorFlow Serving's REST and gRPC over the same SavedModels, for tests.

What it refuses, and in which words, is as in TensorFlow Serving's json_tensor.cc, predict_util.cc and
manager code: NOT_FOUND for a model, FAILED_PRECONDITION (REST: 400) for a signature.
"""

import base64
import concurrent.futures
import http.server
import json
import pathlib
import re
import threading

import numpy as np
import tensorflow as tf
from google.protobuf import json_format
from tensorflow.core.protobuf import saved_model_pb2


class Refusal(Exception):
    """What a server says no with: a gRPC status and a message."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Models:
    """SavedModels by name, the newest version of each, loaded by nothing but TensorFlow."""

    def __init__(self, base_paths):
        self._base_paths = base_paths
        self._loaded = {}

    def signature(self, model, name, missing):
        """A signature's function and its SignatureDef."""
        loaded, definitions = self._load(model)
        if name not in definitions:
            raise missing
        return loaded.signatures[name], definitions[name]

    def definitions(self, model):
        return self._load(model)[1]

    def _load(self, model):
        if model not in self._base_paths:
            raise Refusal("NOT_FOUND", f"Servable not found for request: Latest({model})")
        versions = [path for path in self._base_paths[model].iterdir() if path.name.isdigit()]
        folder = max(versions, key=lambda path: int(path.name))
        if folder not in self._loaded:
            proto = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
            self._loaded[folder] = tf.saved_model.load(str(folder)), dict(proto.meta_graphs[0].signature_def)
        return self._loaded[folder]


class ModelServer:
    """Serves models on free ports of this machine.

    Attributes:
        rest: HOST:PORT.
        grpc: HOST:PORT; None where tensorflow-serving-api is not installed.
    """

    def __init__(self, base_paths):
        models = Models({name: pathlib.Path(path) for name, path in base_paths.items()})
        self._http = http.server.ThreadingHTTPServer(("localhost", 0), _rest_handler(models))
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        self.rest = f"localhost:{self._http.server_port}"
        self._grpc, self.grpc = _start_grpc(models)

    def close(self):
        self._http.shutdown()
        self._http.server_close()
        if self._grpc:
            self._grpc.stop(None)


def _run(function, values):
    """Calls a signature with NumPy arrays; its outputs as NumPy arrays."""
    specs = function.structured_input_signature[1]
    if values.keys() != specs.keys():
        raise Refusal(
            "INVALID_ARGUMENT",
            f"input size does not match signature: {len(values)}!={len(specs)} len({sorted(values)})",
        )
    try:
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in values.items()}
        return {name: value.numpy() for name, value in function(**tensors).items()}
    except (tf.errors.OpError, TypeError, ValueError) as error:
        raise Refusal("INVALID_ARGUMENT", str(error)) from error


def _rest_handler(models):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(self._metadata, r"/v1/models/([^/:]+)/metadata")

        def do_POST(self):
            self._answer(self._predict, r"/v1/models/([^/:]+):predict")

        def _answer(self, method, pattern):
            match = re.fullmatch(pattern, self.path)
            try:
                if not match:
                    raise Refusal("NOT_FOUND", f"Malformed request: {self.command} {self.path}")
                code, document = 200, method(match[1])
            except Refusal as refusal:
                code = 404 if refusal.status == "NOT_FOUND" else 400
                document = {"error": refusal.message}
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _metadata(self, model):
            definitions = {
                name: json_format.MessageToDict(definition, preserving_proto_field_name=True)
                for name, definition in models.definitions(model).items()
            }
            return {"metadata": {"signature_def": {"signature_def": definitions}}}

        def _predict(self, model):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = body.get("signature_name", "serving_default")
            missing = Refusal(
                "INVALID_ARGUMENT", f'Serving signature name: "{name}" not found in signature def'
            )
            function, _ = models.signature(model, name, missing)
            by_row = "instances" in body
            values = _rows(body["instances"]) if by_row else body["inputs"]
            if not isinstance(values, dict):
                values = {next(iter(function.structured_input_signature[1])): values}
            outputs = {name: _as_json(name, value) for name, value in _run(function, values).items()}
            (only,) = outputs.values()
            return {"predictions" if by_row else "outputs": only}

        def log_message(self, *_):
            pass

    return Handler


def _rows(instances):
    """Instances as columns; a plain list where they are of a single input."""
    if not isinstance(instances[0], dict):
        return instances
    return {name: [row[name] for row in instances] for name in instances[0]}


def _as_json(name, value):
    if name.endswith("_bytes"):
        return [{"b64": base64.b64encode(element).decode()} for element in value]
    # As few digits as bring the same float32 back.
    digits = np.array([float(str(number)) for number in value.ravel()])
    return digits.reshape(value.shape).tolist()


def _start_grpc(models):
    try:
        import grpc
        from tensorflow_serving.apis import (
            get_model_metadata_pb2,
            predict_pb2,
            prediction_service_pb2_grpc,
        )
    except ImportError:
        return None, None

    class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request, context):  # noqa: N802
            name = request.model_spec.signature_name or "serving_default"
            missing = Refusal("FAILED_PRECONDITION", f'Serving signature key "{name}" not found.')
            try:
                function, _ = models.signature(request.model_spec.name, name, missing)
                values = {name: tf.make_ndarray(tensor) for name, tensor in request.inputs.items()}
                outputs = _run(function, values)
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.status], refusal.message)
            response = predict_pb2.PredictResponse()
            for name, value in outputs.items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return response

        def GetModelMetadata(self, request, context):  # noqa: N802
            try:
                definitions = models.definitions(request.model_spec.name)
            except Refusal as refusal:
                context.abort(grpc.StatusCode[refusal.status], refusal.message)
            found = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in definitions.items():
                found.signature_def[name].CopyFrom(definition)
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.metadata["signature_def"].Pack(found)
            return response

    server = grpc.server(
        concurrent.futures.ThreadPoolExecutor(2), options=[("grpc.max_receive_message_length", -1)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(PredictionService(), server)
    port = server.add_insecure_port("localhost:0")
    server.start()
    return server, f"localhost:{port}"
