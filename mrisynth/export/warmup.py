"""Warm-up requests: what TensorFlow Serving runs before it hands a model its first client."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import tensorflow as tf
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf.message import Message

from mrisynth.export_folder import ExportFolder

# The few fields that are used of TensorFlow Serving's prediction_log.proto, predict.proto and model.proto, so
# that an export does not need tensorflow-serving-api. A TensorProto is declared as bytes, which on the wire
# is the same as a message.
_MESSAGES = """
    name: "mrisynth/warmup.proto" package: "mrisynth.warmup" syntax: "proto3"
    message_type {
      name: "ModelSpec"
      field { name: "name" number: 1 type: TYPE_STRING }
      field { name: "signature_name" number: 3 type: TYPE_STRING }
    }
    message_type {
      name: "PredictRequest"
      field { name: "model_spec" number: 1 type: TYPE_MESSAGE type_name: "ModelSpec" }
      field { name: "inputs" number: 2 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "InputsEntry" }
      nested_type {
        name: "InputsEntry" options { map_entry: true }
        field { name: "key" number: 1 type: TYPE_STRING }
        field { name: "value" number: 2 type: TYPE_BYTES }
      }
    }
    message_type {
      name: "PredictLog"
      field { name: "request" number: 1 type: TYPE_MESSAGE type_name: "PredictRequest" }
    }
    message_type {
      name: "PredictionLog"
      field { name: "predict_log" number: 6 type: TYPE_MESSAGE type_name: "PredictLog" }
    }
"""


def write_warmup(folder: ExportFolder, model: str, requests: Mapping[str, Mapping[str, tf.Tensor]]) -> None:
    """Writes warm-up requests into a SavedModel.

    Args:
        folder: The folder of the SavedModel.
        model: The name that it is served by.
        requests: For every signature one request: tensors by the names of its inputs.
    """
    path = folder.warmup_requests
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
    pool = descriptor_pool.DescriptorPool()
    pool.Add(text_format.Parse(_MESSAGES, descriptor_pb2.FileDescriptorProto()))
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("mrisynth.warmup.PredictionLog"))
