"""Recognizes groups of nodes that compute one layer, as `to_onnx` and PyTorch write them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from minidnn import nn
from minidnn.activations import ACTIVATIONS as ROWS
from minidnn.convert.building import embedding_bag
from minidnn.convert.onnx.activations import ACTIVATIONS, Put
from minidnn.convert.onnx.forms import write
from minidnn.convert.onnx.reading import Attributes, Network, Operation
from minidnn.convert.onnx.writing import Writer, Written
from minidnn.nn.initializers import deferred
from minidnn.nn.tracing import Value, trace
from minidnn.reference.types import Array

OPSETS = (13, 18)
"""The operator sets whose forms are searched for: 13 lacks operators for some activations; in 18 axes are inputs."""
FREE = {"kernel", "padding"}
"""Constants of a pattern that match any value."""
COMMUTES = {"Add", "Mul", "Max"}


@dataclass(frozen=True, eq=False)
class Pattern:
    """Nodes, by their outputs, that compute `output` from the value "x" and constants.

    Attributes:
        make: builds the layer from the values of the free constants, and the names that the pattern's values match.
    """

    nodes: Mapping[str, Written]
    constants: Mapping[str, Array]
    output: str
    make: Callable[[Mapping[str, Array], Mapping[str, str]], nn.Module]

    def is_free(self, name: str) -> bool:
        return name.rpartition(".")[2] in FREE


def recognized(network: Network) -> Network:
    """The network with one operation in place of each match of a pattern whose inner values no other node reads."""
    found = _Search(network)
    taken: set[int] = set()
    instead: dict[int, Operation] = {}
    for operation in reversed(network.operations):
        if id(operation) in taken:
            continue
        for pattern in patterns():
            match = found.match(pattern, operation)
            if match is not None and not match.operations.keys() & taken:
                taken |= match.operations.keys()
                instead[id(operation)] = _operation(pattern, operation, match)
                break
    left = [instead.get(id(o), o) for o in network.operations if id(o) in instead or id(o) not in taken]
    return replace(network, operations=left)


def _operation(pattern: Pattern, root: Operation, match: Match) -> Operation:
    free = {name: match.known[name] for name in pattern.constants if pattern.is_free(name)}
    layer = pattern.make(free, match.bound)
    return Operation(type(layer).__name__, root.name, [match.bound["x"]], root.outputs, Attributes(), layer)


@dataclass
class Match:
    """The names, constants and operations of the file that match a pattern."""

    bound: dict[str, str]
    known: dict[str, Array]
    operations: dict[int, Operation]

    def copy(self) -> Match:
        return Match(dict(self.bound), dict(self.known), dict(self.operations))


class _Search:
    def __init__(self, network: Network) -> None:
        self.constants = dict(network.constants)
        for operation in network.operations:
            if operation.op == "Constant":
                self.constants[operation.outputs[0]] = operation.constant()
        self.made = {o.outputs[0]: o for o in network.operations if len(o.outputs) == 1 and o.op != "Constant"}
        self.uses = Counter(value for operation in network.operations for value in operation.inputs)
        self.uses.update(network.outputs)

    def match(self, pattern: Pattern, root: Operation) -> Match | None:
        """The match of the pattern whose output is that of the root; None if there is none."""
        if root.op != pattern.nodes[pattern.output].op or len(root.outputs) != 1:
            return None
        for match in self._matches(pattern, pattern.output, root.outputs[0], Match({}, {}, {})):
            inner = Counter(value for o in match.operations.values() for value in o.inputs)
            outputs = [o.outputs[0] for o in match.operations.values() if o is not root]
            if "x" in match.bound and all(inner[value] == self.uses[value] for value in outputs):
                return match
        return None

    def _matches(self, pattern: Pattern, name: str, value: str, so_far: Match) -> Iterator[Match]:
        """Every way to match a value of the file with a value of the pattern."""
        if name in so_far.bound:
            if so_far.bound[name] == value:
                yield so_far
            return
        match = so_far.copy()
        match.bound[name] = value
        if name in pattern.constants:
            if value in self.constants and self._is(pattern, name, self.constants[value]):
                match.known[name] = self.constants[value]
                yield match
        elif name == "x":
            if value and value not in self.constants:
                yield match
        else:
            wanted, operation = pattern.nodes[name], self.made.get(value)
            if operation is not None and _fits(wanted, operation):
                match.operations[id(operation)] = operation
                yield from self._inputs(pattern, wanted, operation, match)

    def _inputs(self, pattern: Pattern, wanted: Written, operation: Operation, match: Match) -> Iterator[Match]:
        orders = [list(operation.inputs)]
        if wanted.op in COMMUTES:
            orders.append(orders[0][::-1])
        for order in orders:
            ways = [match]
            for name, value in zip(wanted.inputs, order, strict=True):
                ways = [more for way in ways for more in self._matches(pattern, name, value, way)]
            yield from ways

    def _is(self, pattern: Pattern, name: str, array: Array) -> bool:
        wanted = pattern.constants[name]
        if pattern.is_free(name):
            return array.ndim == wanted.ndim and array.dtype.kind == wanted.dtype.kind
        return (
            array.shape == wanted.shape
            and array.dtype.kind == wanted.dtype.kind
            and np.allclose(array, wanted, rtol=1e-6, atol=0)
        )


def _fits(wanted: Written, operation: Operation) -> bool:
    """Whether an operation equals one of a pattern, apart from its inputs."""
    return (
        operation.op == wanted.op
        and len(operation.inputs) == len(wanted.inputs)
        and operation.attributes.keys() == wanted.settings.keys()
        and all(np.array_equal(_number(operation.attributes[k]), _number(v)) for k, v in wanted.settings.items())
    )


def _number(value: Any) -> Any:
    return np.float32(value) if isinstance(value, float) else value


# The patterns


@cache
def patterns() -> list[Pattern]:
    """All patterns, the largest first."""
    found = [_activation(name, put) for name, put in ACTIVATIONS.items()]
    found += [_activation("gelu", _gelu_of_pytorch)]
    found += [_bag(opset, mode, padding) for opset in OPSETS for mode in ("sum", "mean") for padding in (None, 0)]
    return sorted((p for p in found if len(p.nodes) > 1), key=lambda p: -len(p.nodes))


def _activation(name: str, put: Put) -> Pattern:
    row = ROWS[name]
    writer = Writer({"x": Value(("n",), "x")}, [], OPSETS[0])
    output = put(writer, "", "x", {} if row.alpha is None else {"alpha": row.alpha})
    layer, variant = getattr(nn, row.layer), () if row.variant is None else (row.variant,)
    return _pattern(writer, output, lambda known, names: layer(*variant))


def _pattern(writer: Writer, output: str, make: Callable[..., nn.Module]) -> Pattern:
    return Pattern({node.output: node for node in writer.nodes}, writer.weights, output, make)


def _gelu_of_pytorch(w: Writer, path: str, x: str, _: Any) -> str:
    erf = w.node("Erf", path, w.node("Div", path, x, w.number(path, "number", math.sqrt(2))))
    whole = w.node("Mul", path, x, w.node("Add", path, erf, w.number(path, "number", 1.0)))
    return w.node("Mul", path, whole, w.number(path, "number", 0.5))


def _bag(opset: int, mode: Any, padding: int | None) -> Pattern:
    with deferred():
        graph = trace(nn.EmbeddingBag(2, 2, mode, padding), {"x": (2,)}, np.int64)
    writer = Writer(graph.inputs, graph.outputs, opset)
    for node in graph.needed():
        write(writer, node)
    writer.finish(graph.outputs)

    def make(known: Mapping[str, Array], names: Mapping[str, str]) -> nn.Module:
        kernel = known["kernel"]
        number = next((int(array) for name, array in known.items() if name != "kernel"), None)
        return embedding_bag(kernel, mode, number, names["kernel"].rpartition(".")[0] or None)

    return _pattern(writer, "y", make)
