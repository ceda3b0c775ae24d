"""ONNX export: writes the graph of an evaluation pass."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError
from minidnn.convert.onnx.forms import write
from minidnn.convert.onnx.reading import onnx_module
from minidnn.convert.onnx.writing import TYPES, Writer
from minidnn.files import atomic_write
from minidnn.nn.tracing import Batch, Trace, TraceError, Value, reads_numbers, trace, width_of

if TYPE_CHECKING:
    import onnx

OPSET = 17
"""The default operator set: the first one with LayerNormalization."""
OLDEST = 13
"""The oldest operator set that is written: the first one in which axes are inputs and Softmax has one axis."""

Shape = Sequence[int]


def to_onnx(
    model: nn.Module,
    path: str | os.PathLike[str] | None = None,
    input_shape: Shape | Mapping[str, Shape] | None = None,
    opset: int = OPSET,
) -> onnx.ModelProto:
    """Exports the model in evaluation mode to ONNX; the result has passed ONNX's own checker.

    Each op of an evaluation pass is written, so every layer that is made of `minidnn.ops` can be exported, including
    your own. The input is "x" (a Graph's inputs keep their names) with a symbolic batch axis. The output is "y"; if
    the model returns a dict, outputs have its names. Weights have the names of `Module.state_dict`. The same model
    gives the same bytes.

    Args:
        path: a file to write as well, atomically.
        input_shape: of x without its batch axis, such as ``(28, 28)`` before an `nn.Flatten`; or, by name, of each
            input of a Graph. By default it is inferred from the first layer with a fixed input width.
        opset: the version of the operator set, 13 or newer; the newest is ``onnx.defs.onnx_opset_version()``.

    Returns:
        The ``onnx.ModelProto``.

    Raises:
        ConversionError: an op has no form in ONNX (the message names it and its layer); weights are not float32; the
            input shape cannot be inferred; onnx does not write this operator set.
        ImportError: onnx is missing; the message names the extra.
        OSError: the file cannot be written; an existing file is unchanged.
    """
    onnx = onnx_module()
    newest = onnx.defs.onnx_opset_version()
    if isinstance(opset, bool) or not isinstance(opset, int) or not OLDEST <= opset <= newest:
        raise ConversionError(f"to_onnx: opset is {opset!r}, must be from {OLDEST} to {newest}")
    for name, tensor in model.tensors().items():
        if tensor.dtype.kind == "f" and tensor.dtype != np.float32:
            raise ConversionError(f"to_onnx: {name} is {tensor.dtype}, must be float32")
    graph = _graph_of(model, input_shape)
    writer = Writer(graph.inputs, graph.outputs, opset)
    for node in graph.needed():
        write(writer, node)
    _check_outputs(graph)
    writer.finish(graph.outputs)
    proto = _proto(onnx, model.name or "minidnn", graph, writer)
    try:
        onnx.checker.check_model(proto, full_check=True)
        content = proto.SerializeToString(deterministic=True)
    except ValueError as error:  # from protobuf, beyond 2 GiB
        raise ConversionError(f"to_onnx: the model cannot be one ONNX file: {error}") from error
    if path is not None:
        atomic_write(path, content)
    return proto


def _proto(onnx: Any, name: str, graph: Trace, writer: Writer) -> Any:
    from minidnn import __version__

    helper = onnx.helper

    def ends(values: Mapping[str, Value]) -> list[Any]:
        return [
            helper.make_tensor_value_info(called, getattr(onnx.TensorProto, TYPES[str(value.dtype)]), _axes(value))
            for called, value in values.items()
        ]

    made = helper.make_graph(
        [helper.make_node(node.op, node.inputs, [node.output], node.name, **node.settings) for node in writer.nodes],
        name,
        ends(graph.inputs),
        ends(graph.outputs),
        [onnx.numpy_helper.from_array(array, called) for called, array in writer.weights.items()],
    )
    imports = [helper.make_opsetid("", writer.opset)]
    return helper.make_model(
        made,
        producer_name="minidnn",
        producer_version=__version__,
        ir_version=helper.find_min_ir_version_for(imports),
        opset_imports=imports,
    )


def _axes(value: Value) -> list[Any]:
    return ["batch" if n == Batch() else None if isinstance(n, Batch) else n for n in value.shape]


def _graph_of(model: nn.Module, given: Shape | Mapping[str, Shape] | None) -> Trace:
    names = list(model.inputs) if isinstance(model, nn.Graph) else ["x"]
    shapes = _input_shapes(model, names, given)
    try:
        graph = _traced(model, shapes)
    except TraceError as error:
        raise ConversionError(f"to_onnx: {error}") from error
    if given is None and (unsure := _before_the_first_weight(graph)):
        raise ConversionError(f"to_onnx: the shape of {unsure} cannot be inferred from the layers; give input_shape")
    return graph


def _check_outputs(graph: Trace) -> None:
    for name, value in graph.outputs.items():
        if name in graph.inputs and graph.inputs[name] is not value:
            raise ConversionError(f"to_onnx: an input and an output are named {name}, their names must differ")
        if str(value.dtype) not in TYPES:
            raise ConversionError(f"to_onnx: the output {name} is {value.dtype}, must be one of {', '.join(TYPES)}")


def _traced(model: nn.Module, shapes: Mapping[str, Shape]) -> Trace:
    """The trace of float32 inputs; of int64 for inputs that are indices, such as those of an embedding."""
    numbers = {name: np.int64 for name in shapes if any(reads_numbers(part) for part in _readers(model, name))}
    try:
        return trace(model, shapes, others=numbers)
    except TypeError as error:
        try:
            return trace(model, shapes, np.int64)
        except (TypeError, ValueError, IndexError):
            raise error from None


def _input_shapes(
    model: nn.Module, names: Sequence[str], given: Shape | Mapping[str, Shape] | None
) -> dict[str, tuple[int, ...]]:
    if isinstance(given, Mapping):
        shapes = {name: tuple(shape) for name, shape in given.items()}
    elif given is not None:
        shapes = {name: tuple(given) for name in names}
    else:
        widths = {name: _width_of(model, name, len(names)) for name in names}
        unknown = [name for name, width in widths.items() if width is None]
        if unknown:
            raise ConversionError(
                f"to_onnx: the shape of {', '.join(unknown)} cannot be inferred from the layers; give input_shape"
            )
        shapes = {name: (width,) for name, width in widths.items() if width is not None}
    if shapes.keys() != set(names):
        raise ConversionError(f"to_onnx: input_shape names {', '.join(shapes)}, the inputs are {', '.join(names)}")
    return shapes


def _width_of(model: nn.Module, name: str, inputs: int) -> int | None:
    if isinstance(model, nn.Graph) and inputs > 1:
        return next((width for part in _readers(model, name) if (width := width_of(part)) is not None), None)
    return width_of(model)


def _readers(model: nn.Module, name: str) -> list[nn.Module]:
    """The layers that take an input."""
    if not isinstance(model, nn.Graph):
        return [model]
    return [node.part for node in model.nodes if list(node.inputs) == [name] and isinstance(node.part, nn.Module)]


def _before_the_first_weight(graph: Trace) -> str:
    """The names of the inputs, if an op may change their shape before the first op that reads weights; else ""."""
    for node in graph.nodes:
        values = [part for part in (*node.inputs, *node.attributes.values()) if isinstance(part, Value)]
        if any(value.is_parameter for value in values):
            return ""
        if node.op == "reshape" or any(value.shape != node.output.shape for value in values):
            return ", ".join(graph.inputs)
    return ""
