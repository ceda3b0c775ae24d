"""What each layer and function is in ONNX."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from minidnn import nn, ops
from minidnn.convert.building import FUSABLE, ConversionError
from minidnn.nn import functions
from minidnn.reference.types import Array
from minidnn.tensor import Tensor


class Written(NamedTuple):
    """A node: its operator, values, name and attributes."""

    op: str
    inputs: list[str]
    output: str
    name: str
    settings: dict[str, Any]


class Writer:
    """A graph in the making: nodes, and weights by name."""

    def __init__(self, inputs: Iterable[str]) -> None:
        self.nodes: list[Written] = []
        self.weights: dict[str, Array] = {}
        self._names = {*inputs, "y"}
        self._known: dict[int, str] = {}

    def node(self, op: str, path: str, inputs: Sequence[str], **settings: Any) -> str:
        """Adds a node; returns its value."""
        name = self._unique(path or op.lower())
        self.nodes.append(Written(op, list(inputs), self._unique(f"{name}:y"), name, settings))
        return self.nodes[-1].output

    def weight(self, path: str, name: str, tensor: Tensor) -> str:
        """The value of a parameter or buffer; one that is shared is written once."""
        if id(tensor) not in self._known:
            self._known[id(tensor)] = self.constant(f"{path}.{name}" if path else name, tensor.data)
        return self._known[id(tensor)]

    def constant(self, name: str, value: Any) -> str:
        """The value of an array, float32 unless it is of integers."""
        array = np.asarray(value)
        name = self._unique(name)
        self.weights[name] = array if array.dtype == np.int64 else array.astype(np.float32)
        return name

    def finish(self, value: str) -> str:
        """Calls the value "y"."""
        if all(node.output != value for node in self.nodes):
            self.nodes.append(Written("Identity", [value], "y", self._unique("identity"), {}))
            return "y"
        self.nodes = [
            node._replace(
                inputs=["y" if taken == value else taken for taken in node.inputs],
                output="y" if node.output == value else node.output,
            )
            for node in self.nodes
        ]
        return "y"

    def _unique(self, name: str) -> str:
        free, i = name, 2
        while free in self._names:
            free, i = f"{name}_{i}", i + 1
        self._names.add(free)
        return free


def write(writer: Writer, part: Any, path: str, inputs: Sequence[str]) -> str:
    """Writes a layer or function; returns the value it gives.

    Raises:
        ConversionError: it has no form in ONNX.
    """
    put = LAYERS.get(type(part)) or FUNCTIONS.get(type(part))
    if put is None:
        what = f"a {part.label}" if isinstance(part, nn.Module) else repr(part)
        raise ConversionError(f"to_onnx: {path or 'the model'} is {what}, which has no form in ONNX here")
    return put(writer, part, path, *inputs)


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# Layers: (writer, layer, path, x)


def _dense(writer: Writer, layer: nn.Dense, path: str, x: str) -> str:
    kernel, bias = writer.weight(path, "kernel", layer.kernel), writer.weight(path, "bias", layer.bias)
    y = writer.node("Gemm", path, [x, kernel, bias])
    activation: Any = layer.activation
    if activation is None:
        return y
    if isinstance(activation, str):
        activation = BY_NAME[activation]()
    elif activation in PLAIN_OPS:
        activation = PLAIN_OPS[activation]()
    return write(writer, activation, _below(path, "activation"), [y])


def _drop_connect(writer: Writer, layer: nn.DropConnect, path: str, x: str) -> str:
    return _dense(writer, layer.dense, _below(path, "dense"), x)


def _dropout(writer: Writer, layer: nn.Dropout, path: str, x: str) -> str:
    y = writer.node("Dropout", path, [x, writer.constant(_below(path, "rate"), layer.rate)])
    if layer.mode == "inverted":
        return y
    return writer.node("Mul", _below(path, "scale"), [y, writer.constant(_below(path, "kept"), 1.0 - layer.rate)])


def _batch_norm(writer: Writer, layer: nn.BatchNorm, path: str, x: str) -> str:
    names = ("gamma", "beta", "running_mean", "running_var")
    weights = [writer.weight(path, name, getattr(layer, name)) for name in names]
    return writer.node("BatchNormalization", path, [x, *weights], epsilon=layer.eps, momentum=layer.momentum)


def _layer_norm(writer: Writer, layer: nn.LayerNorm, path: str, x: str) -> str:
    weights = [writer.weight(path, name, getattr(layer, name)) for name in ("gamma", "beta")]
    return writer.node("LayerNormalization", path, [x, *weights], axis=-1, epsilon=layer.eps)


def _prelu(writer: Writer, layer: nn.PReLU, path: str, x: str) -> str:
    return writer.node("PRelu", path, [x, writer.weight(path, "slopes", layer.slopes)])


def _sequential(writer: Writer, model: nn.Sequential, path: str, x: str) -> str:
    for name, layer in model.children():
        x = write(writer, layer, _below(path, name), [x])
    return x


def _residual(writer: Writer, layer: nn.Residual, path: str, x: str) -> str:
    return writer.node("Add", path, [x, write(writer, layer.block, _below(path, "block"), [x])])


def _skip_concat(writer: Writer, layer: nn.SkipConcat, path: str, x: str) -> str:
    return writer.node("Concat", path, [x, write(writer, layer.block, _below(path, "block"), [x])], axis=-1)


def _graph(writer: Writer, graph: nn.Graph, path: str, *inputs: str) -> str:
    values = dict(zip(graph.inputs, inputs, strict=True))
    for node in graph.nodes:
        values[node.name] = write(writer, node.part, _below(path, node.name), [values[name] for name in node.inputs])
    return values[graph.nodes[-1].name if graph.output is None else graph.output]


def _plain(op: str, *attributes: str, **settings: Any) -> Callable[..., str]:
    """One node, with attributes of the layer as its own."""

    def put(writer: Writer, layer: Any, path: str, x: str) -> str:
        return writer.node(op, path, [x], **settings, **{name: getattr(layer, name) for name in attributes})

    return put


LAYERS: dict[type[nn.Module], Callable[..., str]] = {
    nn.AlphaDropout: lambda writer, layer, path, x: x,
    nn.BatchNorm: _batch_norm,
    nn.Dense: _dense,
    nn.DropConnect: _drop_connect,
    nn.Dropout: _dropout,
    nn.ELU: _plain("Elu", "alpha"),
    nn.Flatten: _plain("Flatten", axis=1),
    nn.Graph: _graph,
    nn.LayerNorm: _layer_norm,
    nn.LeakyReLU: _plain("LeakyRelu", "alpha"),
    nn.LogSoftmax: _plain("LogSoftmax", axis=-1),
    nn.Sigmoid: _plain("Sigmoid"),
    nn.PReLU: _prelu,
    nn.RReLU: lambda writer, layer, path, x: writer.node("LeakyRelu", path, [x], alpha=(layer.lower + layer.upper) / 2),
    nn.ReLU: _plain("Relu"),
    nn.Residual: _residual,
    nn.SELU: _plain("Selu"),
    nn.Sequential: _sequential,
    nn.SkipConcat: _skip_concat,
    nn.Softmax: _plain("Softmax", axis=-1),
    nn.Softplus: _plain("Softplus"),
    nn.Tanh: _plain("Tanh"),
    nn.Weight: lambda writer, layer, path: writer.weight(path, "value", layer.value),
}

BY_NAME = {name: layer for layer, name in FUSABLE.items()}
PLAIN_OPS: Mapping[Any, type[nn.Module]] = {
    ops.relu: nn.ReLU,
    ops.leaky_relu: nn.LeakyReLU,
    ops.elu: nn.ELU,
    ops.selu: nn.SELU,
    ops.tanh: nn.Tanh,
    ops.sigmoid: nn.Sigmoid,
    ops.softplus: nn.Softplus,
    ops.softmax: nn.Softmax,
    ops.log_softmax: nn.LogSoftmax,
}
"""Functions that may be given as an activation, with the layer that has the same defaults."""


# Functions: (writer, function, path, *inputs)


def _pairwise(op: str) -> Callable[..., str]:
    def put(writer: Writer, function: Any, path: str, x: str, *others: str) -> str:
        for other in others:
            x = writer.node(op, path, [x, other])
        return x

    return put


def _gemm(writer: Writer, function: functions.gemm, path: str, *inputs: str) -> str:
    transposed = {"transA": int(function.transpose_a), "transB": int(function.transpose_b)}
    return writer.node("Gemm", path, inputs, alpha=function.alpha, beta=function.beta, **transposed)


def _reshape(writer: Writer, function: functions.reshape, path: str, x: str) -> str:
    shape = writer.constant(_below(path, "shape"), np.array(function.shape, np.int64))
    return writer.node("Reshape", path, [x, shape], allowzero=int(function.allow_zero))


def _function(op: str, **renamed: str) -> Callable[..., str]:
    """One node of all inputs; keyword arguments are ONNX's attributes and the names of ours."""

    def put(writer: Writer, function: Any, path: str, *inputs: str) -> str:
        return writer.node(op, path, inputs, **{theirs: getattr(function, ours) for theirs, ours in renamed.items()})

    return put


FUNCTIONS: dict[type, Callable[..., str]] = {
    functions.add: _pairwise("Add"),
    functions.batch_norm: _function("BatchNormalization", epsilon="eps"),
    functions.concatenate: _function("Concat", axis="axis"),
    functions.flatten: _function("Flatten", axis="axis"),
    functions.gemm: _gemm,
    functions.layer_norm: _function("LayerNormalization", axis="axis", epsilon="eps"),
    functions.log_softmax: _function("LogSoftmax", axis="axis"),
    functions.matmul: _function("MatMul"),
    functions.multiply: _pairwise("Mul"),
    functions.prelu: _function("PRelu"),
    functions.reshape: _reshape,
    functions.softmax: _function("Softmax", axis="axis"),
}


def width_of(part: Any, name: str = "x") -> int | None:
    """How many columns the input of that name must have; None where no layer tells."""
    if isinstance(part, (nn.Dense, nn.PReLU)):
        return part.n_in
    if isinstance(part, (nn.BatchNorm, nn.LayerNorm)):
        return part.n
    if isinstance(part, (nn.Residual, nn.SkipConcat)):
        return width_of(part.block)
    if isinstance(part, nn.DropConnect):
        return part.dense.n_in
    if isinstance(part, nn.Graph):
        widths = (width_of(node.part) for node in part.nodes if list(node.inputs) == [name])
        return next((width for width in widths if width is not None), None)
    if isinstance(part, nn.Sequential):
        return _first_width(part)
    return None


SAME_WIDTH = (nn.AlphaDropout, nn.Dropout, nn.RReLU, nn.Softmax, nn.LogSoftmax, *FUSABLE)


def _first_width(model: nn.Sequential) -> int | None:
    for layer in model:
        width = width_of(layer)
        if width is not None or not isinstance(layer, SAME_WIDTH):
            return width
    return None
