"""A generator's weights in half precision, as the page takes them: for its own JavaScript, or as ONNX."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.data.labels import LabelKind
from mrisynth.export.formats.onnx import make_model
from mrisynth.layers import EqualizedConvolution, EqualizedDense, SelfAttention
from mrisynth.networks import Generator
from mrisynth.networks.conditioning import FREQUENCIES


class _Numbers:
    """Arrays one after the other; an array is known by its place."""

    def __init__(self) -> None:
        self.parts: list[NDArray[np.float16]] = []
        self.length = 0

    def add(self, values: tf.Tensor) -> dict[str, int]:
        part = np.asarray(values, np.float16).ravel()
        place = {"first": self.length, "length": part.size}
        self.parts.append(part)
        self.length += part.size
        return place


def half_weights(generator: Generator) -> tuple[dict[str, Any], str]:
    """Describes a generator of rank 2 at its full resolution to `page/network.js`.

    Args:
        generator: Usually the one whose weights are the moving average.

    Returns:
        Its layers, as JSON can hold them, with {"first": ..., "length": ...} in the place of every array; and
        all arrays one after the other, float16, little-endian, as base64. Kernels are scaled as they are
        applied, and the strength of attention is part of its last one.
    """
    numbers = _Numbers()
    embedding, dense, *modulations = generator.label_layers or (None, None, *([None] * len(generator.blocks)))
    network: dict[str, Any] = {"latentSize": generator.latent_size}
    network["blocks"] = [
        {
            "entry": _layer(numbers, block.entry),
            "convolution": _layer(numbers, block.convolution),
            **({"attention": _attention(numbers, block.attention)} if block.attention else {}),
            **(
                {"noise": numbers.add(tf.convert_to_tensor(block.noise_input.strength))}
                if block.noise_input
                else {}
            ),
            **({"modulation": numbers.add(modulation.equalized_kernel())} if modulation else {}),
        }
        for block, modulation in zip(generator.blocks, modulations, strict=True)
    ]
    network["image"] = _layer(numbers, generator.image_layers[-1])
    if embedding:
        network["labels"] = {
            "size": generator.latent_size,
            "dense": numbers.add(dense.equalized_kernel()),
            "embeddings": [
                {
                    "width": label.width,
                    "frequencies": FREQUENCIES if label.kind is LabelKind.CONTINUOUS else None,
                    "kernel": numbers.add(layer.equalized_kernel()),
                }
                for label, layer in zip(generator.label_schema.labels, embedding.dense_layers, strict=True)
            ],
        }
    return network, base64.b64encode(np.concatenate(numbers.parts).astype("<f2").tobytes()).decode()


def _layer(numbers: _Numbers, layer: EqualizedConvolution | EqualizedDense) -> dict[str, Any]:
    return {
        "kernel": numbers.add(layer.equalized_kernel()),
        "bias": numbers.add(tf.convert_to_tensor(layer.bias)),
    }


def _attention(numbers: _Numbers, layer: SelfAttention) -> dict[str, Any]:
    projections = {"query": layer.query, "key": layer.key, "value": layer.value}
    return {
        **{name: numbers.add(projection.equalized_kernel()) for name, projection in projections.items()},
        "output": numbers.add(layer.output_projection.equalized_kernel() * tf.convert_to_tensor(layer.gamma)),
    }


def half_model(generator: Generator) -> bytes:
    """An ONNX file of a generator of rank 2, its weights in half precision and cast when it is opened."""
    from onnx import TensorProto, helper, numpy_helper

    model = make_model(generator)
    for weights in model.graph.initializer:
        array = numpy_helper.to_array(weights)
        if array.dtype == np.float32 and array.size > 1:
            name = weights.name
            weights.CopyFrom(numpy_helper.from_array(array.astype(np.float16), f"half_{name}"))
            cast = helper.make_node("Cast", [f"half_{name}"], [name], to=TensorProto.FLOAT)
            model.graph.node.insert(0, cast)
    return model.SerializeToString()
