"""Builds an ONNX graph: nodes, and weights by name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

from minidnn.convert.building import ConversionError
from minidnn.nn.tracing import Node, Value
from minidnn.reference.types import Array

TYPES = {"float32": "FLOAT", "int64": "INT64", "int32": "INT32", "uint8": "UINT8", "bool": "BOOL"}
"""The dtypes that are written, and their names in ONNX."""


class Written(NamedTuple):
    """A node: its operator, values, name and attributes."""

    op: str
    inputs: list[str]
    output: str
    name: str
    settings: dict[str, Any]


class Writer:
    """Nodes and weights; each value of the model's graph gets a name.

    Args:
        inputs: the model's, by name.
        outputs: the names of the outputs, which nothing else may have.
        opset: the version of the operator set.
    """

    def __init__(self, inputs: dict[str, Value], outputs: Iterable[str], opset: int) -> None:
        self.nodes: list[Written] = []
        self.weights: dict[str, Array] = {}
        self.opset = opset
        self._names = {*inputs, *outputs}
        self._known = {id(value): name for name, value in inputs.items()}

    def node(self, op: str, path: str, *inputs: str, **settings: Any) -> str:
        """Adds a node; returns the name of its output."""
        name = self._unique(path or op.lower())
        self.nodes.append(Written(op, list(inputs), self._unique(f"{name}:y"), name, settings))
        return self.nodes[-1].output

    def value(self, node: Node, part: Any, partner: Any = np.float32) -> str:
        """The name of an input of a node; a number becomes a constant of the partner's dtype."""
        if not isinstance(part, Value):
            return self.constant(below(node.path, node.op), np.asarray(part, partner))
        if id(part) not in self._known:
            if part.data is None:
                raise ConversionError(f"to_onnx: {node.where}: it reads a value that no op computed")
            self._known[id(part)] = self.constant(part.name or below(node.path, node.op), part.data)
        return self._known[id(part)]

    def know(self, value: Value, name: str) -> None:
        """Sets the name of a value."""
        self._known[id(value)] = name

    def constant(self, name: str, array: Array) -> str:
        """Adds an array; returns its unique name."""
        name = self._unique(name)
        self.weights[name] = np.asarray(array)
        return name

    def number(self, path: str, what: str, value: float, dtype: Any = np.float32) -> str:
        """Adds a number, with a name below a path; returns its unique name."""
        return self.constant(below(path, what), np.array(value, dtype))

    def integers(self, node: Node, what: str, numbers: Sequence[int]) -> str:
        """Adds a vector of integers, such as axes; returns its unique name."""
        return self.constant(below(node.path, what), np.array(numbers, np.int64))

    def path(self, node: Node) -> str:
        """The name of a node: the layer's path, and the op if a node has this name already."""
        return below(node.path, node.op) if node.path in self._names else node.path

    def finish(self, outputs: dict[str, Value]) -> None:
        """Gives the outputs their names."""
        for name, value in outputs.items():
            own = self._known.get(id(value))
            if own is None:
                own = self.constant(f"{name}.value", np.asarray(value.data))
            if own in outputs or all(node.output != own for node in self.nodes):
                self.nodes.append(Written("Identity", [own], name, self._unique("identity"), {}))
                continue
            self._known[id(value)] = name
            self.nodes = [
                node._replace(
                    inputs=[name if taken == own else taken for taken in node.inputs],
                    output=name if node.output == own else node.output,
                )
                for node in self.nodes
            ]

    def _unique(self, name: str) -> str:
        free, i = name, 2
        while free in self._names:
            free, i = f"{name}_{i}", i + 1
        self._names.add(free)
        return free


def below(path: str, name: str) -> str:
    """The path of a part."""
    return f"{path}.{name}" if path else name
