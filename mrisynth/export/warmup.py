"""Warm-up requests: what TensorFlow Serving runs before it hands a model its first client.

They are messages of TensorFlow Serving's prediction_log.proto, predict.proto and model.proto. The few fields
that are used are declared here by their numbers, so that an export does not need tensorflow-serving-api. A
TensorProto is declared as bytes, which on the wire is the same as a message.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message

FILE = pathlib.PurePath("assets.extra", "tf_serving_warmup_requests")

_PACKAGE = "mrisynth.warmup"
_Field = descriptor_pb2.FieldDescriptorProto


def write_warmup(
    version_folder: pathlib.Path, model: str, requests: Mapping[str, Mapping[str, tf.Tensor]]
) -> None:
    """Writes warm-up requests into a SavedModel.

    Args:
        version_folder: The SavedModel.
        model: The name that it is served by.
        requests: For every signature one request: tensors by the names of its inputs.
    """
    path = version_folder / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests.items():
            writer.write(_prediction_log(model, signature, inputs).SerializeToString(deterministic=True))


def _prediction_log(model: str, signature: str, inputs: Mapping[str, tf.Tensor]) -> Message:
    log = _prediction_log_class()()
    request = log.predict_log.request
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name] = tf.make_tensor_proto(value).SerializeToString(deterministic=True)
    return log


@functools.cache
def _prediction_log_class() -> type[Message]:
    """PredictionLog, in a pool of its own, beside which the genuine messages may exist."""
    file = descriptor_pb2.FileDescriptorProto(name="mrisynth/warmup.proto", package=_PACKAGE, syntax="proto3")
    _add_message(file, "ModelSpec", name=(1, "string"), signature_name=(3, "string"))
    request = _add_message(file, "PredictRequest", model_spec=(1, "ModelSpec"))
    entry = request.nested_type.add(name="InputsEntry")
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, "bytes")
    _add_field(request, "inputs", 2, "PredictRequest.InputsEntry", repeated=True)
    _add_message(file, "PredictLog", request=(1, "PredictRequest"))
    _add_message(file, "PredictionLog", predict_log=(6, "PredictLog"))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.PredictionLog"))


def _add_message(
    file: descriptor_pb2.FileDescriptorProto, message_name: str, **fields: tuple[int, str]
) -> descriptor_pb2.DescriptorProto:
    message = file.message_type.add(name=message_name)
    for field, (number, kind) in fields.items():
        _add_field(message, field, number, kind)
    return message


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, kind: str, repeated: bool = False
) -> None:
    """Adds a field of kind "string", "bytes", or the name of a message."""
    field = message.field.add(
        name=name, number=number, label=_Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
    )
    if kind in ("string", "bytes"):
        field.type = _Field.TYPE_STRING if kind == "string" else _Field.TYPE_BYTES
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = f".{_PACKAGE}.{kind}"
