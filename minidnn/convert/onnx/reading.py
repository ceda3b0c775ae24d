"""Reads an ONNX file into plain Python objects, and refuses what the importer does not support."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.convert.building import ConversionError
from minidnn.convert.onnx.external import fetch
from minidnn.reference.types import Array

OPSETS = range(7, 29)
"""Supported versions of the operator set: 7 introduced today's broadcasting, 28 is the newest one that was checked."""


class RefusedError(ConversionError):
    """A node that is not supported; the message names it."""


def as_float(value: float) -> float:
    """A float32 as the shortest decimal number that rounds to it: 0.01, not 0.009999999776."""
    return float(str(np.float32(value)))


class Attributes(dict[str, Any]):
    """The attributes of a node; it records which of them are read, since an unread one may change the result."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.were_read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.were_read.add(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.were_read.add(name)
        return super().get(name, default)

    def unread(self) -> list[str]:
        """The attributes that were not read, except harmless ones."""
        return [name for name in self if name not in self.were_read | HARMLESS]


HARMLESS = {"saturate", "seed", "stash_type"}
"""Attributes that do not affect float32 values in inference."""


@dataclass(frozen=True)
class Operation:
    """A node of the graph. An input that is left out is "".

    Attributes:
        layer: the layer that several nodes of the file were recognized as; see `recognizing`.
    """

    op: str
    name: str
    inputs: Sequence[str]
    outputs: Sequence[str]
    attributes: Attributes
    layer: nn.Module | None = None

    def constant(self) -> Array:
        """The value of a Constant node."""
        if len(self.attributes) != 1:
            raise self.refuse(f"it has {len(self.attributes)} attributes, must have one")
        ((kind, value),) = self.attributes.items()
        kinds: dict[str, Any] = {"value_float": np.float32, "value_floats": np.float32}
        kinds |= {"value_int": np.int64, "value_ints": np.int64}
        if kind != "value" and kind not in kinds:
            raise self.refuse(f"attribute {kind!r} is not supported")
        self.attributes.were_read.add(kind)
        array: Array = value if kind == "value" else np.array(value, kinds[kind])
        return array

    def refuse(self, why: str) -> RefusedError:
        called = repr(self.name) if self.name else f"with output {', '.join(map(repr, self.outputs))}"
        return RefusedError(f"from_onnx: node {called} ({self.op}): {why}")


@dataclass(frozen=True)
class Network:
    """A graph.

    Attributes:
        inputs: name -> number of axes.
        kinds: name -> "float", "int" or "bool", of inputs.
        constants: the initializers.
    """

    inputs: dict[str, int]
    kinds: dict[str, str]
    outputs: Sequence[str]
    constants: dict[str, Array]
    operations: Sequence[Operation]
    opset: int


def onnx_module() -> Any:
    """The onnx package.

    Raises:
        ImportError: it is missing; the message names the extra.
    """
    try:
        import onnx
        import onnx.checker
        import onnx.numpy_helper
    except ImportError as error:
        raise ImportError('ONNX files need onnx; install it with: pip install "minidnn[onnx]"') from error
    return onnx


def read(source: Any) -> Network:
    """Reads the graph of a path, of bytes or of a ``ModelProto``.

    Raises:
        ConversionError: the model is damaged, fails ONNX's own checker, or has parts that are not supported: external
            data that is not beside the file, functions, other operator sets, subgraphs, sparse tensors, inputs of
            other dtypes than float32, int32, int64 and bool.
        OSError: the file cannot be read.
    """
    onnx = onnx_module()
    model = _parsed(onnx, source)
    outside = [t for t in _tensors(model.graph) if t.data_location == onnx.TensorProto.EXTERNAL or t.external_data]
    if outside:
        fetch(outside, Path(source).parent if isinstance(source, (str, os.PathLike)) else None)
    if model.functions:
        raise ConversionError(f"from_onnx: function {model.functions[0].name!r}: functions are not supported")
    opset = _opset(model)
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise ConversionError(f"from_onnx: the model is not valid: {str(error).strip()}") from error
    graph = model.graph
    if graph.sparse_initializer:
        name = graph.sparse_initializer[0].values.name
        raise ConversionError(f"from_onnx: tensor {name!r} is sparse, which is not supported")
    constants = {tensor.name: _array(onnx, tensor, f"tensor {tensor.name!r}") for tensor in graph.initializer}
    given = [value for value in graph.input if value.name not in constants]
    kinds = {value.name: _kind(onnx, value) for value in given}
    inputs = {value.name: len(value.type.tensor_type.shape.dim) for value in given}
    operations = [_operation(onnx, node) for node in graph.node]
    return Network(inputs, kinds, [value.name for value in graph.output], constants, operations, opset)


def _parsed(onnx: Any, source: Any) -> Any:
    if isinstance(source, onnx.ModelProto):
        return source
    if isinstance(source, (str, os.PathLike)):
        source = Path(source).read_bytes()
    if not isinstance(source, bytes):
        raise TypeError(f"from_onnx: source must be a path, bytes or a ModelProto, got {type(source).__name__}")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(source)
    except Exception as error:  # whatever this release of protobuf raises
        raise ConversionError(f"from_onnx: source is not an ONNX model, or a damaged one: {error}") from error
    return model


def _tensors(graph: Any) -> list[Any]:
    """Every tensor outside of subgraphs, which are refused."""
    found = list(graph.initializer)
    for sparse in graph.sparse_initializer:
        found += [sparse.values, sparse.indices]
    for node in graph.node:
        for attribute in node.attribute:
            found += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
    return found


def _opset(model: Any) -> int:
    versions = {entry.domain or "ai.onnx": entry.version for entry in model.opset_import}
    version = versions.get("ai.onnx", 0)
    if version not in OPSETS:
        raise ConversionError(
            f"from_onnx: the operator set is {version or 'none'}, must be {OPSETS[0]} to {OPSETS[-1]} of ai.onnx"
        )
    return int(version)


def _kind(onnx: Any, value: Any) -> str:
    types = onnx.TensorProto
    kinds = {types.FLOAT: "float", types.INT32: "int", types.INT64: "int", types.BOOL: "bool"}
    kind = kinds.get(value.type.tensor_type.elem_type) if value.type.HasField("tensor_type") else None
    if kind is None:
        raise ConversionError(f"from_onnx: input {value.name!r} must be a tensor of float32, int32, int64 or bool")
    return kind


def _array(onnx: Any, tensor: Any, what: str) -> Array:
    kinds = onnx.TensorProto
    if tensor.data_type not in (kinds.FLOAT, kinds.DOUBLE, kinds.FLOAT16, kinds.INT32, kinds.INT64, kinds.BOOL):
        names = {number: name for name, number in kinds.DataType.items()}
        dtype = names.get(tensor.data_type, "of an unknown type")
        raise ConversionError(f"from_onnx: {what} is {dtype}, must be FLOAT, DOUBLE, FLOAT16, INT32, INT64 or BOOL")
    try:
        array: Array = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise ConversionError(f"from_onnx: {what} is invalid: {error}") from error
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def _operation(onnx: Any, node: Any) -> Operation:
    operation = Operation(node.op_type, node.name, list(node.input), list(node.output), Attributes())
    if node.domain not in ("", "ai.onnx"):
        raise operation.refuse(f"operators of domain {node.domain!r} are not supported")
    kinds = onnx.AttributeProto
    for attribute in node.attribute:
        if attribute.ref_attr_name or attribute.type not in (
            kinds.FLOAT, kinds.FLOATS, kinds.INT, kinds.INTS, kinds.STRING, kinds.TENSOR,
        ):  # fmt: skip
            raise operation.refuse(f"attribute {attribute.name!r} has a type that is not supported")
        value = onnx.helper.get_attribute_value(attribute)
        if attribute.type == kinds.TENSOR:
            value = _array(onnx, value, f"attribute {attribute.name!r} of node {node.name!r}")
        elif attribute.type == kinds.FLOAT:
            value = as_float(value)
        operation.attributes[attribute.name] = value
    return operation
