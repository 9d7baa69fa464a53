"""A generator as ONNX, for runtimes other than TensorFlow: onnxruntime, OpenVINO, a browser."""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from mrisynth.atomic_io import folder_aside
from mrisynth.data.labels import MOST_DEVIATIONS, Label, LabelKind
from mrisynth.errors import UserError
from mrisynth.export.model_card import write_card
from mrisynth.export_folder import ExportFolder
from mrisynth.layers import EqualizedConvolution, EqualizedDense, SelfAttention
from mrisynth.layers.activation import SLOPE
from mrisynth.layers.noise import FIELDS, noise_signs
from mrisynth.layers.normalization import EPSILON
from mrisynth.layers.resampling import fold_up
from mrisynth.networks import Generator
from mrisynth.networks.conditioning import FREQUENCIES
from mrisynth.sampling.conditions import input_names

OPSET = 17


class _Graph:
    """Nodes, inputs and constants of a model as they are added; a value is known by its name."""

    def __init__(self) -> None:
        from onnx import helper

        self._helper = helper
        self.nodes: list[Any] = []
        self.inputs: list[Any] = []
        self.constants: list[Any] = []

    def input(self, name: str, kind: int, shape: list[str | int]) -> str:
        """Declares an input."""
        self.inputs.append(self._helper.make_tensor_value_info(name, kind, shape))
        return name

    def constant(self, value: NDArray | float | list[int]) -> str:
        """Adds an array, float32 unless it is of integers."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array if array.dtype in (np.int8, np.int64) else array.astype(np.float32)
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, kind: str, *inputs: str, outputs: int = 0, **attributes: Any) -> Any:
        """Adds a node and gives the name of its output, or the names of its so many outputs."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{index}" for index in range(outputs or 1)]
        self.nodes.append(self._helper.make_node(kind, inputs, names, **attributes))
        return names if outputs else names[0]


def export_generator(
    generator: Generator, directory: str | os.PathLike[str], card: Mapping[str, Any] | None = None
) -> pathlib.Path:
    """Writes a generator as the next version of an ONNX model, beside its model card.

    Inputs, all of them required: latents, float32 [N, latent_size], from N(0, I); truncation, float32 [1];
    and one for each label, by the names of `mrisynth.sampling.conditions.input_names`: float32 [N] for a
    continuous one, NaN where unknown; int64 [N] for a categorical one, the position in its vocabulary, -1
    where unknown. The labels stand in the model's metadata, as JSON under "labels". Output: images, float32
    [N, H, W, channels] in [-1, 1].

    Args:
        generator: Usually the one whose weights are the moving average; of rank 2.
        directory: The model's folder, which is made, and must not exist.
        card: See `mrisynth.export.model_card`; None leaves it out.

    Returns:
        The file.

    Raises:
        UserError: If the onnx package is missing, or the folder is there already.
        OSError: If the folder cannot be written.
    """
    try:
        import onnx
    except ImportError as error:
        raise UserError("--format=onnx needs the onnx package: pip install 'mrisynth[onnx]'") from error
    folder = pathlib.Path(directory)
    if folder.exists():
        raise UserError(f"--output={folder} exists already; name a new folder")
    model = make_model(generator)
    onnx.checker.check_model(model)
    with folder_aside(folder) as aside:
        ExportFolder(aside).onnx.write_bytes(model.SerializeToString())
        if card is not None:
            write_card(card, ExportFolder(aside))
    return ExportFolder(folder).onnx


def make_model(generator: Generator) -> Any:
    """The whole generator at its full resolution, as an onnx.ModelProto; see `export_generator`."""
    from onnx import TensorProto, helper

    graph = _Graph()
    latents = graph.input("latents", TensorProto.FLOAT, ["N", generator.latent_size])
    truncation = graph.input("truncation", TensorProto.FLOAT, [1])
    added, *modulations = _label_terms(graph, generator)
    maps = graph.add("Mul", _pixel_norm(graph, latents), truncation)
    fields = min(FIELDS, generator.latent_size)
    noise_weights = _noise_weights(graph, latents, fields) if generator.noise_inputs else None
    for level, (block, modulation) in enumerate(zip(generator.blocks, modulations, strict=True)):
        maps = _entry(graph, block.entry, maps, added)
        added = None
        # A gain and a bias for the first pixel norm, the same for the second.
        terms = [None] * 4 if modulation is None else graph.add("Split", modulation, outputs=4, axis=1)
        maps = _modulate(graph, _pixel_norm(graph, maps), *terms[:2])
        if block.noise_input is not None:
            noise = _noise(graph, noise_weights, fields, generator.space(level))
            strength = tf.reshape(block.noise_input.strength, [1, -1, 1, 1]).numpy()
            maps = graph.add("Add", maps, graph.add("Mul", noise, graph.constant(strength)))
        maps = _modulate(graph, _pixel_norm(graph, _convolution(graph, block.convolution, maps)), *terms[2:])
        maps = maps if block.attention is None else _attention(graph, block.attention, maps)
    images = _convolution(graph, generator.image_layers[-1], maps)
    images = graph.add("Clip", images, graph.constant(-1.0), graph.constant(1.0))
    graph.nodes.append(helper.make_node("Transpose", [images], ["images"], perm=[0, 2, 3, 1]))
    shape = ["N", *generator.space(generator.top_level), generator.channels]
    output = helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)
    made = helper.make_graph(graph.nodes, "mrisynth_generator", graph.inputs, [output], graph.constants)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(model, {"labels": json.dumps(generator.label_schema.to_json())})
    return model


def _pixel_norm(graph: _Graph, maps: str) -> str:
    """As `mrisynth.layers.normalization.pixel_norm`; channels are the second axis here."""
    squares = graph.add("ReduceMean", graph.add("Mul", maps, maps), axes=[1], keepdims=1)
    return graph.add("Div", maps, graph.add("Sqrt", graph.add("Add", squares, graph.constant(EPSILON))))


def _noise_weights(graph: _Graph, latents: str, fields: int) -> str:
    """As `mrisynth.layers.noise.noise_weights`."""
    start, end, axis = (graph.constant(np.array([number])) for number in (0, fields, 1))
    first = graph.add("Slice", latents, start, end, axis)
    return graph.add("Div", _pixel_norm(graph, first), graph.constant(fields**0.5))


def _noise(graph: _Graph, weights: str, fields: int, space: tuple[int, ...]) -> str:
    """As `mrisynth.layers.noise.NoiseInput` adds to a channel of strength 1: [N, 1, *space]."""
    from onnx import TensorProto

    signs = graph.add("Cast", graph.constant(noise_signs(space, fields)), to=TensorProto.FLOAT)
    shape = graph.constant(np.array([-1, 1, *space]))
    return graph.add("Reshape", graph.add("MatMul", weights, signs), shape)


def _modulate(graph: _Graph, maps: str, gain: str | None, bias: str | None) -> str:
    if gain is None or bias is None:
        return maps
    axes = graph.constant(np.array([2, 3]))
    gain = graph.add("Unsqueeze", graph.add("Add", gain, graph.constant(1.0)), axes)
    return graph.add("Add", graph.add("Mul", maps, gain), graph.add("Unsqueeze", bias, axes))


def _finish(graph: _Graph, layer: EqualizedConvolution | EqualizedDense, outputs: str) -> str:
    """Bias, one value a channel, and activation."""
    if layer.bias is not None:
        bias = tf.reshape(tf.convert_to_tensor(layer.bias), [1, -1, 1, 1]).numpy()
        outputs = graph.add("Add", outputs, graph.constant(bias))
    return graph.add("LeakyRelu", outputs, alpha=SLOPE) if layer.activate else outputs


def _convolution(graph: _Graph, layer: EqualizedConvolution, maps: str) -> str:
    kernel = layer.equalized_kernel()
    pads = [kernel.shape[0] // 2] * 4
    if layer.resampling == "up":
        weights = graph.constant(fold_up(kernel).numpy().transpose(3, 2, 0, 1))
        outputs = graph.add("ConvTranspose", maps, weights, strides=[2, 2], pads=pads)
    else:
        weights = graph.constant(kernel.numpy().transpose(3, 2, 0, 1))
        outputs = graph.add("Conv", maps, weights, pads=pads)
    return _finish(graph, layer, outputs)


def _entry(graph: _Graph, layer: EqualizedConvolution | EqualizedDense, maps: str, added: str | None) -> str:
    """What a block begins with: the first with a dense layer, the others with a convolution."""
    if isinstance(layer, EqualizedConvolution):
        return _convolution(graph, layer, maps)
    outputs = _product(graph, layer, maps)
    return _finish(graph, layer, outputs if added is None else graph.add("Add", outputs, added))


def _product(graph: _Graph, layer: EqualizedDense, values: str) -> str:
    """A dense layer without bias and activation; a map is [N, C, 4, 4]."""
    kernel = layer.equalized_kernel().numpy()
    if layer.spatial_size is None:
        return graph.add("MatMul", values, graph.constant(kernel))
    shape = (-1, layer.units, layer.spatial_size, layer.spatial_size)
    channels_first = kernel.reshape(-1, *shape[2:], layer.units).transpose(0, 3, 1, 2).reshape(kernel.shape)
    product = graph.add("MatMul", values, graph.constant(channels_first))
    return graph.add("Reshape", product, graph.constant(np.array(shape)))


def _attention(graph: _Graph, layer: SelfAttention, maps: str) -> str:
    """As `mrisynth.layers.attention.SelfAttention`."""

    def flat(values: str, units: int) -> str:
        return graph.add("Reshape", values, graph.constant(np.array([0, units, -1])))

    def pooled(projection: EqualizedConvolution) -> str:
        values = graph.add(
            "MaxPool", _convolution(graph, projection, maps), kernel_shape=[2, 2], strides=[2, 2]
        )
        return flat(values, projection.units)

    queries = flat(_convolution(graph, layer.query, maps), layer.query.units)
    logits = graph.add("MatMul", graph.add("Transpose", queries, perm=[0, 2, 1]), pooled(layer.key))
    weights = graph.add("Softmax", logits, axis=-1)
    values = graph.add("Transpose", pooled(layer.value), perm=[0, 2, 1])
    attended = graph.add("Transpose", graph.add("MatMul", weights, values), perm=[0, 2, 1])
    kernel = layer.output_projection.equalized_kernel() * tf.convert_to_tensor(layer.gamma)
    outputs = graph.add("MatMul", graph.constant(tf.reshape(kernel, kernel.shape[-2:]).numpy().T), attended)
    return graph.add("Add", maps, graph.add("Reshape", outputs, graph.add("Shape", maps)))


def _label_terms(graph: _Graph, generator: Generator) -> list[str | None]:
    """What labels add in the first dense layer, and the modulation of every block, as `Generator` has it."""
    schema = generator.label_schema
    if not schema.width:
        return [None] * (1 + len(generator.blocks))
    embedding, *linear_layers = generator.label_layers
    names = input_names(schema)
    shares = [
        _product(graph, dense, _label_features(graph, label, names[label.name]))
        for label, dense in zip(schema.labels, embedding.dense_layers, strict=True)
    ]
    embedded = _pixel_norm(graph, shares[0] if len(shares) == 1 else graph.add("Sum", *shares))
    return [_product(graph, layer, embedded) for layer in linear_layers]


def _label_features(graph: _Graph, label: Label, name: str) -> str:
    """The encoding of a label, with its Fourier features if it is a number: [N, features]."""
    from onnx import TensorProto

    axis = graph.constant(np.array([1]))
    if label.kind is LabelKind.CATEGORICAL:
        given = graph.add("Unsqueeze", graph.input(name, TensorProto.INT64, ["N"]), axis)
        places = graph.constant(np.arange(len(label.vocabulary))[None])
        one_hot = graph.add("Cast", graph.add("Equal", given, places), to=TensorProto.FLOAT)
        known = graph.add("ReduceMax", one_hot, axes=[1], keepdims=1)
        return graph.add("Concat", one_hot, known, axis=1)
    given = graph.add("Unsqueeze", graph.input(name, TensorProto.FLOAT, ["N"]), axis)
    # Where it is not a number, it is not equal to itself.
    is_number = graph.add("Equal", given, given)
    known = graph.add("Cast", is_number, to=TensorProto.FLOAT)
    deviations = graph.add(
        "Div", graph.add("Sub", given, graph.constant(label.mean)), graph.constant(label.deviation)
    )
    most = MOST_DEVIATIONS
    clipped = graph.add("Clip", deviations, graph.constant(-most), graph.constant(most))
    value = graph.add("Where", is_number, clipped, graph.constant(0.0))
    angles = graph.add("Mul", value, graph.constant(np.array([FREQUENCIES])))
    waves = [graph.add("Mul", known, graph.add(kind, angles)) for kind in ("Sin", "Cos")]
    return graph.add("Concat", value, known, *waves, axis=1)
